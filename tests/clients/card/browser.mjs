// A real browser with a small host page, in which the card of the real server is shown.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before } from "node:test";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { build } from "esbuild";
import { chromium } from "playwright-core";

import { PROGRAM } from "../program.mjs";

export const META_KEY = "io.github.verifa-mcp/capture-link";
export const SESSION = { session_id: "ses_demo_expired" };

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const QUIET = ["background-networking", "component-update", "sync", "quic", "gpu"].map((what) => `--disable-${what}`);
const file = (name) => new URL(name, import.meta.url);

// What the protocol's specification has a host make of `_meta.ui.csp`.
function policy({ connectDomains = [], resourceDomains = [], frameDomains = [], baseUriDomains = [] }) {
  const or = (domains, otherwise) => (domains.length ? domains.join(" ") : otherwise);
  return [
    "default-src 'none'",
    `script-src 'self' 'unsafe-inline' ${resourceDomains.join(" ")}`,
    `style-src 'self' 'unsafe-inline' ${resourceDomains.join(" ")}`,
    `connect-src ${or(connectDomains, "'none'")}`,
    `img-src 'self' data: ${resourceDomains.join(" ")}`,
    `font-src 'self' ${resourceDomains.join(" ")}`,
    `media-src 'self' data: ${resourceDomains.join(" ")}`,
    `frame-src ${or(frameDomains, "'none'")}`,
    "object-src 'none'",
    `base-uri ${or(baseUriDomains, "'self'")}`,
  ].join("; ");
}

async function servePages() {
  const { outputFiles } = await build({
    entryPoints: [file("host.mjs").pathname],
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });
  const [host, sandbox] = await Promise.all(["host.html", "sandbox.html"].map((name) => readFile(file(name))));
  const html = { "content-type": "text/html; charset=utf-8" };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname === "/") {
      response.writeHead(200, html).end(host);
    } else if (pathname === "/host.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(outputFiles[0].contents);
    } else if (pathname === "/sandbox") {
      const headers = { ...html, "content-security-policy": policy(JSON.parse(searchParams.get("csp"))) };
      response.writeHead(200, headers).end(sandbox);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

export const launchBrowser = () =>
  chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--no-first-run", ...QUIET] });

// Starts what all cards need. Returns a function that shows one.
export async function startHost() {
  const [browser, server] = await Promise.all([launchBrowser(), servePages()]);
  const origin = `http://127.0.0.1:${server.address().port}`;
  const stop = async () => {
    await browser.close();
    server.close();
  };
  return { open: (t, options) => openCard(t, browser, origin, options), stop };
}

// Connects to the real program.
export async function connect(t, args = ["--emulator"], env = {}) {
  const client = new Client({ name: "card tests", version: "1.0.0" });
  const environment = { ...process.env, ...env };
  await client.connect(new StdioClientTransport({ command: PROGRAM, args, env: environment, stderr: "ignore" }));
  t.after(() => client.close());
  return client;
}

// A result as the server makes it, with other values.
export function altered(result, fields, about = {}) {
  const structuredContent = { ...result.structuredContent, ...fields };
  return { ...result, structuredContent, _meta: { [META_KEY]: { ...result._meta[META_KEY], ...about } } };
}

// Shows the card that a tool of the server names, in a window of this size.
async function openCard(t, browser, origin, options) {
  const { client, tool: name = "resume_session", width = 720, colorScheme = "light", allowed = true } = options;
  const { tools } = await client.listTools();
  const tool = tools.find((candidate) => candidate.name === name);
  const { contents } = await client.readResource({ uri: tool._meta.ui.resourceUri });
  const { text: html, _meta } = contents[0];

  const viewport = { width, height: 900 };
  const context = await browser.newContext({ viewport, colorScheme, timezoneId: "Europe/Berlin" });
  t.after(() => context.close());
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  if (options.clock) await page.clock.install();
  await page.exposeFunction("callTool", options.callTool ?? ((params) => client.callTool(params)));
  await page.goto(origin);
  await page.waitForFunction(() => window.openCard);
  await page.evaluate((shown) => window.openCard(shown), {
    html,
    ui: _meta.ui,
    allowed,
    capabilities: options.capabilities ?? { serverTools: {}, updateModelContext: { text: {} } },
    context: { toolInfo: { tool }, theme: colorScheme, locale: "en-GB", platform: "web", ...options.context },
  });

  const card = page.frames().at(-1);
  const send = (method, params) => page.evaluate(([name, value]) => window.sendToCard(name, value), [method, params]);
  // A call as the agent makes it: its arguments and its result reach the card.
  const call = async (args) => {
    await send("sendToolInput", { arguments: args });
    const result = await client.callTool({ name, arguments: args });
    await send("sendToolResult", result);
    return result;
  };
  return { page, card, send, call, faults, requests, seen: () => page.evaluate(() => window.seen) };
}

// One host for all tests of a file.
export function hostForTests() {
  let host;
  before(async () => (host = await startHost()));
  after(() => host?.stop());
  return (t, options) => host.open(t, options);
}

// What is seen of a card.
export const link = (card) => card.getByLabel("Link for the person being verified");
export const again = (card) => card.getByRole("button", { name: "Ask for a new link" });
export const textOf = (card) => card.locator("main").innerText();
export const showsLink = (card, url) =>
  card.waitForFunction((expected) => document.getElementById("link").value === expected, url);
export const shows = (card, text) => card.getByText(text).first().waitFor();

export function assertUntroubled({ faults, requests, page }) {
  assert.deepEqual(faults, [], "neither a fault nor a violation of a Content-Security-Policy");
  const { origin, port } = new URL(page.url());
  const [first, script, sandbox, ...others] = requests.filter((url) => !url.startsWith("data:"));
  assert.deepEqual([first, script], [`${origin}/`, `${origin}/host.js`]);
  assert.ok(sandbox.startsWith(`http://localhost:${port}/sandbox?`));
  assert.deepEqual(others.filter((url) => url !== "about:srcdoc"), [], "the card asks the network for nothing");
}
