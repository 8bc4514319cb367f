"""The Python SDK's client against our vector server: stdio, then HTTP."""

import asyncio
import json
import os
import re
import subprocess
import sys

from mcp import Client, StdioServerParameters

PROGRAM = sys.argv[1]


async def drive(server) -> None:
    async with Client(server) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        expected = {"search", "read", "ingest", "collections", "delete", "status"}
        assert tools == expected, tools
        text = "# Knots\n\nThe bowline makes a loop that does not slip.\n"
        arguments = {"text": text, "name": "knots.md", "collection": "c"}
        result = await client.call_tool("ingest", arguments)
        assert not result.is_error, result
        arguments = {"query": "Which knot makes a loop?", "collection": "c"}
        result = await client.call_tool("search", arguments)
        hit = result.structured_content["hits"][0]["citation"]
        assert hit["source"] == "knots.md" and "bowline" in hit["quote"], hit
        assert json.loads(result.content[0].text) == result.structured_content
        arguments = {"id": hit["id"], "collection": "c", "what": "document"}
        result = await client.call_tool("read", arguments)
        assert "bowline" in result.structured_content["text"]
        for arguments, words in [
            ({"query": "x", "collection": "c", "limt": 3}, "did you mean `limit`"),
            ({"query": 7, "collection": "c"}, "not of type"),
            ({"query": "x", "collection": "none"}, "no collection `none`"),
            ({"query": "x", "collection": "c", "filter": [{"field": "colour", "equals": 1}]},
             "has a field `colour`"),
        ]:
            result = await client.call_tool("search", arguments)
            said = result.content[0].text
            assert result.is_error and words in said, (words, said)
        result = await client.call_tool("delete", {"everything": True, "collection": "c"})
        assert result.structured_content["removed"] == 1


def main() -> None:
    asyncio.run(drive(StdioServerParameters(
        command=PROGRAM, args=["server", "vector"], env=dict(os.environ), cwd=os.getcwd())))
    print("stdio ok", flush=True)
    serving = subprocess.Popen(
        [PROGRAM, "server", "vector", "--http", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+", serving.stderr.readline()).group(0)
        asyncio.run(drive(url))
        print("http ok", flush=True)
    finally:
        serving.terminate()
        serving.wait(10)


main()
