// The card follows its session: what it shows for each status, how often it asks, and when it stops.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SESSION, again, altered, assertUntroubled, connect, hostForTests, link, shows, textOf } from "./browser.mjs";

const open = hostForTests();
const SECOND = 1000;
const MINUTE = 60 * SECOND;

const session = (status) => ({ content: [], structuredContent: { id: SESSION.session_id, status } });
const failure = (meta) => ({ isError: true, content: [{ type: "text", text: "no" }], _meta: meta });
const rejection = () => Promise.reject(new Error("no"));
const told = (after_seconds) => failure({ "io.github.verifa-mcp/retry": { after_seconds } });

// A card that shows a link, and whose lookups get these answers in turn, the last one for ever.
async function following(t, answers, options = {}) {
  const client = await connect(t, ["--emulator"], options.env);
  const lookups = [];
  const callTool = async (params) => {
    lookups.push(params);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return answer === rejection ? rejection() : answer;
  };
  const host = await open(t, { client, callTool, clock: true, ...options });
  await host.call(SESSION);
  await link(host.card).waitFor();
  await host.page.clock.pauseAt((await host.page.evaluate(() => Date.now())) + SECOND / 4);
  // Returns how many lookups there were in this time.
  const pass = async (time) => {
    const before = lookups.length;
    for (let passed = 0; passed < time; passed += SECOND) {
      await host.page.clock.runFor(SECOND);
      // A lookup is sent before the first of these is answered, and its answer comes before the second.
      for (let n = 0; n < 2; n++) await host.page.evaluate(() => window.askCard("ping"));
    }
    return lookups.length - before;
  };
  return { ...host, lookups, pass };
}

const STATUSES = {
  pending: { progress: "Waiting for the person (pending)" },
  capturing: { progress: "In progress (capturing)" },
  processing: { progress: "Submitted (processing)" },
  awaiting_external: { progress: "Submitted (awaiting_external)" },
  under_review: { progress: "Submitted (under_review)" },
  sandbox_pending: { progress: "Submitted (sandbox_pending)" },
  completed: { progress: "Completed", end: "does not say whether the person passed" },
  failed: { progress: "Failed", end: "does not say why" },
  expired: { progress: "Expired", end: "The session has expired", again: true },
  "paused <b>": { progress: "paused <b>" },
  constructor: { progress: "constructor" },
};

for (const [status, { progress, end, again: offers = false }] of Object.entries(STATUSES)) {
  test(`shows the status ${status}`, async (t) => {
    const host = await following(t, [session(status)]);
    assert.equal(await host.card.locator("#progress").isVisible(), false, "nothing is claimed before it is known");
    assert.equal(await host.pass(5 * SECOND), 1);
    await shows(host.card, progress);
    assert.deepEqual(host.lookups, [{ name: "get_session", arguments: SESSION }]);
    assert.equal(await host.card.locator("#announcement").textContent(), `Progress: ${progress}`);
    assert.equal(await link(host.card).isVisible(), !end, "a link is shown while it may be needed");
    if (end) assert.ok((await textOf(host.card)).includes(end));
    assert.equal(await again(host.card).isVisible(), offers);
    assert.equal(await host.pass(10 * SECOND), end ? 0 : 1);
    assertUntroubled(host);
  });
}

test("asks after 5 s, then every 10 s, and after two minutes every 30 s", async (t) => {
  const host = await following(t, [session("pending")]);
  assert.equal(await host.pass(4 * SECOND), 0);
  assert.equal(await host.pass(1 * SECOND), 1);
  assert.equal(await host.pass(9 * SECOND), 0);
  assert.equal(await host.pass(46 * SECOND), 5);
  await host.pass(65 * SECOND);
  assert.ok((await host.pass(2 * MINUTE)) <= 4);
});

test("asks at most six times a minute, whatever new links there are", async (t) => {
  const host = await following(t, [session("pending")]);
  const client = await connect(t);
  let lookups = 0;
  for (let n = 0; n < 10; n++) {
    await host.send("sendToolResult", await client.callTool({ name: "resume_session", arguments: SESSION }));
    lookups += await host.pass(6 * SECOND);
  }
  assert.ok(lookups > 0 && lookups <= 6, `${lookups}`);
});

