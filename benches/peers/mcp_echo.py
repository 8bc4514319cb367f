"""An echo server on the Python SDK: `mcp_echo.py stdio`, or `mcp_echo.py http PORT`."""

import sys

from mcp.server import MCPServer

server = MCPServer("echo", log_level="WARNING")


@server.tool()
def echo(message: str) -> str:
    """Says back what it is told."""
    return message


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run(
        "streamable-http",
        host="127.0.0.1",
        port=int(sys.argv[2]),
        json_response=True,
        stateless_http=True,
    )
