// Makes the pictures in docs/card. Look at them after every change of the card.

import { mkdir } from "node:fs/promises";

import { connect, startHost } from "./browser.mjs";
import { startVerifa } from "./verifa.mjs";

const FOLDER = new URL("../../../docs/card/", import.meta.url).pathname;
const PICTURES = {
  light: { key: "vk_live_pictures" },
  dark: { key: "vk_live_pictures", colorScheme: "dark" },
  narrow: { key: "vk_sandbox_pictures", width: 320 },
  expired: { key: "vk_sandbox_pictures", expires: true },
};
const LIFETIME = 20 * 60_000;

const endings = [];
const t = { after: (ending) => endings.unshift(ending) };
const host = await startHost();
t.after(host.stop);
const VERIFA_API_URL = await startVerifa(t, LIFETIME);
await mkdir(FOLDER, { recursive: true });

for (const [name, { key, expires, ...options }] of Object.entries(PICTURES)) {
  const client = await connect(t, [], { VERIFA_API_KEY: key, VERIFA_API_URL });
  const { card, page, call } = await host.open(t, { client, clock: true, ...options });
  await call({ session_id: "ses_5kT2mQ9xWb" });
  await page.clock.fastForward(expires ? LIFETIME + 1000 : 18_000);
  await card.getByText(expires ? "This link expired" : "Expires in 19:4").first().waitFor();
  const height = await card.evaluate(() => Math.ceil(document.getElementById("card").getBoundingClientRect().height));
  await page.waitForFunction((expected) => document.querySelector("iframe").offsetHeight === expected, height);
  await page.locator("main").screenshot({ path: `${FOLDER}${name}.png` });
}
for (const ending of endings) await ending();
