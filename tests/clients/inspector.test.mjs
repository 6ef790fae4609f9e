// The Inspector's command line over stdio.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

const PROGRAM = process.env.VERIFA_MCP ?? new URL("../../target/debug/verifa-mcp", import.meta.url).pathname;
const INSPECTOR = new URL("node_modules/.bin/mcp-inspector", import.meta.url).pathname;

const TOOL_IS_ERROR = 5; // the Inspector's exit code for a result with isError

function inspect(...args) {
  const command = [INSPECTOR, "--cli", PROGRAM, "--emulator", "--format", "json", ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

const resume = (id) => inspect("--method", "tools/call", "--tool-name", "resume_session", "--tool-arg", `session_id=${id}`);

for (const era of ["legacy", "modern"]) {
  test(`finds no fault with the tools' schemas (${era})`, async () => {
    const { code, stdout, stderr } = await inspect("--method", "tools/list", "--strict", "--protocol-era", era);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^0 errors/m);
    assert.equal(JSON.parse(stdout).result.tools[0].name, "resume_session");
  });
}

test("resumes a session", async () => {
  const { code, stdout, stderr } = await resume("ses_demo_expired");
  assert.equal(code, 0, stderr);
  const { structuredContent, content } = JSON.parse(stdout).result;
  assert.equal(structuredContent.status, "pending");
  assert.deepEqual(content.map(({ type }) => type), ["text", "image"]);
});

test("tells a refusal from a success", async () => {
  const { code, stdout } = await resume("ses_demo_completed");
  assert.equal(code, TOOL_IS_ERROR);
  assert.match(JSON.parse(stdout).result.content[0].text, /\b400\b/);
});
