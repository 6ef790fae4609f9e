// The Inspector's command line over every transport.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

import { PROGRAM, serve } from "./program.mjs";

const INSPECTOR = new URL("node_modules/.bin/mcp-inspector", import.meta.url).pathname;

const AUTH_REQUIRED = 3; // the Inspector's exit codes
const TOOL_IS_ERROR = 5;

function inspect(server, ...args) {
  const command = [INSPECTOR, "--cli", ...server, "--format", "json", ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

const resume = (server, id) =>
  inspect(server, "--method", "tools/call", "--tool-name", "resume_session", "--tool-arg", `session_id=${id}`);

const open = (t) => serve(t, ["http", "--emulator"]);
const overStdio = () => [PROGRAM, "--emulator"];
const overHttp = ({ url }) => [url, "--transport", "http"];
const overSse = ({ url }) => [new URL("/sse", url).href, "--transport", "sse"];

const TRANSPORTS = [
  { transport: "stdio", address: overStdio, eras: ["legacy", "modern"] },
  { transport: "http", address: async (t) => overHttp(await open(t)), eras: ["legacy", "modern"] },
  { transport: "sse", address: async (t) => overSse(await open(t)), eras: ["legacy"] },
];

for (const { transport, address, eras } of TRANSPORTS) {
  for (const era of eras) {
    test(`finds no fault with the tools' schemas (${transport}, ${era})`, async (t) => {
      const listing = ["--method", "tools/list", "--strict", "--protocol-era", era];
      const { code, stdout, stderr } = await inspect(await address(t), ...listing);
      assert.equal(code, 0, stderr);
      const { result, schemaFindings = [] } = JSON.parse(stdout);
      assert.deepEqual(schemaFindings, []);
      assert.ok(result.tools.some(({ name }) => name === "resume_session"));
    });
  }

  test(`resumes a session (${transport})`, async (t) => {
    const { code, stdout, stderr } = await resume(await address(t), "ses_demo_expired");
    assert.equal(code, 0, stderr);
    const { structuredContent, content } = JSON.parse(stdout).result;
    assert.equal(structuredContent.status, "pending");
    assert.deepEqual(content.map(({ type }) => type), ["text", "image"]);
  });

  test(`tells a refusal from a success (${transport})`, async (t) => {
    const { code, stdout } = await resume(await address(t), "ses_demo_completed");
    assert.equal(code, TOOL_IS_ERROR);
    assert.match(JSON.parse(stdout).result.content[0].text, /\b400\b/);
  });
}

for (const address of [overHttp, overSse]) {
  test(`is told that a key is missing, and uses the one it is given (${address.name})`, async (t) => {
    const server = address(await serve(t, ["http"]));
    const without = await inspect(server, "--method", "tools/list");
    assert.equal(without.code, AUTH_REQUIRED, without.stdout + without.stderr);
    const key = ["--header", "Authorization: Bearer vk_sandbox_foreignclients"];
    const { code, stdout, stderr } = await inspect(server, ...key, "--method", "tools/list");
    assert.equal(code, 0, stderr);
    assert.ok(JSON.parse(stdout).result.tools.some(({ name }) => name === "resume_session"));
  });
}
