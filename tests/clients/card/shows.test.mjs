// What the card shows of the real server's results, and how it is copied, in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import jsQR from "jsqr";
import { PNG } from "pngjs";

import {
  SESSION,
  again,
  altered,
  assertUntroubled,
  connect,
  hostForTests,
  link,
  shows,
  showsLink,
  textOf,
} from "./browser.mjs";
import { startVerifa } from "./verifa.mjs";

const open = hostForTests();

async function scanned(locator) {
  const { data, width, height } = PNG.sync.read(await locator.screenshot());
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

test("shows the link, its QR code, the session and the environment", async (t) => {
  const host = await open(t, { client: await connect(t) });
  const { structuredContent } = await host.call(SESSION);
  const { card } = host;
  await card.getByRole("img", { name: "QR code of the link" }).waitFor();
  await showsLink(card, structuredContent.capture_url);
  assert.equal(await scanned(card.locator("#qr-image")), structuredContent.capture_url);
  const text = await textOf(card);
  assert.match(text, /LOCAL EMULATOR/);
  assert.match(text, /Session ses_demo_expired/);
  assert.match(text, /Expires in (20:0[01]|19:\d\d) \(\d\d:\d\d your time\)/);
  assert.equal(await card.locator("a, area, form").count(), 0, "nothing that could open the link");
  const { app } = await host.seen();
  assert.deepEqual(app.capabilities, { availableDisplayModes: ["inline"] });
  const height = await card.evaluate(() => document.documentElement.scrollHeight);
  await host.page.waitForFunction((expected) => window.seen.sizes.at(-1)?.height === expected, height);
  assertUntroubled(host);
});

for (const qr of ["full", "image", "none"]) {
  test(`reads every casing (QR codes: ${qr})`, async (t) => {
    const host = await open(t, { client: await connect(t, ["--emulator", "--qr", qr]) });
    for (const key_inflection of ["snake", "camel", "kebab"]) {
      const { structuredContent } = await host.call({ ...SESSION, key_inflection });
      const expected = Object.values(structuredContent).find((value) => value.startsWith("http"));
      await showsLink(host.card, expected);
      const picture = host.card.locator("#qr-image");
      if (qr === "none") assert.equal(await picture.isVisible(), false);
      else assert.equal(await scanned(picture), expected);
      assert.match(await textOf(host.card), /Session ses_demo_expired\n[^]*Expires in/);
    }
    assertUntroubled(host);
  });
}

for (const [environment, expected] of Object.entries({ live: /LIVE\s+a real/, sandbox: /SANDBOX\s+a test/ })) {
  test(`says that a link is ${environment}`, async (t) => {
    const env = { VERIFA_API_KEY: `vk_${environment}_card`, VERIFA_API_URL: await startVerifa(t, 20 * 60_000) };
    const host = await open(t, { client: await connect(t, [], env) });
    await host.call({ session_id: "ses_1" });
    await link(host.card).waitFor();
    assert.match(await textOf(host.card), expected);
  });
}

test("copies the link", async (t) => {
  const host = await open(t, { client: await connect(t) });
  const { structuredContent } = await host.call(SESSION);
  await host.card.getByRole("button", { name: "Copy link" }).click();
  await shows(host.card, "Copied.");
  await host.page.bringToFront();
  await host.page.evaluate(() => window.focus());
  assert.equal(await host.page.evaluate(() => navigator.clipboard.readText()), structuredContent.capture_url);
  assert.deepEqual(host.faults, []);
});

test("selects the link where the clipboard is denied", async (t) => {
  const host = await open(t, { client: await connect(t), allowed: false });
  const { structuredContent } = await host.call(SESSION);
  const selection = () =>
    host.card.evaluate(() => {
      const { value, selectionStart, selectionEnd } = document.activeElement;
      return value.slice(selectionStart, selectionEnd);
    });
  await host.card.getByRole("button", { name: "Copy link" }).click();
  await shows(host.card, "Press Ctrl+C");
  assert.equal(await selection(), structuredContent.capture_url);
  await host.card.evaluate(() => document.activeElement.setSelectionRange(0, 0));
  await link(host.card).click();
  assert.equal(await selection(), structuredContent.capture_url, "one click selects it as well");
});

test("shows why there is no link", async (t) => {
  const host = await open(t, { client: await connect(t) });
  const { content } = await host.call({ session_id: "ses_demo_completed" });
  await shows(host.card, "No link");
  const shown = await textOf(host.card);
  assert.ok(content[0].text.split("\n").every((line) => shown.includes(line)), shown);
  await host.call(SESSION);
  await link(host.card).waitFor();
  assert.ok(!(await textOf(host.card)).includes("No link"));
});

test("says that a call was cancelled", async (t) => {
  const host = await open(t, { client: await connect(t) });
  await host.send("sendToolInputPartial", { arguments: { session_id: "ses_demo_e" } });
  await host.send("sendToolInput", { arguments: SESSION });
  await host.send("sendToolCancelled", { reason: "user action" });
  await shows(host.card, "The call was cancelled (user action).");
  await again(host.card).click();
  await link(host.card).waitFor();
});

test("follows the host's theme", async (t) => {
  const host = await open(t, { client: await connect(t) });
  await host.call(SESSION);
  await link(host.card).waitFor();
  const background = () => host.card.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await background(), "rgb(255, 255, 255)");
  await host.send("sendHostContextChange", { theme: "dark" });
  await host.card.waitForFunction(() => getComputedStyle(document.body).backgroundColor === "rgb(31, 31, 35)");
  const styles = { variables: { "--color-background-primary": "light-dark(white, rgb(1, 2, 3))" } };
  await host.send("sendHostContextChange", { styles });
  await host.card.waitForFunction(() => getComputedStyle(document.body).backgroundColor === "rgb(1, 2, 3)");
});
