// The card in every language, direction and text size: nothing is missing, cut off or too high.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SESSION, altered, connect, hostForTests } from "./browser.mjs";

const open = hostForTests();
const LOCALES = {
  "en-US": ["en", "Copy link"],
  "de-AT": ["de", "Link kopieren"],
  es: ["es", "Copiar enlace"],
  "fr-CA": ["fr", "Copier le lien"],
  "ja-JP": ["en", "Copy link"],
  "eng": ["en", "Copy link"],
};

const sizeOf = (card) =>
  card.evaluate(() => {
    const { scrollWidth } = document.documentElement;
    const { height } = document.getElementById("card").getBoundingClientRect();
    return { overflow: scrollWidth - window.innerWidth, height };
  });

async function shown(t, options) {
  const client = await connect(t);
  const host = await open(t, { client, ...options });
  const result = await host.call(SESSION);
  await host.card.locator("#copy").waitFor();
  return { ...host, result };
}

async function assertFits(card, what) {
  const { overflow, height } = await sizeOf(card);
  assert.ok(overflow <= 0, `${what}: ${overflow} pixels too wide`);
  assert.ok(height <= 500, `${what}: ${height} pixels high`);
}

for (const [locale, [language, label]] of Object.entries(LOCALES)) {
  test(`speaks ${language} where the host's locale is ${locale}`, async (t) => {
    for (const width of [720, 320]) {
      const { card, send, result } = await shown(t, { context: { locale }, width });
      assert.equal(await card.locator("html").getAttribute("lang"), language);
      assert.equal(await card.locator("#copy").textContent(), label);
      await assertFits(card, `${locale} at ${width}`);
      assert.ok(await card.locator("#copy").isVisible());
      await send("sendToolResult", altered(result, { expires_at: "2026-01-01T00:00:00Z" }));
      await card.locator("#again-button").waitFor();
      await assertFits(card, `${locale} at ${width}, expired`);
    }
  });
}

test("every language has every text", async (t) => {
  const { card } = await shown(t, {});
  const keys = await card.evaluate(() => {
    const paths = (value) =>
      typeof value === "object" ? Object.entries(value).flatMap(([key, it]) => paths(it).map((path) => key + path)) : [""];
    return Object.values(TEXTS).map((texts) => paths(texts).sort());
  });
  assert.equal(keys.length, 4);
  for (const others of keys) assert.deepEqual(others, keys[0]);
  const [texts, languages] = await card.evaluate(() => [JSON.stringify(TEXTS.de), Object.keys(TEXTS)]);
  assert.deepEqual(languages, ["en", "de", "es", "fr"]);
  assert.ok(!texts.includes("Expires"));
});

test("is laid out from right to left where the host's page is, with each text in its own direction", async (t) => {
  const { card } = await shown(t, { context: { locale: "ar-EG" } });
  const left = (id) => card.evaluate((name) => document.getElementById(name).getBoundingClientRect().left, id);
  assert.ok((await left("qr")) > (await left("hand-over")), "the QR code is on the right");
  assert.equal(await card.evaluate(() => getComputedStyle(document.getElementById("advice")).unicodeBidi), "plaintext");
  assert.equal(await card.locator("#link").getAttribute("dir"), "ltr");
  await assertFits(card, "right to left");
});

test("bears text of double size", async (t) => {
  for (const width of [720, 320]) {
    const { card } = await shown(t, { context: { locale: "de" }, width });
    await card.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    await assertFits(card, `at ${width}`);
    await card.waitForFunction(() => document.getElementById("card").tabIndex === 0); // so that the keyboard scrolls it
    await card.locator("#until").scrollIntoViewIfNeeded();
    assert.ok(await card.locator("#until").isVisible());
  }
});

test("can be pressed with a finger", async (t) => {
  const { card, send, result } = await shown(t, { width: 320 });
  const heightOf = (id) => card.evaluate((name) => document.getElementById(name).offsetHeight, id);
  assert.ok((await heightOf("copy")) >= 44);
  await send("sendToolResult", altered(result, { expires_at: "2026-01-01T00:00:00Z" }));
  await card.locator("#again-button").waitFor();
  assert.ok((await heightOf("again-button")) >= 44);
});
