// The card and a host that sends what it should not, or asks what it may.

import assert from "node:assert/strict";
import { test } from "node:test";

import { META_KEY, SESSION, altered, assertUntroubled, connect, hostForTests, link, shows } from "./browser.mjs";

const open = hostForTests();

test("survives hostile values", async (t) => {
  const client = await connect(t);
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title="owned"</script>`;
  const long = evil.repeat(200).slice(0, 10_000);
  const result = await client.callTool({ name: "resume_session", arguments: SESSION });
  const host = await open(t, { client, width: 320 });
  const { card, send } = host;
  for (const value of [evil, long, "javascript:alert(1)", "\u202e\u0000\ufeff", "{{constructor}}", "__proto__"]) {
    const styles = { variables: { "--color-text-primary": `url(http://evil.example/${value})`, color: value } };
    await send("sendHostContextChange", { styles, locale: value, timeZone: value });
    const url = `data:image/png;base64,${value}`;
    const everywhere = { id: value, session_id: value, status: value, capture_url: value, qr_code_data_url: url };
    const about = { tool: value, session_id: value, environment: value, emulator: value, idempotency_key: value };
    const images = ["image/png", value].map((mimeType) => ({ type: "image", mimeType, data: value }));
    const content = [{ type: "text", text: value }, ...images];
    await send("sendToolInput", { arguments: { session_id: value, [value]: value } });
    for (const expires_at of [result.structuredContent.expires_at, value]) {
      await send("sendToolResult", { ...altered(result, { ...everywhere, expires_at }, about), content });
      await link(card).waitFor();
      assert.equal(await link(card).inputValue(), value);
      assert.equal(await card.locator("#qr-image").isVisible(), false);
      assert.equal(await card.locator("#environment").isVisible(), false);
    }
    await send("sendToolResult", { isError: true, content });
    await shows(card, "No link");
    await send("sendToolCancelled", { reason: value });
    await shows(card, "Cancelled");
    const overflow = await card.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, "nothing is wider than the card");
    assert.equal(await card.locator("main script, main img:not(#qr-image), main a").count(), 0);
    assert.equal(await card.title(), "Verifa capture link");
  }
  assertUntroubled(host);
});

test("takes a result of any form", async (t) => {
  const host = await open(t, { client: await connect(t) });
  const odd = [{}, { structuredContent: { capture_url: 7 } }, { _meta: { [META_KEY]: null } }];
  for (const result of odd) {
    await host.send("sendToolResult", { content: [], ...result });
    await shows(host.card, "There is no link in the answer.");
  }
  assert.deepEqual(host.faults, []);
});

test("answers the host, and listens to no one else", async (t) => {
  const host = await open(t, { client: await connect(t) });
  const ask = (method) => host.page.evaluate((name) => window.askCard(name), method);
  await host.call(SESSION);
  await link(host.card).waitFor();
  assert.deepEqual(await ask("ping"), { result: {} });
  assert.deepEqual(await ask("tools/list"), { code: -32601 });
  assert.deepEqual(await ask("constructor"), { code: -32601 });
  await host.card.evaluate(() => {
    const text = [{ type: "text", text: "from another window" }];
    const params = { isError: true, content: text };
    window.postMessage({ jsonrpc: "2.0", method: "ui/notifications/tool-result", params }, "*");
    return new Promise((resolve) => setTimeout(resolve)); // the message is delivered before
  });
  assert.ok(await link(host.card).isVisible());
  assert.deepEqual(await ask("ui/resource-teardown"), { result: {} });
  assert.equal(await host.card.locator("#link").inputValue(), "", "nothing is left of the link");
});
