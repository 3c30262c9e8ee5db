#!/usr/bin/env node
// Lives here: writes grafana/*.json from panels/*.mjs: `node dashboards/build.mjs`.
// Not here: the panels. Invariant: what is committed is what this writes; a test compares.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import data from "./panels/data.mjs";
import overview from "./panels/overview.mjs";
import regions from "./panels/regions.mjs";
import sessions from "./panels/sessions.mjs";

/** Name of the file and what it holds, in the order of reading. */
export const dashboards = { overview, regions, sessions, data };

/** Where a dashboard's file is. */
export function pathOf(name) {
  return fileURLToPath(new URL(`./grafana/${name}.json`, import.meta.url));
}

/** A dashboard's file, as committed. */
export function textOf(dashboard) {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, dashboard] of Object.entries(dashboards)) {
    writeFileSync(pathOf(name), textOf(dashboard));
  }
}
