// The program under test, and how to start it as a server.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export const PROGRAM = process.env.VERIFA_MCP ?? new URL("../../target/debug/verifa-mcp", import.meta.url).pathname;

// Starts it with these arguments on a free port, until the test is over. Any SIGTERM ends it; `end` says how that went.
export async function serve(t, args, env = {}, port = 0) {
  const child = spawn(PROGRAM, [...args, "--listen", `127.0.0.1:${port}`], { env: { ...process.env, ...env } });
  t.after(() => child.kill("SIGKILL"));
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const closed = once(child, "close");
  const line = await Promise.race([once(createInterface(child.stdout), "line"), closed.then(() => undefined)]);
  if (!line) throw new Error(`the server ended: ${log}`);
  const end = async () => {
    child.kill("SIGTERM");
    const [code] = await closed;
    return { code, log };
  };
  return { url: line[0].split(" ").at(-1), end }; // the address is the line's last word
}
