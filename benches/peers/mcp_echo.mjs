// An echo server on the TypeScript SDK: `mcp_echo.mjs stdio`, or `mcp_echo.mjs http PORT`.
import http from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

function make() {
  const server = new McpServer({ name: "echo", version: "1" });
  server.registerTool(
    "echo",
    {
      description: "Says back what it is told.",
      inputSchema: z.object({ message: z.string() }),
    },
    async ({ message }) => ({ content: [{ type: "text", text: message }] }),
  );
  return server;
}

const [way, port] = process.argv.slice(2);
if (way === "stdio") {
  await serveStdio(make);
} else {
  http.createServer(toNodeHandler(createMcpHandler(make))).listen(Number(port), "127.0.0.1");
}
