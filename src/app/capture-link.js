// The card itself. Whatever comes from outside becomes text, never markup; the link is never an anchor, since opening
// it would use it up.

const AGAIN = {
  resume_session: { label: "Resume again", ask: "Ask the assistant to resume the session again." },
  generate_one_time_link: { label: "New link", ask: "Ask the assistant for a new link." },
};
const ENVIRONMENTS = {
  live: { name: "Live", note: "a real verification" },
  sandbox: { name: "Sandbox", note: "a test, not a real verification" },
  emulator: { name: "Local emulator", note: "a stand-in for Verifa on this computer" },
};
const SOON = 120; // seconds
const MINUTES_TO_ANNOUNCE = [5, 1];

const state = {
  context: {}, // of the host
  capabilities: {}, // of the host
  input: {}, // the arguments of the call
  answer: undefined, // what is shown
  announced: undefined, // the last of MINUTES_TO_ANNOUNCE that was said
  timer: undefined,
  busy: false,
};

const element = (id) => document.getElementById(id);
const short = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);

function show(id, text) {
  element(id).textContent = text || "";
  element(id).hidden = !text;
}

// For everybody, and to screen readers at once.
function say(text) {
  element("status").textContent = text;
}

// For those who do not see what changes.
function announce(text) {
  element("announcement").textContent = text;
}

// ---- What is shown

function showHead(title, session, environment, kind) {
  const { name, note } = ENVIRONMENTS[environment] ?? {};
  Object.assign(element("card").dataset, { environment, kind });
  show("title", title);
  show("environment-name", name);
  show("environment-note", note);
  element("environment").hidden = !name;
  show("session-id", short(session ?? "", 200));
  element("session").hidden = !session;
}

function showLink(answer) {
  const asked = textField(state.input, "session_id");
  state.answer = answer;
  say("");
  const another = asked && answer.session && asked !== answer.session;
  const [wrong, advice] = [`This link is not for ${short(asked ?? "", 200)}`, "Make sure that it is the same person."];
  show("warning", another && `${wrong}, which was asked for. ${advice}`);
  if (answer.expiresAt <= Date.now()) return showExpired();

  showHead("Capture link", answer.session, answer.environment, "link");
  element("link").value = answer.link;
  element("qr").hidden = !answer.qrCode;
  if (answer.qrCode) element("qr-image").src = answer.qrCode;
  for (const id of ["message", "again"]) element(id).hidden = true;
  element("ready").hidden = false;
  fitLink();
  state.announced = Infinity;
  announce("The link is ready.");
  tick();
}

// An expired link must not be sent, so nothing of it stays.
function forgetLink() {
  clearTimeout(state.timer);
  element("ready").hidden = true;
  element("link").value = "";
  element("qr-image").removeAttribute("src");
}

function showMessage(kind, title, text) {
  forgetLink();
  const { session, environment } = state.answer ?? {};
  showHead(title, session ?? textField(state.input, "session_id"), environment ?? "unknown", kind);
  show("message", short(text, 2000));
  element("again").hidden = true;
}

function showExpired() {
  const at = clockTime(state.answer.expiresAt, state.context);
  showMessage("expired", "Expired", `This link expired at ${at}. Do not send it any more.`);
  offerAgain();
  say("");
  announce("The link has expired.");
}

function fitLink() {
  const { style } = element("link");
  style.height = "auto";
  style.height = `${element("link").scrollHeight + 2}px`; // and its border
}

// ---- The countdown

function tick() {
  clearTimeout(state.timer);
  const { expires, expiresAt } = state.answer;
  element("expiry").hidden = !expires;
  show("until");
  if (Number.isNaN(expiresAt)) return show("countdown", `Expires ${short(expires ?? "", 100)}`);

  const remaining = expiresAt - Date.now();
  if (remaining <= 0) return showExpired();
  const seconds = Math.ceil(remaining / 1000);
  show("countdown", `Expires in ${onTheClock(seconds)}`);
  show("until", `(${clockTime(expiresAt, state.context)} your time)`);
  element("expiry").dataset.soon = seconds <= SOON;
  announceMinutes(seconds / 60);
  state.timer = setTimeout(tick, remaining % 1000 || 1000);
}

function announceMinutes(minutes) {
  const step = MINUTES_TO_ANNOUNCE.filter((step) => minutes <= step).pop() ?? Infinity;
  if (step >= state.announced) return;
  state.announced = step;
  announce(step === 1 ? "Less than a minute is left." : `Less than ${step} minutes are left.`);
}

// ---- What a person does

async function copy() {
  try {
    await navigator.clipboard.writeText(element("link").value);
    say("Copied. Paste it into a message to the person.");
  } catch {
    element("link").focus();
    element("link").select();
    say(`The link is selected. Press ${/Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘C" : "Ctrl+C"} to copy it.`);
  }
}

