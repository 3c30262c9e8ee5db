// Lives here: every query of every panel, alert and rule, as Grafana or Prometheus would ask it.
// Not here: asking (`prometheus.mjs`).

import { readFileSync, readdirSync } from "node:fs";
import { REPOSITORY } from "./catalogue.mjs";

const GRAFANA = `${REPOSITORY}dashboards/grafana/`;
const RULES = `${REPOSITORY}dashboards/rules/`;

/** All dashboards as committed: `{ file, json }`. */
export function dashboards() {
  return readdirSync(GRAFANA)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => ({ file, json: JSON.parse(readFileSync(GRAFANA + file, "utf8")) }));
}

/** All panels that ask something: `{ file, panel }`. */
export function panels() {
  return dashboards().flatMap(({ file, json }) =>
    json.panels.filter((panel) => panel.type !== "row").map((panel) => ({ file, panel })),
  );
}

/** All queries of all panels: `{ where, expr, instant, legend }`. */
export function panelQueries() {
  return panels().flatMap(({ file, panel }) =>
    panel.targets.map((target) => ({
      where: `${file}: ${panel.title} (${target.refId})`,
      expr: target.expr,
      instant: target.instant,
      legend: target.legendFormat,
    })),
  );
}

/** The rule files' text. */
export function ruleFile(name) {
  return readFileSync(RULES + name, "utf8");
}

/** The text of all rule tests. */
export function ruleTests() {
  return readdirSync(`${RULES}tests`).map((file) => readFileSync(`${RULES}tests/${file}`, "utf8")).join("\n");
}

/** The names behind `- alert:` or `- record:` of a rule file. */
export function namesIn(text, word) {
  return [...text.matchAll(new RegExp(`- ${word}: (\\S+)`, "g"))].map(([, name]) => name);
}

/**
 * A panel's query with its variables put in, as Grafana does with "All" chosen everywhere.
 * `$__rate_interval` is the larger of four scrapes and one step more than a scrape.
 */
export function substituted(expr, { scrapeSeconds, stepSeconds, rangeSeconds }) {
  const rate = Math.max(stepSeconds + scrapeSeconds, 4 * scrapeSeconds);
  const filled = expr
    .replaceAll("$__rate_interval", `${rate}s`)
    .replaceAll("$__interval", `${stepSeconds}s`)
    .replaceAll("$__range", `${rangeSeconds}s`)
    .replaceAll("$instance", ".*")
    .replaceAll("$region", ".*");
  if (filled.includes("$")) throw new Error(`a variable is left in: ${filled}`);
  return filled;
}

/** What an alert looks at: `figure > 5` becomes `figure`, so that a quiet alert can be asked too. */
export function figureOf(alertExpr) {
  const figure = alertExpr.replace(/\s*(?:==|!=|>=|<=|>|<)\s*[0-9.e+-]+\s*$/, "");
  if (figure === alertExpr) throw new Error(`not of the form "figure comparison number": ${alertExpr}`);
  return figure;
}

/** The names of series that a query reads. */
export function seriesIn(expr) {
  const bare = expr.replace(/"[^"]*"/g, '""');
  return [...bare.matchAll(/(?<![\w:])((?:[a-z_]+:)?brightstar_\w+(?::\w+)?)/g)].map(([, name]) => name);
}

/** The label matchers of a query, each with the series it stands at: `{ series, label, operator, value }`. */
export function matchersIn(expr) {
  return [...expr.matchAll(/(brightstar_\w+)\{([^}]*)\}/g)].flatMap(([, series, body]) =>
    [...body.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label, operator, value]) => ({ series, label, operator, value })),
  );
}

/** The labels that a query keeps by name. */
export function labelsKept(expr) {
  return [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list]) => list.split(",").map((each) => each.trim()));
}
