// Lives here: a whole stack to look at: meadow, bots that play in it, and Prometheus.
// Not here: what is asked of it.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPOSITORY } from "./catalogue.mjs";
import { Processes, until } from "./processes.mjs";
import { Prometheus } from "./prometheus.mjs";

/** The server is ready, and the first figures are there, within this time, in milliseconds. */
const READY_MS = 60_000;

/** The meadow to start: `MEADOW_BIN`, or what was built last. */
export function meadowBinary() {
  const candidates = [process.env.MEADOW_BIN, `${REPOSITORY}target/release/meadow`, `${REPOSITORY}target/debug/meadow`];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error("no meadow: set MEADOW_BIN or build it (cargo build --release)");
  return found;
}

/** Starts the stack, waits until commands are counted, calls `use`, and ends everything. */
export async function withStack({ bots, seconds }, use) {
  const folder = mkdtempSync(join(tmpdir(), "brightstar-dashboards-"));
  const processes = new Processes();
  try {
    const meadow = await startMeadow(processes, folder);
    const prometheus = await Prometheus.start(processes, folder, meadow.address);
    // What is counted before the first scrape has no rate, and bots log in only once.
    await until("the first scrape", READY_MS, async () => {
      const [scraped] = await prometheus.query('brightstar_logins_total{outcome="new"} == 0');
      return scraped !== undefined;
    });
    const load = processes.start("load", meadowBinary(), [
      "load",
      ...["--url", `ws://${meadow.address}/v1/ws`],
      ...["--bots", String(bots), "--duration", `${seconds}s`, "--seed", "7"],
    ]);
    await until("commands in Prometheus", READY_MS, async () => {
      for (const program of [meadow.program, load]) Processes.mustRun(program);
      const [commands] = await prometheus.query("instance:brightstar_commands:rate1m > 0");
      return commands !== undefined;
    });
    return await use({ prometheus, meadow, load });
  } finally {
    await processes.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startMeadow(processes, folder) {
  const program = processes.start("meadow", meadowBinary(), [
    "serve",
    ...["--data", join(folder, "data")],
    ...["--listen", "127.0.0.1:0"],
  ]);
  const address = await until("meadow's address", READY_MS, () => {
    Processes.mustRun(program);
    return program.lines.join("\n").match(/http:\/\/(127\.0\.0\.1:\d+)/)?.[1];
  });
  await until("meadow to be ready", READY_MS, async () => {
    Processes.mustRun(program);
    return (await fetch(`http://${address}/readyz`)).ok;
  });
  return { program, address };
}
