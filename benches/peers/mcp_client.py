"""The Python SDK's client, calling an echo tool: what a call costs the client.

`mcp_client.py N COMMAND...` calls a server over standard input and output and prints the client's
own processor time per call in microseconds; `mcp_client.py N` calls a server in this process and
prints the processor time of both.
"""

import asyncio
import os
import sys
import time

from mcp import Client, StdioServerParameters
from mcp.server import MCPServer


def in_process() -> MCPServer:
    server = MCPServer("echo", log_level="WARNING")

    @server.tool()
    def echo(message: str) -> str:
        """Says back what it is told."""
        return message

    return server


async def main() -> None:
    count, command = int(sys.argv[1]), sys.argv[2:]
    server = in_process()
    if command:
        server = StdioServerParameters(
            command=command[0], args=command[1:], env=dict(os.environ)
        )
    async with Client(server) as client:
        for number in range(count + 200):
            if number == 200:
                began = time.process_time()
            result = await client.call_tool("echo", {"message": "hello"})
            assert result.content[0].text == "hello"
        print((time.process_time() - began) / count * 1e6)


asyncio.run(main())
