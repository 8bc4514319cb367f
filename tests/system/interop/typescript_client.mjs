// The TypeScript SDK's client against our vector server: stdio, then HTTP.
import assert from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const program = process.argv[2];

async function drive(transport) {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport);
  const names = (await client.listTools()).tools.map((tool) => tool.name).sort();
  assert.deepEqual(names, ["collections", "delete", "ingest", "read", "search", "status"]);
  const call = (name, given) => client.callTool({ name, arguments: given });
  const text = "# Knots\n\nThe bowline makes a loop that does not slip.\n";
  const ingested = await call("ingest", { text, name: "knots.md", collection: "c" });
  assert(!ingested.isError, JSON.stringify(ingested));
  const query = "Which knot makes a loop?";
  const found = await call("search", { query, collection: "c" });
  const { citation } = found.structuredContent.hits[0];
  assert.equal(citation.source, "knots.md");
  assert.deepEqual(JSON.parse(found.content[0].text), found.structuredContent);
  const wrong = await call("search", { query: "x", collection: "c", limt: 3 });
  assert(wrong.isError && wrong.content[0].text.includes("did you mean `limit`"));
  const removed = await call("delete", { everything: true, collection: "c" });
  assert.equal(removed.structuredContent.removed, 1);
  await client.close();
}

const args = ["server", "vector"];
await drive(new StdioClientTransport({ command: program, args, env: process.env }));
console.log("stdio ok");

const serving = spawn(program, [...args, "--http", "127.0.0.1:0"], {
  stdio: ["ignore", "inherit", "pipe"],
});
try {
  const [line] = await once(serving.stderr, "data");
  const url = new URL(/http:\/\/\S+/.exec(String(line))[0]);
  await drive(new StreamableHTTPClientTransport(url));
  console.log("http ok");
} finally {
  serving.kill();
}
process.exit(0);
