// The host page's script: the protocol's own bridge on one side, the test (and behind it the real server) on the other.

import { AppBridge, PostMessageTransport, buildAllowAttribute } from "@modelcontextprotocol/ext-apps/app-bridge";

let bridge;

window.seen = { contexts: [], messages: [], sizes: [], calls: 0 };

// Shows a resource as a host does, and returns when the card has introduced itself.
window.openCard = async ({ html, ui, context, capabilities, allowed }) => {
  const frame = document.createElement("iframe");
  frame.title = "App";
  frame.classList.toggle("bordered", ui.prefersBorder === true);
  const permissions = allowed ? ui.permissions : {};
  frame.sandbox = "allow-scripts allow-same-origin allow-forms";
  frame.allow = buildAllowAttribute(permissions);
  const url = new URL("/sandbox", location.href);
  url.hostname = "localhost"; // another origin than this page's
  url.searchParams.set("allow", frame.allow);
  url.searchParams.set("csp", JSON.stringify(ui.csp));

  bridge = new AppBridge(null, { name: "test host", version: "1.0.0" }, capabilities, { hostContext: context });
  const initialized = new Promise((resolve) => (bridge.oninitialized = resolve));
  const sandboxIsReady = new Promise((resolve) => (bridge.onsandboxready = resolve));
  bridge.onsizechange = ({ width, height }) => {
    window.seen.sizes.push({ width, height });
    frame.style.height = `${height}px`;
  };
  bridge.oncalltool = (params) => {
    window.seen.calls += 1;
    return window.callTool(params);
  };
  bridge.onupdatemodelcontext = async (params) => {
    window.seen.contexts.push(params);
    return {};
  };
  bridge.onmessage = async (params) => {
    window.seen.messages.push(params);
    return { isError: !window.acceptsMessages };
  };
  window.acceptsMessages = true;
  document.querySelector("main").replaceChildren(frame);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.src = url;
  await sandboxIsReady;
  await bridge.sendSandboxResourceReady({ html, csp: ui.csp, permissions });
  await initialized;
  window.seen.app = { version: bridge.getAppVersion(), capabilities: bridge.getAppCapabilities() };
};

window.sendToCard = (method, params) => bridge[method](params);

// Sends the card a request of the host's own, of whatever name.
const anything = { "~standard": { version: 1, vendor: "tests", validate: (value) => ({ value }) } };
window.askCard = async (method) => {
  try {
    return { result: await bridge.request({ method, params: {} }, anything) };
  } catch ({ code }) {
    return { code };
  }
};
