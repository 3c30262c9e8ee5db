// Lives here: the real server as a process of its own: started, killed hard, started again.
// Not here: what is played on it (meadow.test.mjs).
// Invariant: only a process started here is ended, by its own handle.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Longest wait for the server to say its address. */
const START_MS = 30_000;
/** What is kept of its log, in characters, for the report of a failure. */
const LOG_LIMIT = 20_000;

/** The binary: MEADOW_BIN, or what cargo built last in release, else in debug. */
export function binary() {
  const built = ["release", "debug"].map((profile) => fileURLToPath(new URL(`../../target/${profile}/meadow`, import.meta.url)));
  const found = [process.env.MEADOW_BIN, ...built].filter(Boolean).find((path) => existsSync(path));
  if (!found) throw new Error("no meadow binary: build it (cargo build --release -p meadow) or set MEADOW_BIN");
  return found;
}

/** A running server. */
export class Server {
  /** Starts it on `data`; `port` 0 takes a free one; `flags` are further ones of `serve`. */
  static async start(data, port = 0, flags = []) {
    const child = spawn(binary(), ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    const server = new Server(child);
    await server.#address();
    return server;
  }

  constructor(child) {
    this.child = child;
    this.log = "";
    this.url = null;
    this.ended = once(child, "exit");
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        this.log = (this.log + text).slice(-LOG_LIMIT);
      });
    }
  }

  /** Waits until the page's address is printed. */
  async #address() {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), START_MS);
    let printed = "";
    try {
      for await (const text of this.child.stdout.iterator({ destroyOnReturn: false })) {
        printed += text;
        const address = printed.match(/http:\/\/127\.0\.0\.1:(\d+)\/?/);
        if (!address) continue;
        this.port = Number(address[1]);
        this.url = `http://127.0.0.1:${this.port}/`;
        return;
      }
      throw new Error(`the server ended before it said its address:\n${this.log}`);
    } finally {
      clearTimeout(timer);
    }
  }

  get socket() {
    return `ws://127.0.0.1:${this.port}/v1/ws`;
  }

  /** As a crash: nothing is flushed, nobody is told. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** As an operator does it; returns the exit code. */
  async stop() {
    this.child.kill("SIGTERM");
    return (await this.ended)[0];
  }
}
