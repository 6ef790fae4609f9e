// Real agents with a scripted model: each is configured by `verifa-mcp install`, has its model call resume_session once, and
// gives the model the result. None of them reaches a network.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { before, test } from "node:test";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { PROGRAM, serve } from "./program.mjs";
import { startModel } from "./scripted_model.mjs";

const KEY = "vk_sandbox_agents";
const PROMPT = "Resume the session.";
const LINK = /http:\/\/127\.0\.0\.1:\d+\/verify\/tok_[0-9a-f]{32}/;
const PROGRAMS = ["node_modules/.bin", "node_modules/opencode-linux-x64-baseline/bin"];
const PATH = [
  ...PROGRAMS.map((folder) => new URL(folder, import.meta.url).pathname),
  dirname(process.execPath),
  process.env.PATH,
].join(":");

// Each agent: its name for `install`, its command, what it needs to reach the model, and an entry for a server with a URL.
const AGENTS = {
  codex: {
    command: (model) => [
      "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
      "-c", 'model="scripted"', "-c", 'model_provider="local"',
      "-c", `model_providers.local={name="local",base_url="${model}/v1",wire_api="responses"}`, PROMPT,
    ],
    list: ["codex", "mcp", "list"],
    remote: (url) => ["config.toml", `[mcp_servers.verifa-mcp]\nurl = "${url}"\n`],
    folder: ".codex",
  },
  "gemini-cli": {
    command: () => ["gemini", "--skip-trust", "--approval-mode", "yolo", "--model", "gemini-2.5-flash", "--prompt", PROMPT],
    environment: (model) => ({ GEMINI_API_KEY: "none", GOOGLE_GEMINI_BASE_URL: model }),
    settings: () => ({ security: { auth: { selectedType: "gemini-api-key" } }, privacy: { usageStatisticsEnabled: false } }),
    list: ["gemini", "mcp", "list"],
    remote: (url) => ["settings.json", JSON.stringify({ mcpServers: { "verifa-mcp": { httpUrl: `${url}` } } })],
    classic: (url) => ["settings.json", JSON.stringify({ mcpServers: { "verifa-mcp": { url: `${url}` } } })],
    folder: ".gemini",
  },
  opencode: {
    command: () => ["opencode", "run", PROMPT],
    environment: () => ({ OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1" }),
    settings: (model) => ({
      model: "local/scripted",
      small_model: "local/scripted",
      provider: {
        local: {
          npm: "@ai-sdk/openai-compatible",
          options: { baseURL: `${model}/v1`, apiKey: "none" },
          models: { scripted: {} },
        },
      },
    }),
    list: ["opencode", "mcp", "list"],
    remote: (url) => ["opencode.json", JSON.stringify({ mcp: { "verifa-mcp": { type: "remote", url: `${url}` } } })],
    folder: ".config/opencode",
  },
};

// What a client of the SDK is told: the agents' models must be told the same.
let expected;
before(async () => {
  const client = new Client({ name: "agents", version: "1.0.0" });
  await client.connect(new StdioClientTransport({ command: PROGRAM, args: ["--emulator"], stderr: "ignore" }));
  const { tools } = await client.listTools();
  const wrong = await client.callTool({ name: "resume_session", arguments: { session_id: "ses_unknown" } });
  expected = {
    description: tools.find(({ name }) => name === "resume_session").description,
    // A sentence of them that does not depend on the key.
    instructions: client.getInstructions().match(/[^.\n]*who set up this server[^.\n]*\./)[0].trim(),
    error: wrong.content[0].text.split(" with this ")[0],
  };
  await client.close();
});

// A user's home folder with the agent in it.
async function startAgent(t, agent, model) {
  const home = await mkdtemp(join(tmpdir(), "agent-"));
  t.after(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  const { environment = () => ({}), settings, folder } = AGENTS[agent];
  const env = { PATH, HOME: home, ...environment(model) };
  const run = async (command, ...args) => {
    const child = spawn(command, args, { cwd: home, env, stdio: ["ignore", "pipe", "pipe"], timeout: 40_000 });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const [code] = await once(child, "close");
    assert.equal(code, 0, output);
    return output;
  };
  // Settings are added to what is there, as a user would.
  const configure = async (name, text) => {
    const file = join(home, folder, name);
    await run("mkdir", "-p", dirname(file));
    await writeFile(file, text);
  };
  const addSettings = async () => {
    if (!settings) return;
    const [name] = AGENTS[agent].remote("");
    const file = join(home, folder, name);
    const present = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...settings(model), ...present }));
  };
  return { home, run, configure, addSettings };
}

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

