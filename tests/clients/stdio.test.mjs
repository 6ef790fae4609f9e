// The TypeScript SDKs, old and new, over stdio. They check every message against the protocol's schema, and every
// structured result against the tool's output schema, by themselves.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClassicClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as ClassicTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const PROGRAM = process.env.VERIFA_MCP ?? new URL("../../target/debug/verifa-mcp", import.meta.url).pathname;
const PNG_SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

const NAME = { name: "verifa-mcp-tests", version: "1.0.0" };
const modern = (mode) => new Client(NAME, { versionNegotiation: { mode } });
const CLIENTS = [
  { title: "classic SDK", client: new ClassicClient(NAME), Transport: ClassicTransport },
  { title: "client, by default", client: new Client(NAME), Transport: StdioClientTransport, speaks: "2025-11-25" },
  { title: "client, auto", client: modern("auto"), Transport: StdioClientTransport, speaks: "2026-07-28" },
  { title: "client, pinned", client: modern({ pin: "2026-07-28" }), Transport: StdioClientTransport, speaks: "2026-07-28" },
];

for (const { title, client, Transport, speaks } of CLIENTS) {
  test(title, async (t) => {
    // The shell is there to tell with which code the server ended.
    const script = '"$0" --emulator; echo "exit code $?" >&2';
    const transport = new Transport({ command: "sh", args: ["-c", script, PROGRAM], stderr: "pipe" });
    let log = "";
    const logEnd = new Promise((resolve) => {
      transport.stderr.on("data", (chunk) => (log += chunk)).on("end", resolve);
    });
    const call = (args) => client.callTool({ name: "resume_session", arguments: args });
    const links = [];

    await client.connect(transport);

    await t.test("learns who the server is", () => {
      assert.equal(client.getServerVersion().name, "verifa-mcp");
      assert.match(client.getInstructions(), /local emulator/);
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

    await t.test("ends the server by leaving", async () => {
      await client.close();
      await logEnd;
      assert.match(log, /^exit code 0$/m);
      assert.ok(links.every((link) => !log.includes(new URL(link).pathname)), "no link is in the log");
    });
  });
}
