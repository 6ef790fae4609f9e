// A real authorization server, the program as its resource server, and a browser that says yes to everything.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

import { serve } from "./program.mjs";

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// Starts oidc-provider for this resource; `env` says what it issues (see oauth-as.mjs).
async function startAuthorizationServer(t, resource, env, port) {
  const script = new URL("oauth-as.mjs", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, String(port), resource], { env: { ...process.env, ...env } });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const stop = async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  t.after(stop);
  const line = await Promise.race([once(createInterface(child.stdout), "line"), once(child, "exit").then(() => undefined)]);
  if (!line) throw new Error(`the authorization server ended: ${log}`);
  return { ...JSON.parse(line[0]), stop };
}

// Both, the program with --auth oauth against its emulator. `as` is the authorization server's environment, `rs` the program's.
export async function startBoth(t, { as = {}, rs = {} } = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/mcp`;
  const authorizationServer = await startAuthorizationServer(t, url, as, 0);
  const env = { VERIFA_MCP_PUBLIC_URL: url, VERIFA_MCP_OAUTH_ISSUER: authorizationServer.issuer, ...rs };
  const server = await serve(t, ["http", "--emulator", "--auth", "oauth"], env, port);
  const restartAuthorizationServer = async () => {
    await authorizationServer.stop();
    return startAuthorizationServer(t, url, { ...as, AS_KID: "at-2" }, new URL(authorizationServer.issuer).port);
  };
  return { server, url, authorizationServer, restartAuthorizationServer };
}

// Follows redirects with cookies, as a browser does, until the client's own address; returns that with its parameters.
export async function walk(start, callback) {
  let url = String(start);
  const cookies = new Map();
  while (!url.startsWith(callback)) {
    const cookie = [...cookies].map((it) => it.join("=")).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const it of response.headers.getSetCookie()) cookies.set(...it.split(";")[0].split(/=(.*)/s).slice(0, 2));
    const location = response.headers.get("location");
    if (!location) throw new Error(`${response.status} ${await response.text()}`);
    url = new URL(location, url).href;
  }
  return new URL(url);
}

// What an SDK asks of its host: where to keep things, and to open the browser.
export class Host {
  redirectUrl = "http://127.0.0.1:9/callback";
  logins = 0;
  get clientMetadata() {
    const grants = { grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] };
    const client = { client_name: "tests", application_type: "native", token_endpoint_auth_method: "none" };
    return { ...client, ...grants, redirect_uris: [this.redirectUrl] };
  }
  state = () => "state";
  clientInformation = () => this.client;
  saveClientInformation = (client) => (this.client = client);
  tokens = () => this.saved;
  saveTokens = (tokens) => (this.saved = tokens);
  codeVerifier = () => this.verifier;
  discoveryState = () => this.discovered;
  saveDiscoveryState = (state) => (this.discovered = state);
  saveCodeVerifier = (verifier) => (this.verifier = verifier);
  async redirectToAuthorization(url) {
    this.logins += 1;
    this.asked = url;
    this.callback = await walk(url, this.redirectUrl);
  }
}