// Whether a process of this home is still there.
async function processesOf(home) {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const environments = ids.map((id) => readFile(`/proc/${id}/environ`, "utf8").catch(() => ""));
  return (await Promise.all(environments)).filter((text) => text.split("\0").includes(`HOME=${home}`)).length;
}

async function assertNothingIsLeft(home, output, link) {
  for (let n = 0; n < 50 && (await processesOf(home)); n++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await processesOf(home), 0, "no process is left behind");
  assert.ok(!output.includes(KEY));
  for (const file of await filesBelow(home)) {
    const text = await readFile(file, "latin1");
    if (!file.endsWith("/verifa.key")) assert.ok(!text.includes(KEY), `the key is in ${file}`);
    if (/\.log$|\/logs?\//.test(file)) assert.ok(!text.includes(link), `the link is in ${file}`);
  }
}

async function resumeWith(t, agent, { run, home }, { url, told }) {
  const output = await run(...AGENTS[agent].command(url));
  assert.equal(told.tool?.description, expected.description);
  assert.ok(JSON.stringify(told.requests).includes(JSON.stringify(expected.instructions).slice(1, -1)), "the instructions");
  const [link] = told.result?.match(LINK) ?? [];
  assert.ok(link, `the whole link: ${told.result}\n${output}`);
  await assertNothingIsLeft(home, output, link);
}

async function startEmulator(t) {
  const { url } = await serve(t, ["emulator"]);
  return url;
}

for (const agent of Object.keys(AGENTS)) {
  test(`${agent}, installed with one command`, async (t) => {
    const model = await startModel(t, { session_id: "ses_demo_expired" });
    const host = await startAgent(t, agent, model.url);
    const key = join(host.home, "verifa.key");
    await writeFile(key, `${KEY}\n`, { mode: 0o600 });
    const settings = ["--api-key-file", key, "--api-url", await startEmulator(t), "--log", "trace"];
    await host.run(PROGRAM, "install", agent, "--yes", ...settings);
    await host.addSettings();
    assert.match(await host.run(...AGENTS[agent].list), /verifa-mcp/);
    await resumeWith(t, agent, host, model);
  });

  test(`${agent}, with a wrong ID`, async (t) => {
    const model = await startModel(t, { session_id: "ses_unknown" });
    const host = await startAgent(t, agent, model.url);
    await host.run(PROGRAM, "install", agent, "--yes", "--emulator");
    await host.addSettings();
    await host.run(...AGENTS[agent].command(model.url));
    assert.ok(model.told.result.includes(expected.error), model.told.result);
    assert.ok(model.told.result.includes("Do not repeat the call unchanged."), model.told.result);
  });

  for (const [way, path] of Object.entries({ remote: "/mcp", classic: "/sse" })) {
    const entry = AGENTS[agent][way];
    if (!entry) continue;
    test(`${agent}, over HTTP at ${path}`, async (t) => {
      const model = await startModel(t, { session_id: "ses_demo_expired" });
      const server = await serve(t, ["http", "--emulator", "--log", "trace"]);
      const host = await startAgent(t, agent, model.url);
      await host.configure(...entry(new URL(path, server.url)));
      await host.addSettings();
      await resumeWith(t, agent, host, model);
      const { code, log } = await server.end();
      assert.equal(code, 0);
      assert.ok(!log.includes("tok_"), "no link is in the server's log");
    });
  }
}
