// Makes the pictures in docs/card. Look at them after every change of the card.

import { mkdir } from "node:fs/promises";

import { connect, startHost } from "./browser.mjs";
import { startVerifa } from "./verifa.mjs";

const FOLDER = new URL("../../../docs/card/", import.meta.url).pathname;
const PICTURES = {
  light: { key: "vk_live_pictures" },
  dark: { key: "vk_live_pictures", colorScheme: "dark", status: "capturing" },
  narrow: { key: "vk_sandbox_pictures", width: 320, status: "capturing", context: { locale: "es" } },
  completed: { key: "vk_live_pictures", status: "completed" },
  expired: { key: "vk_sandbox_pictures", expires: true },
};
const LIFETIME = 20 * 60_000;
const SECOND = 1000;

const endings = [];
const t = { after: (ending) => endings.unshift(ending) };
const host = await startHost();
t.after(host.stop);
await mkdir(FOLDER, { recursive: true });

for (const [name, { key, expires, status, ...options }] of Object.entries(PICTURES)) {
  const VERIFA_API_URL = await startVerifa(t, LIFETIME, status);
  const client = await connect(t, [], { VERIFA_API_KEY: key, VERIFA_API_URL });
  const { card, page, call } = await host.open(t, { client, clock: true, ...options });
  await call({ session_id: "ses_5kT2mQ9xWb" });
  await page.clock.runFor(5 * SECOND);
  await card.locator("#progress").waitFor();
  await page.clock.fastForward(expires ? LIFETIME : 13 * SECOND);
  await card.locator(expires || status === "completed" ? "#message" : "#countdown").waitFor();
  const height = await card.evaluate(() => Math.ceil(document.getElementById("card").getBoundingClientRect().height));
  await page.waitForFunction((expected) => document.querySelector("iframe").offsetHeight === expected, height);
  await page.locator("main").screenshot({ path: `${FOLDER}${name}.png` });
}
for (const ending of endings) await ending();
