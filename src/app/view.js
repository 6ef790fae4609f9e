// What the card shows. Whatever comes from outside becomes text, never markup; the link is never an anchor, since opening
// it would use it up.

const SOON = 120; // seconds
const MINUTES_TO_ANNOUNCE = [5, 1];

const state = {
  context: {}, // of the host
  capabilities: {}, // of the host
  input: {}, // the arguments of the call
  answer: undefined, // what is shown
  stage: undefined, // of the session
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
  const { name, note } = Object.hasOwn(texts.environments, environment) ? texts.environments[environment] : {};
  Object.assign(element("card").dataset, { environment, kind });
  show("title", title);
  show("environment-name", name);
  show("environment-note", note);
  element("environment").hidden = !name;
  show("session-id", short(session ?? "", 200));
  element("session").hidden = !session;
}

function forgetProgress() {
  progress.stop();
  state.stage = undefined;
  element("progress").hidden = true;
}

function showLink(answer) {
  forgetProgress();
  state.answer = answer;
  say("");
  progress.follow(isObject(state.capabilities.serverTools) ? answer : {}, showProgress);
  if (answer.expiresAt <= Date.now()) return showExpired();

  showHead(texts.captureLink, answer.session, answer.environment, "link");
  element("link").value = answer.link;
  element("qr").hidden = !answer.qrCode;
  element("qr-image").alt = texts.qrCode;
  if (answer.qrCode) element("qr-image").src = answer.qrCode;
  for (const id of ["message", "again"]) element(id).hidden = true;
  element("ready").hidden = false;
  fitLink();
  state.announced = Infinity;
  announce(texts.linkIsReady);
  tick();
}

// A link that no longer works must not be sent, so nothing of it stays.
function forgetLink() {
  clearTimeout(state.timer);
  element("ready").hidden = true;
  element("link").value = "";
  element("qr-image").removeAttribute("src");
}

// What the server says is English.
function showMessage(kind, title, text, lang = language) {
  forgetLink();
  const { session, environment } = state.answer ?? {};
  showHead(title, session ?? textField(state.input, "session_id"), environment ?? "unknown", kind);
  show("message", short(text, 2000));
  element("message").lang = lang;
  element("again").hidden = true;
}

function showExpired() {
  const at = clockTime(state.answer.expiresAt, state.context);
  showMessage("expired", texts.linkExpired, texts.expiredAt(at));
  offerAgain();
  say("");
  announce(texts.linkHasExpired);
}

function showNoLink(text) {
  forgetProgress();
  state.answer = undefined;
  say("");
  showMessage("failed", texts.noLinkTitle, text || texts.noLinkInAnswer, text ? "en" : language);
  announce(texts.noLink);
}

// Only what the status says: an unknown one as it comes.
function showProgress(status) {
  const stage = Object.hasOwn(STAGES, status) ? STAGES[status] : "unknown";
  const known = texts.stages[stage];
  const words = known && known.toLowerCase() !== status ? `${known} (${status})` : (known ?? short(status, 60));
  const isNew = element("progress").hidden || element("progress-stage").textContent !== words;
  show("progress-stage", words);
  show("progress-time", texts.atTime(clockTime(Date.now(), state.context)));
  element("progress").hidden = false;
  if (!isNew) return;
  state.stage = stage;
  if (stage === "completed") showMessage("ended", texts.completedTitle, texts.completedText);
  if (stage === "failed") showMessage("failed", texts.failedTitle, texts.failedText);
  if (stage === "expired") showMessage("expired", texts.linkExpired, texts.sessionHasExpired);
  if (stage === "expired") offerAgain();
  else if (!element("again").hidden) adviseOnAgain();
  announce(`${texts.progress}: ${words}`);
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
  if (Number.isNaN(expiresAt)) return show("countdown", texts.expires(short(expires ?? "", 100)));

  const remaining = expiresAt - Date.now();
  if (remaining <= 0) return showExpired();
  const seconds = Math.ceil(remaining / 1000);
  show("countdown", texts.expiresIn(onTheClock(seconds)));
  show("until", texts.yourTime(clockTime(expiresAt, state.context)));
  element("expiry").dataset.soon = seconds <= SOON;
  announceMinutes(seconds / 60);
  state.timer = setTimeout(tick, remaining % 1000 || 1000);
}

function announceMinutes(minutes) {
  const step = MINUTES_TO_ANNOUNCE.filter((step) => minutes <= step).pop() ?? Infinity;
  if (step >= state.announced) return;
  state.announced = step;
  announce(step === 1 ? texts.lastMinute : texts.minutesLeft(step));
}
