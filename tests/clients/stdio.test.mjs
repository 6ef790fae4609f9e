// The TypeScript SDKs over stdio.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CLIENTS, assertNoLinkIn, runExample } from "./example.mjs";
import { PROGRAM } from "./program.mjs";

for (const { title, create, transports, speaks } of CLIENTS) {
  test(title, async (t) => {
    // The shell is there to tell with which code the server ended.
    const script = '"$0" --emulator; echo "exit code $?" >&2';
    const transport = new transports.Stdio({ command: "sh", args: ["-c", script, PROGRAM], stderr: "pipe" });
    let log = "";
    const logEnd = new Promise((resolve) => {
      transport.stderr.on("data", (chunk) => (log += chunk)).on("end", resolve);
    });
    const client = create();
    const links = await runExample(t, client, transport, { speaks, instructions: /local emulator/ });

    await t.test("ends the server by leaving", async () => {
      await client.close();
      await logEnd;
      assert.match(log, /^exit code 0$/m);
      assertNoLinkIn(log, links);
    });
  });
}
