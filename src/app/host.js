"use strict";

// JSON-RPC messages between the card and its host: the window around this one, and no other.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const objectOr = (value) => (isObject(value) ? value : {});

const host = (() => {
  const waiting = new Map();
  let handlers = { notifications: {}, requests: {} };
  let lastId = 0;

  // Where the host lives is not known beforehand; it is the window that put this one there.
  const send = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

  function settle({ id, result, error }) {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(String(objectOr(error).message ?? "no reason given")));
    else resolve?.(result);
  }

  function answer({ id, method }) {
    if (Object.hasOwn(handlers.requests, method)) send({ id, result: handlers.requests[method]() });
    else send({ id, error: { code: -32601, message: "Method not found" } });
  }

  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || objectOr(data).jsonrpc !== "2.0") return;
    const { id, method, params } = data;
    if (typeof method !== "string") settle(data);
    else if (id !== undefined) answer(data);
    else if (Object.hasOwn(handlers.notifications, method)) handlers.notifications[method](objectOr(params));
  });

  return {
    listen: (chosen) => (handlers = chosen),
    notify: (method, params = {}) => send({ method, params }),
    request(method, params) {
      const id = ++lastId;
      send({ id, method, params });
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
  };
})();
