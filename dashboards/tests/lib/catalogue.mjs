// Lives here: docs/metrics.md as data: which metrics there are, of what type, with which labels.
// Not here: the queries that use them (`queries.mjs`).

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));

/** Labels that Prometheus adds to every series, and to a histogram's. */
const ADDED_LABELS = ["instance", "job"];

/** Reads the table: name → { type, labels: label → values or null where any may come }. */
export function catalogue() {
  const metrics = new Map();
  for (const line of readFileSync(`${REPOSITORY}docs/metrics.md`, "utf8").split("\n")) {
    const [, name, type, labels] = line.split("|").map((cell) => cell.trim());
    if (name?.startsWith("brightstar_")) {
      const above = [...metrics.values()].at(-1)?.labels;
      metrics.set(name, { type, labels: labelsOf(labels, above) });
    }
  }
  return metrics;
}

function labelsOf(text, above) {
  const labels = new Map();
  if (!text.includes("=") && !text.includes(" as above")) {
    for (const name of text.split(",").map((each) => each.trim()).filter(Boolean)) labels.set(name, null);
    return labels;
  }
  for (const part of text.split(";").map((each) => each.trim())) {
    if (part.endsWith(" as above")) {
      const name = part.replace(" as above", "");
      labels.set(name, above.get(name));
    } else {
      const [name, values] = part.split("=").map((each) => each.trim());
      labels.set(name, values === undefined ? null : values.split(",").map((each) => each.trim()));
    }
  }
  return labels;
}

/** The metric behind a series' name, and that series' labels; null if there is none. */
export function metricOf(metrics, series) {
  const plain = metrics.get(series);
  if (plain && plain.type !== "histogram") {
    return { metric: series, labels: [...plain.labels.keys(), ...ADDED_LABELS] };
  }
  const [, base, part] = series.match(/^(.*)_(bucket|sum|count)$/) ?? [];
  const histogram = metrics.get(base);
  if (histogram?.type !== "histogram") return null;
  const le = part === "bucket" ? ["le"] : [];
  return { metric: base, labels: [...histogram.labels.keys(), ...ADDED_LABELS, ...le] };
}
