// Lives here: the real meadow, played by bots and scraped by the real Prometheus, is asked every
// query of every panel and rule: each must find data.
// Not here: what can be said without running anything (`static.test.mjs`).

import assert from "node:assert/strict";
import test from "node:test";
import { catalogue } from "./lib/catalogue.mjs";
import { until } from "./lib/processes.mjs";
import { hasData, SCRAPE_SECONDS } from "./lib/prometheus.mjs";
import * as queries from "./lib/queries.mjs";
import { withStack } from "./lib/stack.mjs";

const BOTS = 50;
const LOAD_SECONDS = 30;
const ZOOM = { scrapeSeconds: SCRAPE_SECONDS, stepSeconds: 1, rangeSeconds: 30 };
/** Each query finds data within this time, all of them together, in milliseconds. */
const DATA_MS = 20_000;
const TEST_MS = 180_000;
/** Shows an alert that fires, so it must find nothing while all is well. */
const EMPTY_WHEN_WELL = /^ALERTS\{/;
/** Quantiles of jobs: none is due so soon (mushrooms ripen for a minute), so that their series are there, and all NaN. */
const WITHOUT_JOBS = /brightstar_job_late_seconds_bucket/;

test("every query of every panel, alert and recording rule finds data", { timeout: TEST_MS }, async (t) => {
  await withStack({ bots: BOTS, seconds: LOAD_SECONDS }, async ({ prometheus, meadow, load }) => {
    await t.test("every panel", () => allPanels(prometheus));
    await t.test("every variable", () => allVariables(prometheus));
    await t.test("every rule", () => allRules(prometheus));
    await t.test("every metric of docs/metrics.md, and no other", () => allMetrics(meadow.address));
    await t.test("no alert fires", () => noAlert(prometheus));
    await t.test("the load ends without an error", async () => {
      assert.equal(await load.ended, 0, load.lines.join("\n"));
    });
    await t.test("a host that was killed is seen to be down", () => downIsSeen(prometheus, meadow));
  });
});

/** Asks `all` until each finds data; whatever is left at the deadline is the failure. */
async function allFindData(all, ask) {
  let left = all;
  const look = async () => {
    const found = await Promise.all(left.map(ask));
    left = left.filter((_, index) => !found[index]);
    return left.length === 0;
  };
  await until("data", DATA_MS, look).catch((error) => {
    assert.fail(`${left.length} of ${all.length} find no data (${error.message}):\n${left.map(({ where, expr }) => `  ${where}: ${expr}`).join("\n")}`);
  });
}

async function allPanels(prometheus) {
  const all = queries.panelQueries().map((query) => ({ ...query, expr: queries.substituted(query.expr, ZOOM) }));
  assert.ok(all.length > 80, `${all.length} queries`);
  await allFindData(all, async ({ where, expr, instant, legend }) => {
    const series = instant ? await prometheus.query(expr) : await prometheus.queryRange(expr, ZOOM);
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
      for (const { metric } of series) assert.ok(label in metric, `${where}: no label ${label} for the legend`);
    }
    return hasData(series) || (WITHOUT_JOBS.test(expr) && series.length > 0);
  });
}

async function allVariables(prometheus) {
  const variables = queries.dashboards().flatMap(({ json }) => json.templating.list.filter(({ type }) => type === "query"));
  for (const { name, definition } of variables) {
    const [, selector, label] = definition.match(/^label_values\((.*), (\w+)\)$/);
    const values = await prometheus.labelValues(queries.substituted(selector, ZOOM), label);
    assert.ok(values.length > 0, `the variable ${name} has nothing to choose from`);
  }
}

async function allRules(prometheus) {
  const rules = await until("all rules to be evaluated", DATA_MS, async () => {
    const all = await prometheus.rules();
    return all.every(({ health }) => health === "ok") && all;
  });
  assert.equal(rules.length, queries.namesIn(queries.ruleFile("recording.yml"), "record").length + queries.namesIn(queries.ruleFile("alerts.yml"), "alert").length);
  const asked = rules.map(({ name, query, type }) => ({
    where: name,
    expr: type === "alerting" ? queries.figureOf(query) : query,
  }));
  await allFindData(asked, async ({ expr }) => hasData(await prometheus.query(expr)));
}

async function allMetrics(address) {
  const exported = await (await fetch(`http://${address}/metrics`)).text();
  const names = new Set([...exported.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`));
  const wanted = new Set([...catalogue()].map(([name, { type }]) => `${name} ${type}`));
  assert.deepEqual([...wanted].filter((each) => !names.has(each)), [], "in docs/metrics.md and not in /metrics");
  assert.deepEqual([...names].filter((each) => !wanted.has(each)), [], "in /metrics and not in docs/metrics.md");
}

async function noAlert(prometheus) {
  const firing = await prometheus.query('ALERTS{alertstate="firing"}');
  assert.deepEqual(firing.map(({ metric }) => metric.alertname), []);
  for (const { json } of queries.dashboards()) {
    for (const { expr } of json.annotations.list) assert.ok(!expr || EMPTY_WHEN_WELL.test(expr), expr);
  }
}

async function downIsSeen(prometheus, { program }) {
  program.child.kill("SIGKILL");
  await until("BrightstarDown to be pending", DATA_MS, async () => {
    const down = (await prometheus.rules()).find(({ name }) => name === "BrightstarDown");
    return down.state === "pending";
  });
}
