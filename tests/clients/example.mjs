// What every client of the TypeScript SDKs, old and new, does over every transport. They check each message against the
// protocol's schema, and each structured result against the tool's output schema, by themselves.

import assert from "node:assert/strict";

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClassicClient } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport as ClassicSse } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport as ClassicStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as ClassicHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const PNG_SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

const NAME = { name: "verifa-mcp-tests", version: "1.0.0" };
const classic = { Stdio: ClassicStdio, Http: ClassicHttp, Sse: ClassicSse };
const current = { Stdio: StdioClientTransport, Http: StreamableHTTPClientTransport, Sse: SSEClientTransport };
const negotiating = (mode) => () => new Client(NAME, { versionNegotiation: { mode } });

export const CLIENTS = [
  { title: "classic SDK", create: () => new ClassicClient(NAME), transports: classic },
  { title: "client, by default", create: () => new Client(NAME), transports: current, speaks: "2025-11-25" },
  { title: "client, auto", create: negotiating("auto"), transports: current, speaks: "2026-07-28" },
  { title: "client, pinned", create: negotiating({ pin: "2026-07-28" }), transports: current, speaks: "2026-07-28" },
];

// Leaves the client connected, and returns the links that it got.
export async function runExample(t, client, transport, { speaks, instructions }) {
  const call = (args) => client.callTool({ name: "resume_session", arguments: args });
  const links = [];

  await client.connect(transport);

  await t.test("learns who the server is", () => {
    assert.equal(client.getServerVersion().name, "verifa-mcp");
    assert.match(client.getInstructions(), instructions);
    assert.equal(client.getNegotiatedProtocolVersion?.(), speaks);
  });

  await t.test("lists the tools", async () => {
    const { tools } = await client.listTools();
    const tool = tools.find(({ name }) => name === "resume_session");
    assert.deepEqual(tool.inputSchema.required, ["session_id"]);
    assert.equal(tool.outputSchema.type, "object");
    assert.equal(tool.annotations.readOnlyHint, false);
  });

  await t.test("resumes a session", async () => {
    const { isError, content, structuredContent } = await call({ session_id: "ses_demo_expired" });
    assert.ok(!isError);
    assert.equal(structuredContent.id, "ses_demo_expired");
    assert.equal(structuredContent.status, "pending");
    const [text, image] = content;
    assert.ok(text.text.split("\n").includes(structuredContent.capture_url), "the link stands alone on a line");
    assert.equal(image.type, "image");
    assert.equal(image.mimeType, "image/png");
    assert.ok(Buffer.from(image.data, "base64").subarray(0, 8).equals(PNG_SIGNATURE));
    links.push(structuredContent.capture_url);
  });

  await t.test("reads why a session cannot be resumed", async () => {
    const { isError, content, structuredContent } = await call({ session_id: "ses_demo_completed" });
    assert.equal(isError, true);
    assert.match(content[0].text, /\b400\b/);
    assert.equal(structuredContent, undefined);
  });

  await t.test("reads what is wrong with its arguments", async () => {
    const wrong = [{}, { session_id: 7 }, { session_id: "../keys" }, { session_id: "ses_demo_expired", colour: "red" }];
    for (const args of wrong) {
      const { isError, content } = await call(args);
      assert.equal(isError, true, JSON.stringify(args));
      assert.match(content[0].text, /session_id|colour/);
    }
  });

  await t.test("is refused a tool that does not exist", async () => {
    await assert.rejects(client.callTool({ name: "resume_everything", arguments: {} }), { code: -32602 });
  });

  await t.test("gets an answer to each of many calls at once", async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `ses_demo_${["expired", "capturing", "null_qr"][n % 3]}`);
    const results = await Promise.all(ids.map((session_id) => call({ session_id })));
    assert.deepEqual(results.map(({ structuredContent }) => structuredContent.id), ids);
    links.push(...results.map(({ structuredContent }) => structuredContent.capture_url));
    assert.equal(new Set(links).size, 31, "no link is handed out twice");
  });

  return links;
}

export function assertNoLinkIn(log, links) {
  assert.equal(links.length, 31);
  assert.ok(links.every((link) => !log.includes(new URL(link).pathname)), "no link is in the log");
}
