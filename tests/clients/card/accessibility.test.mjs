// What people with other eyes and hands meet: axe's rules for every state of the card, in every dress.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { altered, connect, hostForTests } from "./browser.mjs";

const AXE = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const DRESSES = { light: {}, dark: { colorScheme: "dark" }, "light, 320 pixels wide": { width: 320 } };
const [COPY, AGAIN] = ["Copy link", "Ask for a new link"];

const open = hostForTests();

for (const [dress, options] of Object.entries(DRESSES)) {
  test(`is accessible: ${dress}`, async (t) => {
    const client = await connect(t);
    const { card, send } = await open(t, { client, ...options });
    await card.evaluate(AXE);
    // The whole card is looked at, not only what needs no scrolling.
    await card.evaluate(() => (document.getElementById("card").style.maxHeight = "none"));
    const check = async (state, shown) => {
      await shown.waitFor();
      const { violations, incomplete, passes } = await card.evaluate(() => window.axe.run());
      const found = [...violations, ...incomplete].map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
      assert.deepEqual(found, [], state);
      assert.ok(passes.some(({ id }) => id === "color-contrast"));
    };

    await check("waiting", card.getByText("Waiting"));
    const resume = (session_id) => client.callTool({ name: "resume_session", arguments: { session_id } });
    const result = await resume("ses_demo_expired");
    for (const environment of ["live", "sandbox", "emulator"]) {
      const about = { environment, emulator: environment === "emulator" };
      await send("sendToolResult", altered(result, {}, about));
      await check(`link, ${environment}`, card.getByRole("button", { name: COPY }));
      await card.evaluate(() => showProgress("capturing"));
      await check(`link and progress, ${environment}`, card.locator("#progress"));
      await send("sendToolResult", altered(result, { expires_at: "2026-01-01T00:00:00Z" }, about));
      await check(`expired, ${environment}`, card.getByRole("button", { name: AGAIN }));
    }
    await send("sendToolResult", await resume("ses_demo_completed"));
    await check("failed", card.getByRole("heading", { name: "No link" }));
  });
}

test("can be used by the keyboard alone", async (t) => {
  const { card, call, page } = await open(t, { client: await connect(t) });
  await call({ session_id: "ses_demo_expired" });
  await card.getByRole("button", { name: COPY }).waitFor();
  const focused = () => card.evaluate(() => document.activeElement.id);
  await card.locator("body").focus();
  const visited = [];
  for (let n = 0; n < 2; n++) {
    await page.keyboard.press("Tab");
    visited.push(await focused());
  }
  assert.deepEqual(visited, ["link", "copy"]);
  await page.keyboard.press("Enter");
  await card.getByText("Copied.").waitFor();
});