test("asks only while it can be seen", async (t) => {
  const host = await following(t, [session("pending")]);
  const hide = (hidden) =>
    host.card.evaluate((value) => {
      Object.defineProperty(document, "hidden", { get: () => value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await hide(true);
  assert.equal(await host.pass(MINUTE), 0);
  await hide(false);
  assert.equal(await host.pass(1 * SECOND), 1, "what is overdue is asked at once");
  await hide(true);
  await hide(false);
  assert.equal(await host.pass(8 * SECOND), 0, "and nothing is asked twice");
});

test("waits as long as the server tells it", async (t) => {
  const host = await following(t, [told(40), session("capturing")]);
  assert.equal(await host.pass(5 * SECOND), 1);
  assert.equal(await host.pass(39 * SECOND), 0);
  assert.equal(await host.pass(2 * SECOND), 1);
  await shows(host.card, "In progress (capturing)");
});

for (const [why, answer] of Object.entries({ server: failure(undefined), host: rejection })) {
  test(`stops when the ${why} refuses`, async (t) => {
    const host = await following(t, [answer]);
    assert.equal(await host.pass(MINUTE), 1);
    assert.equal(await link(host.card).isVisible(), true);
    assert.equal(await host.card.locator("#progress").isVisible(), false);
  });
}

test("asks nothing where it may not", async (t) => {
  for (const options of [{ env: { VERIFA_MCP_TOOLSETS: "resume" } }, { capabilities: {} }]) {
    const host = await following(t, [session("pending")], options);
    assert.equal(await host.pass(20 * SECOND), 0);
  }
});

test("stops when the host takes it down", async (t) => {
  const host = await following(t, [session("pending")]);
  await host.page.evaluate(() => window.askCard("ui/resource-teardown"));
  assert.equal(await host.pass(20 * SECOND), 0);
});

test("stops two minutes after the link's expiry", async (t) => {
  const host = await following(t, [session("capturing")]);
  await host.pass(5 * SECOND);
  await host.page.clock.fastForward(20 * MINUTE);
  await shows(host.card, "Link expired");
  await shows(host.card, "Ask them first");
  assert.ok((await host.pass(MINUTE)) >= 1);
  await host.pass(70 * SECOND);
  assert.equal(await host.pass(2 * MINUTE), 0);
});

test("does not offer again what was asked for, whatever becomes of the session", async (t) => {
  const capabilities = { serverTools: {}, message: { text: {} } };
  const statuses = ["pending", "pending", "capturing"];
  const host = await following(t, statuses.map(session), { capabilities });
  await host.pass(5 * SECOND);
  await host.page.clock.fastForward(20 * MINUTE);
  await host.pass(SECOND);
  await again(host.card).click();
  await shows(host.card, "The assistant has been asked for a new link.");
  await host.pass(30 * SECOND);
  await shows(host.card, "In progress (capturing)");
  assert.equal(await again(host.card).isVisible(), false);
});

test("stops when the next call is cancelled", async (t) => {
  const host = await following(t, [session("pending")]);
  await host.pass(5 * SECOND);
  await host.send("sendToolCancelled", { reason: "user action" });
  await shows(host.card, "The call was cancelled (user action).");
  assert.equal(await host.card.locator("#progress").isVisible(), false);
  assert.equal(await host.pass(20 * SECOND), 0);
});

test("offers no new link to a person who has submitted", async (t) => {
  const host = await following(t, [session("processing")]);
  await host.pass(5 * SECOND);
  await host.page.clock.fastForward(21 * MINUTE);
  await shows(host.card, "Link expired");
  assert.equal(await again(host.card).isVisible(), false);
});

test("a new link starts a new progress", async (t) => {
  const host = await following(t, [session("expired"), session("pending")]);
  await host.pass(5 * SECOND);
  await shows(host.card, "The session has expired");
  const client = await connect(t);
  const result = await client.callTool({ name: "resume_session", arguments: SESSION });
  await host.send("sendToolResult", altered(result, { expires_at: "2099-01-01T00:00:00Z" }));
  await link(host.card).waitFor();
  assert.equal(await host.card.locator("#progress").isVisible(), false);
  assert.equal(await host.pass(10 * SECOND), 1);
  await shows(host.card, "Waiting for the person (pending)");
});

test("follows a real session from the link to the end", async (t) => {
  const client = await connect(t);
  const host = await open(t, { client, clock: true });
  const { structuredContent } = await host.call(SESSION);
  await link(host.card).waitFor();
  const url = structuredContent.capture_url;
  const steps = [
    [() => fetch(url), "In progress (capturing)"],
    [() => fetch(`${url}/submit`, { method: "POST" }), "Submitted (processing)"],
    [() => fetch(`${url}/complete`, { method: "POST" }), "Session completed"],
  ];
  for (const [act, expected] of steps) {
    assert.equal((await act()).status, 200);
    await host.page.clock.runFor(10 * SECOND);
    await shows(host.card, expected);
  }
  assert.equal(await host.card.locator("#link").inputValue(), "");
  assertUntroubled(host);
});
