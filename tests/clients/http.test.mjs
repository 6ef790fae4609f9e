// The TypeScript SDKs over streamable HTTP and over classic HTTP+SSE, with and without a key of the caller's own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CLIENTS, assertNoLinkIn, runExample } from "./example.mjs";
import { serve } from "./program.mjs";

const KEY = { authorization: "Bearer vk_sandbox_foreignclients" };
const DOORS = [
  { transport: "Http", path: "/mcp" },
  { transport: "Sse", path: "/sse" },
];

async function serveCallersWithKeys(t) {
  const { url } = await serve(t, ["emulator"]);
  // A quarter of this is one caller's share.
  return serve(t, ["http"], { VERIFA_API_URL: url, VERIFA_MCP_MAX_UPSTREAM: "160" });
}

const WAYS = [
  { way: "without authentication", start: (t) => serve(t, ["http", "--emulator"]), headers: {} },
  { way: "with the caller's key", start: serveCallersWithKeys, headers: KEY },
];

for (const { title, create, transports, speaks } of CLIENTS) {
  for (const { transport, path } of DOORS) {
    const Transport = transports[transport];

    for (const { way, start, headers } of WAYS) {
      test(`${title} at ${path}, ${way}`, async (t) => {
        const server = await start(t);
        const client = create();
        t.after(() => client.close());
        const options = { requestInit: { headers } };
        const connection = new Transport(new URL(path, server.url), options);
        const links = await runExample(t, client, connection, { speaks, instructions: /resume_session/ });

        await t.test("leaves a server that ends in order", async () => {
          await client.close();
          const { code, log } = await server.end();
          assert.equal(code, 0, log);
          assertNoLinkIn(log, links);
        });
      });
    }

    test(`${title} at ${path}, without the key that it needs`, async (t) => {
      const server = await serveCallersWithKeys(t);
      const asked = new Set();
      const watchedFetch = (url, init) => {
        asked.add(new URL(url).pathname);
        return fetch(url, init);
      };
      const connection = new Transport(new URL(path, server.url), { fetch: watchedFetch });
      const client = create();
      t.after(() => client.close());
      await assert.rejects(client.connect(connection), /\b401\b|the request has none/);
      assert.deepEqual([...asked], [path], "no search for a place to log in");
    });
  }
}
