// The card in use: what its person does, and what its host says.

// ---- What a person does

async function copy() {
  try {
    await navigator.clipboard.writeText(element("link").value);
    say(texts.copied);
  } catch {
    element("link").focus();
    element("link").select();
    say(texts.selected(/Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘C" : "Ctrl+C"));
  }
}

// The call that made the card; without a key of its own, since that would repeat the expired link.
function sameCall() {
  const name = state.answer?.tool ?? textField(objectOr(objectOr(state.context.toolInfo).tool), "name");
  const { idempotency_key: _, ...input } = state.input;
  return { name, arguments: { ...input, session_id: input.session_id ?? state.answer?.session } };
}

// The assistant is asked where the host passes messages on. Elsewhere the card calls the tool itself.
function wayToAsk() {
  const { message, serverTools } = state.capabilities;
  const call = sameCall();
  if (isObject(message)) return askAssistant;
  return isObject(serverTools) && call.name && call.arguments.session_id !== undefined ? callAgain : undefined;
}

function offerAgain() {
  const way = wayToAsk();
  show("failure");
  show("again-button", way && texts.newLink);
  show("again-hint", !way && texts.requestItYourself);
  adviseOnAgain();
}

// What the session's progress makes of the offer. Whoever has submitted has nothing to do.
function adviseOnAgain() {
  element("ask-first").hidden = state.stage !== "started";
  element("again").hidden = state.stage === "submitted";
}

// Each way returns why it failed, if it did.
async function askAgain() {
  if (state.busy) return;
  const button = element("again-button");
  const setBusy = (busy) => {
    state.busy = busy;
    button.setAttribute("aria-disabled", busy);
    button.textContent = busy ? texts.oneMoment : texts.newLink;
  };
  setBusy(true);
  show("failure");
  const failure = await wayToAsk()().catch((error) => ({ text: texts.callFailed(error.message), lang: language }));
  setBusy(false);
  if (!failure) return;
  show("failure", short(failure.text, 2000));
  element("failure").lang = failure.lang;
  announce(texts.noNewLink);
}

async function askAssistant() {
  const session = sameCall().arguments.session_id ?? "";
  const text = texts.request(/^[\w.:-]{1,200}$/.test(session) ? session : "");
  const { isError } = await host.request("ui/message", { role: "user", content: [{ type: "text", text }] });
  if (isError === true) return { text: texts.requestItYourself, lang: language };
  show("again-button");
  show("again-hint", texts.requested);
  announce(texts.requested);
}

async function callAgain() {
  announce(texts.askingVerifa);
  const answer = readResult(await host.request("tools/call", sameCall()));
  if (!answer.link) return { text: answer.text || texts.noLinkInAnswer, lang: "en" };
  const focused = document.hasFocus() && document.activeElement === element("again-button");
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
  if (!state.answer) showMessage("waiting", texts.captureLink, texts.waitingForLink);
}

function onToolResult(result) {
  if (state.busy) return; // of the card's own call, whose answer comes by itself
  const answer = readResult(result);
  if (answer.link) showLink(answer);
  else showNoLink(answer.text);
}

function onToolCancelled({ reason }) {
  const why = typeof reason === "string" ? short(reason, 300) : "";
  forgetProgress();
  showMessage("cancelled", texts.cancelledTitle, texts.cancelled(why));
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
  progress.stop();
  forgetLink();
  return {};
}

function reportSize() {
  const card = element("card");
  // What is longer than the card may be is scrolled, by keyboard too.
  if (card.scrollHeight > card.clientHeight) card.tabIndex = 0;
  else card.removeAttribute("tabindex");
  const height = Math.ceil(card.getBoundingClientRect().height);
  host.notify("ui/notifications/size-changed", { width: window.innerWidth, height });
}

async function start() {
  element("link").addEventListener("click", () => element("link").select());
  element("copy").addEventListener("click", copy);
  element("again-button").addEventListener("click", askAgain);
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
  const { hostContext, hostCapabilities } = await host.request("ui/initialize", {
    protocolVersion: "2026-01-26",
    appInfo: { name: "verifa-mcp capture link", version: document.querySelector("meta[name=version]").content },
    appCapabilities: { availableDisplayModes: ["inline"] },
  });
  state.capabilities = objectOr(hostCapabilities);
  onHostContext(objectOr(hostContext));
  speak(state.context.locale);
  showMessage("waiting", texts.captureLink, texts.waitingForLink);
  host.notify("ui/notifications/initialized");
  new ResizeObserver(reportSize).observe(element("card"));
}

start().catch((error) => showMessage("failed", texts.noLinkTitle, texts.unusable(error.message)));