// The call that made the card; without a key of its own, since that would repeat the expired link.
function sameCall() {
  const tools = [state.answer?.tool, objectOr(objectOr(state.context.toolInfo).tool).name, "resume_session"];
  const name = tools.find((tool) => typeof tool === "string" && Object.hasOwn(AGAIN, tool));
  const { idempotency_key: _, ...input } = state.input;
  const session_id = input.session_id ?? state.answer?.session;
  return { name, arguments: { ...input, session_id } };
}

function offerAgain() {
  const call = sameCall();
  const { label, ask } = AGAIN[call.name];
  const possible = isObject(state.capabilities.serverTools) && call.arguments.session_id !== undefined;
  show("failure");
  show("again-button", possible && label);
  show("again-hint", !possible && ask);
  element("again").hidden = false;
}

async function callAgain() {
  if (state.busy) return;
  const button = element("again-button");
  const { label } = AGAIN[sameCall().name];
  const setBusy = (busy) => {
    state.busy = busy;
    button.setAttribute("aria-disabled", busy);
    button.textContent = busy ? "One moment…" : label;
  };
  setBusy(true);
  show("failure");
  announce("Verifa is asked for a new link.");
  let answer;
  try {
    answer = readResult(await host.request("tools/call", sameCall()));
  } catch (error) {
    answer = { text: `The call failed: ${error.message}` };
  }
  setBusy(false);
  if (!answer.link) {
    show("failure", short(answer.text, 2000));
    announce("There is no new link.");
    return;
  }
  const focused = document.hasFocus() && document.activeElement === button;
  showLink(answer);
  if (focused) element("copy").focus();
  tellTheModel(answer.text);
}

// Otherwise the model would go on with the expired link that it knows.
function tellTheModel(text) {
  if (!isObject(state.capabilities.updateModelContext) || !text) return;
  const words = `The user got a new link with the card's button. Use this one and no earlier one.\n${text}`;
  host.request("ui/update-model-context", { content: [{ type: "text", text: words }] }).catch(() => {});
}

// ---- What the host says

function onToolInput({ arguments: input }) {
  state.input = objectOr(input);
  if (!state.answer) showMessage("waiting", "Capture link", "Waiting for the link…");
}

function onToolResult(result) {
  if (state.busy) return; // of the card's own call, whose answer comes by itself
  const answer = readResult(result);
  if (answer.link) return showLink(answer);
  state.answer = undefined;
  say("");
  show("warning");
  showMessage("failed", "No link", answer.text);
  announce("There is no link.");
}

function onToolCancelled({ reason }) {
  const why = typeof reason === "string" && reason ? ` (${short(reason, 300)})` : "";
  const text = `The call was cancelled${why}. A link may have been made all the same.`;
  showMessage("cancelled", "Cancelled", text);
  offerAgain();
}

function onHostContext(changes) {
  Object.assign(state.context, changes);
  const { theme, styles, safeAreaInsets } = state.context;
  const { style } = document.documentElement;
  if (theme === "light" || theme === "dark") style.colorScheme = theme;
  for (const [name, value] of Object.entries(objectOr(objectOr(styles).variables))) {
    if (/^--(color|font|border|shadow)-/.test(name) && typeof value === "string") style.setProperty(name, value);
  }
  for (const side of ["top", "right", "bottom", "left"]) {
    const inset = objectOr(safeAreaInsets)[side];
    if (Number.isFinite(inset)) style.setProperty(`--inset-${side}`, `${inset}px`);
  }
  if (!element("ready").hidden) tick();
}

function onTeardown() {
  forgetLink();
  return {};
}

function reportSize() {
  const height = Math.ceil(element("card").getBoundingClientRect().height);
  host.notify("ui/notifications/size-changed", { width: window.innerWidth, height });
}

async function start() {
  element("link").addEventListener("click", () => element("link").select());
  element("copy").addEventListener("click", copy);
  element("again-button").addEventListener("click", callAgain);
  const picture = element("qr-image");
  picture.addEventListener("error", () => (element("qr").hidden = true));
  picture.addEventListener("load", () => picture.classList.toggle("small", picture.naturalWidth < picture.clientWidth));
  window.addEventListener("resize", fitLink);
  document.addEventListener("visibilitychange", () => element("ready").hidden || tick());

  host.listen({
    notifications: {
      "ui/notifications/tool-input": onToolInput,
      "ui/notifications/tool-result": onToolResult,
      "ui/notifications/tool-cancelled": onToolCancelled,
      "ui/notifications/host-context-changed": onHostContext,
    },
    requests: { ping: () => ({}), "ui/resource-teardown": onTeardown },
  });
  showMessage("waiting", "Capture link", "Waiting for the link…");
  const { hostContext, hostCapabilities } = await host.request("ui/initialize", {
    protocolVersion: "2026-01-26",
    appInfo: { name: "verifa-mcp capture link", version: document.querySelector("meta[name=version]").content },
    appCapabilities: { availableDisplayModes: ["inline"] },
  });
  state.capabilities = objectOr(hostCapabilities);
  onHostContext(objectOr(hostContext));
  host.notify("ui/notifications/initialized");
  new ResizeObserver(reportSize).observe(element("card"));
}

start().catch((error) => showMessage("failed", "No link", `The card cannot be used here: ${error.message}`));
