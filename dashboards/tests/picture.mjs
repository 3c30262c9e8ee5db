#!/usr/bin/env node
// Lives here: a picture of all dashboards with the figures of a meadow under load:
//   node dashboards/tests/picture.mjs OUT.html|OUT.png [--bots N] [--seconds N] [--prometheus URL] [--only NAME]
// With --prometheus the figures are those of a Prometheus that runs already.
// Not here: tests. A PNG needs chromium.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { page, sizeOf } from "./lib/draw.mjs";
import { Prometheus, SCRAPE_SECONDS } from "./lib/prometheus.mjs";
import { dashboards, substituted } from "./lib/queries.mjs";
import { withStack } from "./lib/stack.mjs";

/** Load goes on a little longer than the picture's time, so that rates are of load alone. */
const TAIL_SECONDS = 15;
/** What chromium may take for one screenshot, in milliseconds. */
const SCREENSHOT_MS = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bots: { type: "string", default: "200" },
    seconds: { type: "string", default: "60" },
    prometheus: { type: "string" },
    only: { type: "string" },
  },
});
const [out] = positionals;
if (!out) throw new Error("where to? node dashboards/tests/picture.mjs OUT.html|OUT.png");

async function seriesOf(prometheus, panel, rangeSeconds) {
  const stepSeconds = Math.max(1, Math.ceil(rangeSeconds / 300));
  const zoom = { scrapeSeconds: values.prometheus ? 5 : SCRAPE_SECONDS, stepSeconds, rangeSeconds };
  const found = await Promise.all(
    panel.targets.map(async ({ expr, instant, legendFormat }, target) => {
      const query = substituted(expr, zoom);
      const series = instant ? await prometheus.query(query) : await prometheus.queryRange(query, zoom);
      return series.map((each) => ({ ...each, target, name: legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => each.metric[label] ?? "") }));
    }),
  );
  return found.flat();
}

async function draw(prometheus, rangeSeconds) {
  const pages = [];
  for (const { file, json } of dashboards()) {
    if (values.only && file !== `${values.only}.json`) continue;
    const panels = await Promise.all(
      json.panels.map(async (panel) => ({ panel, series: panel.type === "row" ? [] : await seriesOf(prometheus, panel, rangeSeconds) })),
    );
    pages.push({ title: json.title, panels });
  }
  return pages;
}

function write(pages) {
  const html = page(pages);
  if (!out.endsWith(".png")) return writeFileSync(out, html);
  const folder = mkdtempSync(join(tmpdir(), "brightstar-picture-"));
  try {
    writeFileSync(join(folder, "page.html"), html);
    const { width, height } = sizeOf(pages);
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"];
    const what = [`--user-data-dir=${join(folder, "chromium")}`, `--screenshot=${resolve(out)}`, `--window-size=${width},${height}`, join(folder, "page.html")];
    execFileSync(process.env.CHROMIUM_BIN ?? "chromium", [...flags, ...what], { stdio: "ignore", timeout: SCREENSHOT_MS });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const seconds = Number(values.seconds);
if (values.prometheus) {
  write(await draw(new Prometheus(values.prometheus), seconds));
} else {
  await withStack({ bots: values.bots, seconds: seconds + TAIL_SECONDS }, async ({ prometheus }) => {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    write(await draw(prometheus, seconds));
  });
}
