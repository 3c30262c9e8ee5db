// Lives here: a Prometheus of one's own, started on the committed configuration, and its HTTP API.
// Not here: what it is asked (`queries.mjs`).

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { REPOSITORY } from "./catalogue.mjs";
import { freePort, Processes, until } from "./processes.mjs";

/** Prometheus is ready within this time, in milliseconds. */
const READY_MS = 30_000;
/** One request to its API, in milliseconds. */
const REQUEST_MS = 10_000;
export const SCRAPE_SECONDS = 1;

/** The committed configuration, for another target, with scrapes every second. */
function configuration(target) {
  let text = readFileSync(`${REPOSITORY}dashboards/prometheus.yml`, "utf8");
  const replacements = [
    [/"127\.0\.0\.1:7777"/, `"${target}"`],
    [/scrape_interval: 5s/, `scrape_interval: ${SCRAPE_SECONDS}s`],
    [/scrape_timeout: 4s/, `scrape_timeout: ${SCRAPE_SECONDS}s`],
    [/evaluation_interval: 5s/, `evaluation_interval: ${SCRAPE_SECONDS}s`],
    [/- rules\/recording\.yml/, `- ${REPOSITORY}dashboards/rules/recording.yml`],
    [/- rules\/alerts\.yml/, `- ${REPOSITORY}dashboards/rules/alerts.yml`],
  ];
  for (const [pattern, replacement] of replacements) {
    if (!pattern.test(text)) throw new Error(`prometheus.yml has no ${pattern}`);
    text = text.replace(pattern, replacement);
  }
  return text;
}

/** Prometheus' HTTP API. */
export class Prometheus {
  constructor(url) {
    this.url = url;
  }

  /** Starts one that scrapes `target`, with its files under `folder`, and waits until it is ready. */
  static async start(processes, folder, target) {
    const port = await freePort();
    mkdirSync(`${folder}/prometheus`);
    writeFileSync(`${folder}/prometheus.yml`, configuration(target));
    const program = processes.start("prometheus", process.env.PROMETHEUS_BIN ?? "prometheus", [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/prometheus`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ]);
    const prometheus = new Prometheus(`http://127.0.0.1:${port}`);
    await until("Prometheus to be ready", READY_MS, async () => {
      Processes.mustRun(program);
      return (await fetch(`${prometheus.url}/-/ready`)).ok;
    });
    return prometheus;
  }

  async #get(path, parameters = {}) {
    const url = new URL(`/api/v1/${path}`, this.url);
    for (const [key, value] of Object.entries(parameters)) url.searchParams.append(key, value);
    const answer = await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS) });
    const body = await answer.json();
    if (body.status !== "success") throw new Error(`${parameters.query ?? path}: ${body.error}`);
    return body.data;
  }

  /** Series of a query now: `[{ metric, points: [[seconds, number]] }]`. */
  async query(query) {
    const { result, resultType } = await this.#get("query", { query });
    if (resultType === "scalar") return [{ metric: {}, points: [point(result)] }];
    return result.map(({ metric, value }) => ({ metric, points: [point(value)] }));
  }

  /** Series of a query over the last seconds. */
  async queryRange(query, { rangeSeconds, stepSeconds }) {
    const end = Date.now() / 1000;
    const { result } = await this.#get("query_range", { query, start: end - rangeSeconds, end, step: stepSeconds });
    return result.map(({ metric, values }) => ({ metric, points: values.map(point) }));
  }

  /** All loaded rules: `{ name, query, type, health, lastError, state }`. */
  async rules() {
    const { groups } = await this.#get("rules");
    return groups.flatMap(({ rules }) => rules);
  }

  /** The label's values over the series that match. */
  async labelValues(selector, label) {
    return this.#get(`label/${label}/values`, { "match[]": selector });
  }
}

function point([seconds, text]) {
  return [seconds, Number(text)];
}

/** Whether series hold at least one number that can be drawn. */
export function hasData(series) {
  return series.some(({ points }) => points.some(([, value]) => Number.isFinite(value)));
}
