// Lives here: what can be said of dashboards and rules without running anything.
// Not here: whether their queries find data (`live.test.mjs`).

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import { dashboards as built, pathOf, textOf } from "../build.mjs";
import { catalogue, metricOf, REPOSITORY } from "./lib/catalogue.mjs";
import * as queries from "./lib/queries.mjs";

const GRID_COLUMNS = 24;
/** Units of Grafana that the dashboards use; a typing error would show plain numbers. */
const UNITS = new Set(["short", "s", "bytes", "binBps", "percentunit", "ops", "cps"]);
/** Metrics that are on no panel, each with the reason. */
const UNUSED = new Map([]);

const metrics = catalogue();
const recorded = queries.namesIn(queries.ruleFile("recording.yml"), "record");
const alerts = queries.namesIn(queries.ruleFile("alerts.yml"), "alert");

/** Every expression with the place it stands at; of the rules, whole files. */
function expressions() {
  return [
    ...queries.panelQueries(),
    { where: "recording.yml", expr: queries.ruleFile("recording.yml") },
    { where: "alerts.yml", expr: queries.ruleFile("alerts.yml") },
  ];
}

test("the catalogue is read whole", () => {
  assert.ok(metrics.size > 40, `${metrics.size} metrics`);
  assert.deepEqual(metrics.get("brightstar_command_seconds").labels.get("stage"), ["commit", "durable"]);
  assert.ok(metrics.get("brightstar_sent_bytes_total").labels.get("kind").includes("frame"));
});

test("the committed files are what build.mjs writes", () => {
  for (const [name, dashboard] of Object.entries(built)) {
    assert.equal(readFileSync(pathOf(name), "utf8"), textOf(dashboard), `${name}.json: run node dashboards/build.mjs`);
  }
});

test("each dashboard is sound", () => {
  const uids = new Set();
  for (const { file, json } of queries.dashboards()) {
    assert.ok(json.uid && !uids.has(json.uid), `${file}: uid`);
    uids.add(json.uid);
    assert.ok(json.title.startsWith("Brightstar / "), `${file}: title`);
    assert.equal(json.schemaVersion, 39, file);
    assert.equal(json.id, undefined, `${file}: an id belongs to one Grafana`);
    assert.deepEqual(json.templating.list.slice(0, 2).map(({ name }) => name), ["datasource", "instance"], file);
    const ids = json.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, `${file}: panel ids`);
    noOverlap(file, json.panels);
  }
});

function noOverlap(file, panels) {
  const taken = new Map();
  for (const { title, gridPos } of panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && w > 0 && h > 0 && x + w <= GRID_COLUMNS, `${file}: ${title} leaves the grid`);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const place = `${column},${line}`;
        assert.ok(!taken.has(place), `${file}: ${title} lies on ${taken.get(place)}`);
        taken.set(place, title);
      }
    }
  }
}

test("each panel says what it shows, in which unit, and asks the chosen Prometheus", () => {
  for (const { file, panel } of queries.panels()) {
    const where = `${file}: ${panel.title}`;
    assert.match(panel.description, /^[A-Z].{10,}[.?]$/s, `${where}: description`);
    assert.ok(UNITS.has(panel.fieldConfig.defaults.unit), `${where}: unit ${panel.fieldConfig.defaults.unit}`);
    const steps = panel.fieldConfig.defaults.thresholds.steps;
    assert.equal(steps[0].value, null, `${where}: the first threshold has no value`);
    assert.deepEqual(steps.slice(1).map(({ value }) => value), steps.slice(1).map(({ value }) => value).sort((a, b) => a - b), where);
    assert.ok(panel.targets.length > 0, where);
    const letters = panel.targets.map(({ refId }) => refId);
    assert.equal(new Set(letters).size, letters.length, `${where}: refIds`);
    for (const target of panel.targets) {
      assert.equal(target.datasource.uid, "${datasource}", where);
      assert.notEqual(target.instant, target.range, where);
      assert.ok(target.expr.includes("$instance") || target.expr.includes("ALERTS"), `${where}: all hosts, whatever is chosen`);
    }
  }
});

test("every series that is asked for is in docs/metrics.md, with these labels and values", () => {
  for (const { where, expr } of expressions()) {
    for (const series of queries.seriesIn(expr)) {
      const known = series.includes(":") ? recorded.includes(series) : metricOf(metrics, series);
      assert.ok(known, `${where}: there is no ${series}`);
    }
    for (const { series, label, operator, value } of queries.matchersIn(expr)) {
      if (label === "instance" || label === "job") continue;
      const { metric, labels } = metricOf(metrics, series);
      assert.ok(labels.includes(label), `${where}: ${series} has no label ${label}`);
      const values = metrics.get(metric).labels.get(label);
      for (const each of operator.includes("~") ? value.split("|") : [value]) {
        assert.ok(!values || values.includes(each), `${where}: ${label} of ${series} is never ${each}`);
      }
    }
  }
});

test("labels that a panel keeps are labels of what it asks for, and legends name kept labels", () => {
  for (const { where, expr, legend } of queries.panelQueries()) {
    const known = queries.seriesIn(expr).flatMap((series) => metricOf(metrics, series).labels);
    const kept = queries.labelsKept(expr);
    for (const label of kept) assert.ok(known.includes(label), `${where}: no label ${label}`);
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok(kept.includes(label) || (kept.length === 0 && known.includes(label)), `${where}: legend of ${label}`);
    }
  }
});

test("every metric is on a panel, or is listed as unused with a reason", () => {
  const shown = new Set(
    queries.panelQueries().flatMap(({ expr }) => queries.seriesIn(expr).map((series) => metricOf(metrics, series)?.metric)),
  );
  for (const metric of metrics.keys()) {
    assert.notEqual(shown.has(metric), UNUSED.has(metric), `${metric}: shown or in UNUSED, and not both`);
  }
});

test("every alert has a test, and a section that says what to do", () => {
  assert.ok(alerts.length > 10);
  const operations = readFileSync(`${REPOSITORY}docs/operations.md`, "utf8");
  const tests = queries.ruleTests();
  const runbooks = [...queries.ruleFile("alerts.yml").matchAll(/runbook: (\S+)/g)].map(([, link]) => link);
  assert.deepEqual(runbooks, alerts.map((alert) => `docs/operations.md#${alert.toLowerCase()}`));
  for (const alert of alerts) {
    assert.match(operations, new RegExp(`^#+ ${alert}$`, "m"), `docs/operations.md has no section ${alert}`);
    assert.ok(tests.includes(`"${alert}"`) || tests.includes(`alertname: ${alert}`), `${alert} has no test`);
  }
  for (const rule of recorded) assert.ok(tests.includes(rule), `${rule} has no test`);
});

test("what Grafana is told at its start fits together", () => {
  const provisioning = `${REPOSITORY}dashboards/grafana/provisioning/`;
  const datasource = readFileSync(`${provisioning}datasources/brightstar.yml`, "utf8");
  const uid = datasource.match(/uid: (\S+)/)[1];
  for (const { file, json } of queries.dashboards()) {
    assert.equal(json.templating.list[0].current.value, uid, file);
  }
  const interval = readFileSync(`${REPOSITORY}dashboards/prometheus.yml`, "utf8").match(/scrape_interval: (\S+)/)[1];
  assert.equal(datasource.match(/timeInterval: (\S+)/)[1], interval, "Grafana must know the scrape interval");
  assert.ok(existsSync(`${provisioning}dashboards/brightstar.yml`));
});
