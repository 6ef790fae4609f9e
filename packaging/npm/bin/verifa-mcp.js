#!/usr/bin/env node
// Finds the program in the package for this platform and becomes as much of it as Node allows: the same stdin, stdout and
// stderr, the same signals, the same end. It prints nothing of its own to stdout, which belongs to the protocol.

"use strict";

const { spawn } = require("node:child_process");
const { isatty } = require("node:tty");
const { optionalDependencies } = require("../package.json");

const platform = process.platform;
// Windows on arm64 runs programs for x64.
const arch = platform === "win32" && process.arch === "arm64" ? "x64" : process.arch;
const wanted = `@verifa-mcp/${platform}-${arch}`;

function findProgram() {
  try {
    return require.resolve(`${wanted}/bin/verifa-mcp${platform === "win32" ? ".exe" : ""}`);
  } catch {
    return undefined;
  }
}

function complain(...lines) {
  process.stderr.write(lines.map((line) => `verifa-mcp: ${line}\n`).join(""));
  process.exitCode = 1;
}

function run(program) {
  const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  // A terminal's Ctrl-C reaches the program by itself, and a second SIGINT may mean more than one. A supervisor's comes here.
  process.on("SIGINT", () => [0, 1, 2].some(isatty) || child.kill("SIGINT"));
  child.on("error", (error) => complain(`${program} cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

const program = findProgram();
if (program) {
  run(program);
} else if (wanted in optionalDependencies) {
  complain(
    `the package ${wanted}, which holds the program for this platform, is not installed.`,
    "Install again without --omit=optional and --no-optional, and on the platform that will run it.",
  );
} else {
  complain(
    `there is no program for ${platform} on ${process.arch}.`,
    "With Rust, you can build it: cargo install verifa-mcp",
  );
}
