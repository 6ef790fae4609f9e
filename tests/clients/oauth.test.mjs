// The TypeScript SDKs and the Inspector log in at a real authorization server: registration, PKCE, consent, refresh.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { CLIENTS } from "./example.mjs";
import { Host, startBoth, walk } from "./oauth.mjs";

const INSPECTOR = new URL("node_modules/.bin/mcp-inspector", import.meta.url).pathname;
const SCOPES = "verifa:read verifa:resume verifa:links";
const ALL = ["list_sessions", "get_session", "resume_session", "generate_one_time_link"];

// Connects as a host does: logs in where the server asks for it, and connects again.
async function connect(t, { create, transports, speaks }, url, host) {
  const open = () => new transports.Http(new URL(url), { authProvider: host });
  let [client, transport] = [create(), open()];
  t.after(() => client.close());
  try {
    await client.connect(transport);
  } catch (error) {
    if (!host.callback) throw error;
    const parameters = host.callback.searchParams;
    // The classic SDK takes the code alone.
    await transport.finishAuth(speaks ? parameters : parameters.get("code"));
    [client, transport] = [create(), open()];
    await client.connect(transport);
  }
  return client;
}

const names = async (client) => (await client.listTools()).tools.map(({ name }) => name);

async function resume(client) {
  const call = { name: "resume_session", arguments: { session_id: "ses_demo_expired" } };
  return (await client.callTool(call)).structuredContent.status;
}

for (const sdk of CLIENTS) {
  for (const alg of ["RS256", "PS256", "ES256", "EdDSA"]) {
    test(`${sdk.title} logs in and resumes a session (${alg})`, async (t) => {
      const { url, server } = await startBoth(t, { as: { AS_ALG: alg } });
      const host = new Host();
      const client = await connect(t, sdk, url, host);
      assert.deepEqual(await names(client), ALL);
      assert.equal(await resume(client), "pending");
      assert.equal(host.logins, 1);
      assert.equal(host.asked.searchParams.get("resource"), url);
      for (const scope of SCOPES.split(" ")) assert.ok(host.asked.searchParams.get("scope").split(" ").includes(scope));
      await client.close();
      const { code, log } = await server.end();
      assert.equal(code, 0, log);
      assert.match(log, /caller="jane"/);
      assert.doesNotMatch(log, /eyJ/);
    });
  }

  test(`${sdk.title} uses opaque tokens`, async (t) => {
    const rs = { VERIFA_MCP_OAUTH_CLIENT_ID: "rs", VERIFA_MCP_OAUTH_CLIENT_SECRET: "rs-secret" };
    const { url } = await startBoth(t, { as: { AS_FORMAT: "opaque" }, rs });
    const host = new Host();
    const client = await connect(t, sdk, url, host);
    assert.equal(await resume(client), "pending");
    assert.doesNotMatch(host.saved.access_token, /\./);
  });

  test(`${sdk.title} sees what its user grants`, async (t) => {
    const { url } = await startBoth(t, { as: { AS_GRANT: "verifa:read" } });
    const client = await connect(t, sdk, url, new Host());
    assert.deepEqual(await names(client), ["list_sessions", "get_session"]);
    assert.match(client.getInstructions(), /Not permitted by your token: resume_session \(verifa:resume\)/);
    await assert.rejects(resume(client));
    assert.deepEqual(await names(client), ["list_sessions", "get_session"]);
  });

  test(`${sdk.title} refreshes a token that has expired`, async (t) => {
    const { url } = await startBoth(t, { as: { AS_TTL: "1" }, rs: { VERIFA_MCP_OAUTH_LEEWAY: "10ms", VERIFA_MCP_WRITES_PER_CALLER: "1000/1h" } });
    const host = new Host();
    const client = await connect(t, sdk, url, host);
    const first = host.saved.access_token;
    while (host.saved.access_token === first) assert.equal(await resume(client), "pending");
    assert.equal(host.logins, 1);
  });

  test(`${sdk.title} is told of a token for another audience`, async (t) => {
    const { url } = await startBoth(t, { as: { AS_AUDIENCE: "https://other.example.com/mcp" } });
    await assert.rejects(connect(t, sdk, url, new Host()));
  });

  test(`${sdk.title} logs in again when the keys were replaced`, async (t) => {
    const { url, restartAuthorizationServer } = await startBoth(t);
    await (await connect(t, sdk, url, new Host())).close();
    await restartAuthorizationServer();
    assert.equal(await resume(await connect(t, sdk, url, new Host())), "pending");
  });
}

test("the Inspector logs in and lists the tools", async (t) => {
  const { url } = await startBoth(t);
  const home = await mkdtemp(join(tmpdir(), "inspector-"));
  const command = [INSPECTOR, "--cli", url, "--transport", "http", "--method", "tools/list", "--format", "json"];
  const env = { ...process.env, HOME: home, MCP_AUTO_OPEN_ENABLED: "true" };
  const child = spawn(process.execPath, command, { env });
  t.after(() => child.kill("SIGKILL"));
  let [stdout, stderr, walked] = ["", "", undefined];
  const look = () => {
    const found = /http:\/\/127\.0\.0\.1:\d+\/auth\?\S+/.exec(stdout + stderr);
    // The callback is the Inspector's own server.
    walked ??= found && walk(found[0], "http://127.0.0.1:6276/").then((callback) => fetch(callback));
  };
  child.stdout.on("data", (chunk) => ((stdout += chunk), look()));
  child.stderr.on("data", (chunk) => ((stderr += chunk), look()));
  const [code] = await once(child, "close");
  assert.equal(code, 0, stderr + stdout);
  await walked;
  assert.match(stdout, /"resume_session"/);
});
