// The session's progress: looks the session up through the host, at most six times a minute, while somebody can see it.

const STAGES = {
  pending: "waiting",
  capturing: "started",
  processing: "submitted",
  awaiting_external: "submitted",
  under_review: "submitted",
  sandbox_pending: "submitted",
  completed: "completed",
  failed: "failed",
  expired: "expired",
};
const ENDS = ["completed", "failed", "expired"];

const progress = (() => {
  const [SECOND, MINUTE] = [1000, 60_000];
  let followed; // the session that is followed, and how
  let lastLookup = -Infinity;

  const stop = () => {
    clearTimeout(followed?.timer);
    followed = undefined;
  };

  // `follow` sets `dueAt`; a lookup that is under way has none.
  function schedule() {
    clearTimeout(followed?.timer);
    if (followed?.dueAt === undefined || document.hidden) return;
    followed.timer = setTimeout(lookUp, Math.max(0, followed.dueAt - Date.now()));
  }

  async function lookUp() {
    const current = followed;
    if (Date.now() > current.until) return stop();
    current.dueAt = undefined;
    lastLookup = Date.now();
    const refused = { refused: true };
    const answer = await host.request("tools/call", current.call).then(readSession, () => refused);
    if (followed !== current) return;
    if (answer.status) current.onStatus(answer.status);
    if (answer.refused || ENDS.includes(answer.status)) return stop();
    const now = Date.now();
    const pause = now - current.since < 2 * MINUTE ? 10 * SECOND : 30 * SECOND;
    current.dueAt = now + Math.max(pause, answer.retryAfter * SECOND);
    schedule();
  }

  // Calls `onStatus` with the status whenever it was looked up. Without a tool, whose caller may not look up, it does
  // nothing.
  function follow({ statusTool, session, expiresAt }, onStatus) {
    stop();
    if (!statusTool || !session) return;
    const since = Date.now();
    followed = {
      call: { name: statusTool, arguments: { session_id: session } },
      onStatus,
      since,
      until: 2 * MINUTE + (Number.isNaN(expiresAt) ? since + 20 * MINUTE : expiresAt),
      dueAt: Math.max(since + 5 * SECOND, lastLookup + 10 * SECOND),
    };
    schedule();
  }

  document.addEventListener("visibilitychange", schedule);
  return { follow, stop };
})();
