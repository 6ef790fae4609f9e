// The whole process: someone's link has expired, an agent finds the session and resumes it, and the person opens the link in a
// browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { launchBrowser } from "./card/browser.mjs";
import { PROGRAM, serve } from "./program.mjs";

const KEY = "vk_sandbox_process";

const WAYS = {
  stdio: async (t, emulator) => {
    const env = { ...process.env, VERIFA_API_URL: emulator, VERIFA_API_KEY: KEY };
    return new StdioClientTransport({ command: PROGRAM, args: [], env, stderr: "ignore" });
  },
  http: async (t, emulator) => {
    const { url } = await serve(t, ["http"], { VERIFA_API_URL: emulator });
    const requestInit = { headers: { authorization: `Bearer ${KEY}` } };
    return new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit });
  },
};

let browser;
before(async () => (browser = await launchBrowser()));
after(() => browser?.close());

for (const [way, connect] of Object.entries(WAYS)) {
  test(`from "Jane's link has expired" to Jane's camera, over ${way}`, async (t) => {
    const { url: emulator } = await serve(t, ["emulator"]);
    const client = new Client({ name: "whole-process", version: "1.0.0" });
    t.after(() => client.close());
    await client.connect(await connect(t, emulator));
    const call = async (name, args) => {
      const { isError, structuredContent, content } = await client.callTool({ name, arguments: args });
      assert.ok(!isError, content[0].text);
      return structuredContent;
    };

    const { data } = await call("list_sessions", { query: "customer-1001" });
    assert.equal(data.length, 1);
    const [{ id: session_id, status, resumable }] = data;
    assert.deepEqual([status, resumable], ["expired", "yes"]);

    const before = await call("get_session", { session_id });
    assert.deepEqual([before.external_ref, before.resumable], ["customer-1001", "yes"]);

    const { capture_url, status: resumed } = await call("resume_session", { session_id });
    assert.equal(resumed, "pending");

    const page = await browser.newPage();
    await page.goto(capture_url);
    await page.getByRole("heading", { name: "The link works" }).waitFor();
    assert.equal((await call("get_session", { session_id })).status, "capturing");

    await page.goto(capture_url);
    await page.getByRole("heading", { name: "This link was already used" }).waitFor();

    const { capture_url: longer } = await call("generate_one_time_link", { session_id, expires_in_minutes: 1440 });
    assert.notEqual(longer, capture_url);
    await page.goto(longer);
    await page.getByRole("heading", { name: "The link works" }).waitFor();
    await page.close();
  });
}
