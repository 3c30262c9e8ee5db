// Lives here: programs that a test starts, and ends by their own process id.
// Not here: which programs (`stack.mjs`).
// Invariant: when `Processes.end` has returned, none of them runs any more.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

/** Lines of output kept of each program, to be shown when something fails. */
const OUTPUT_LINES = 200;
/** What a program may take to end after SIGTERM, in milliseconds. */
const GRACE_MS = 10_000;
/** How often `until` looks again, in milliseconds. */
const POLL_MS = 100;

/** Asks again until `attempt` returns something truthy; throws with the last reason at the deadline. */
export async function until(what, limitMs, attempt) {
  const deadline = Date.now() + limitMs;
  let reason = "it never came true";
  while (Date.now() < deadline) {
    try {
      const value = await attempt();
      if (value) return value;
    } catch (error) {
      if (error.final) throw error;
      reason = error.cause?.message ?? error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`waited ${limitMs} ms for ${what}: ${reason}`);
}

/** A port of the loopback that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** The programs of one test. */
export class Processes {
  #running = [];

  /** Starts a program: `{ name, child, lines, ended }`; `ended` resolves to its exit code or signal. */
  start(name, command, args, options = {}) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    const lines = [];
    const keep = (chunk) => {
      lines.push(...chunk.toString().split("\n").filter(Boolean));
      lines.splice(0, lines.length - OUTPUT_LINES);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const ended = new Promise((resolve) => {
      child.on("error", (error) => {
        lines.push(`${command}: ${error.message}`);
        resolve("not started");
      });
      child.on("close", (code, signal) => resolve(code ?? signal));
    });
    const program = { name, child, lines, ended };
    this.#running.push(program);
    return program;
  }

  /** Throws if a program has ended though it should run. */
  static mustRun({ name, child, lines }) {
    if (child.exitCode === null && child.signalCode === null) return;
    const error = new Error(`${name} has ended (${child.exitCode ?? child.signalCode}):\n${lines.join("\n")}`);
    error.final = true;
    throw error;
  }

  /** Ends all programs, the newest first. */
  async end() {
    for (const { child, ended } of this.#running.splice(0).reverse()) {
      if (child.pid === undefined) continue;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
      await ended;
      clearTimeout(timer);
    }
  }
}
