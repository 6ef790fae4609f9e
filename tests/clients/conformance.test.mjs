// The protocol's own conformance tests: every scenario that fits any server. They work over streamable HTTP only.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

import { serve } from "./program.mjs";

const CONFORMANCE = new URL("node_modules/.bin/conformance", import.meta.url).pathname;
const EXPECTED_FAILURES = new URL("conformance.yml", import.meta.url).pathname;

const [OLDER, OLD, NEW] = ["2025-06-18", "2025-11-25", "2026-07-28"];

const SCENARIOS = {
  "server-initialize": [OLDER, OLD],
  ping: [OLDER, OLD],
  "tools-list": [OLDER, OLD, NEW],
  "resources-list": [OLDER, OLD, NEW],
  "prompts-list": [OLDER, OLD, NEW],
  "dns-rebinding-protection": [OLD, NEW],
  "server-sse-multiple-streams": [NEW],
  "server-stateless": [NEW],
  "http-header-validation": [NEW],
  caching: [NEW],
  "sep-2164-resource-not-found": [NEW],
  "input-required-result-unsupported-methods": [NEW],
  "input-required-result-validate-input": [NEW],
  "input-required-result-missing-input-response": [NEW],
  "input-required-result-ignore-extra-params": [NEW],
};

const LEFT_OUT = [
  { why: "they call tools of the reference server's", names: [/^tools-call-/, /^json-schema-/, /^elicitation-/] },
  { why: "the same, to be asked back", names: [/^input-required-result-(basic|multi|request|non-tool|result-type)/] },
  { why: "the same", names: [/^input-required-result-(tampered-state|capability-check)/] },
  { why: "they read resources of the reference server's", names: [/^resources-(read|templates|(un)?subscribe)/] },
  { why: "needs a tool with an argument in a header", names: [/^http-custom-header-/] },
  { why: "they get and complete prompts of the reference server's", names: [/^prompts-get-/, /^completion-/] },
  { why: "no such thing is offered", names: [/^logging-/] },
  { why: "they look at sessions, and there are none", names: [/^server-session-lifecycle$/, /^server-sse-polling$/] },
  { why: "extensions that are not offered", names: [/^tasks-/, /^sep-2640-skills-/] },
];

function conformance(...args) {
  return new Promise((resolve) => {
    execFile(process.execPath, [CONFORMANCE, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });
}

test("every scenario is run, or left out for a reason", async () => {
  const { output } = await conformance("list", "--server");
  const existing = [...output.matchAll(/^ +- (\S+) \[/gm)].map(([, name]) => name);
  assert.ok(existing.length > 50, output);
  const known = (name) => name in SCENARIOS || LEFT_OUT.some(({ names }) => names.some((pattern) => pattern.test(name)));
  assert.deepEqual(existing.filter((name) => !known(name)), []);
});

for (const [name, revisions] of Object.entries(SCENARIOS)) {
  for (const revision of revisions) {
    test(`${name} (${revision})`, async (t) => {
      const { url } = await serve(t, ["http", "--emulator"]);
      const what = ["--scenario", name, "--spec-version", revision, "--expected-failures", EXPECTED_FAILURES];
      const { code, output } = await conformance("server", "--url", url, ...what);
      assert.equal(code, 0, output);
      assert.match(output, /^Passed: [1-9]/m);
    });
  }
}
