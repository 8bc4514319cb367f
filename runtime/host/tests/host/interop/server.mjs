// A server on the TypeScript SDK: over standard input and output, or HTTP at the port it is given.

import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages lie where the test installed them.
const require = createRequire(process.env.RW_PACKAGES + '/');
const load = name => import(pathToFileURL(require.resolve(name)));
const { McpServer, createMcpHandler, inputRequired, acceptedContent } = await load('@modelcontextprotocol/server');
const { serveStdio } = await load('@modelcontextprotocol/server/stdio');
const { z } = await load('zod');

function server() {
    const server = new McpServer({ name: 'typescript', version: '1' }, { capabilities: { tools: {} } });
    const numbers = z.object({ a: z.number(), b: z.number() });
    const config = { description: 'Adds two numbers.', inputSchema: numbers, outputSchema: z.object({ sum: z.number() }) };
    server.registerTool('add', config, async ({ a, b }) => ({
        content: [{ type: 'text', text: String(a + b) }],
        structuredContent: { sum: a + b }
    }));
    server.registerTool('fail', { description: 'Fails.', inputSchema: z.object({}) }, async () => {
        throw new Error('the well is dry');
    });
    const who = z.object({ name: z.string() });
    server.registerTool('greet', { description: 'Asks and greets.', inputSchema: z.object({}) }, async (_, ctx) => {
        const known = acceptedContent(ctx.mcpReq.inputResponses, 'who', who);
        if (known === undefined) {
            const asked = inputRequired.elicit({ message: 'Who are you?', requestedSchema: who });
            return inputRequired({ inputRequests: { who: asked } });
        }
        return { content: [{ type: 'text', text: `hello ${known.name}` }] };
    });
    return server;
}

const port = process.argv[2];
if (port === undefined) {
    serveStdio(server);
} else {
    const handler = createMcpHandler(server);
    http.createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const url = `http://127.0.0.1:${port}${request.url}`;
        const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
        const answer = await handler.fetch(new Request(url, { method: request.method, headers: request.headers, body }));
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        if (answer.body) for await (const chunk of answer.body) response.write(chunk);
        response.end();
    }).listen(Number(port), '127.0.0.1');
}
