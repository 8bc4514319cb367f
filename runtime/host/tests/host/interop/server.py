"""A server on the Python SDK: over standard input and output, or HTTP at the port it is given."""

import sys
from typing import Annotated

from mcp.server.mcpserver import AcceptedElicitation, Elicit, ElicitationResult, MCPServer, Resolve
from pydantic import BaseModel

server = MCPServer("python")


class Sum(BaseModel):
    sum: int


class Who(BaseModel):
    name: str


@server.tool()
def add(a: int, b: int) -> Sum:
    """Adds two numbers."""
    return Sum(sum=a + b)


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("the well is dry")


def who() -> Elicit[Who]:
    return Elicit("Who are you?", Who)


@server.tool()
def greet(answer: Annotated[ElicitationResult[Who], Resolve(who)]) -> str:
    """Asks for a name, in whichever protocol, and greets."""
    return f"hello {answer.data.name}" if isinstance(answer, AcceptedElicitation) else answer.action


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run("stdio")
