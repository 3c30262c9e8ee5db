// Lives here: how a panel, a row and a dashboard are written down in Grafana's JSON (schema 39,
// Grafana 10.4 and later), so that the files next door hold only titles, queries and units.
// Not here: which metrics are shown (`overview.mjs`, `regions.mjs`, `sessions.mjs`, `data.mjs`).
// Invariant: panels of a row fill its 24 columns from left to right and never overlap.

const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const GRID_COLUMNS = 24;
const SCHEMA_VERSION = 39;

/** A metric of the instances chosen at the top of the page, with further label matchers. */
export function of(metric, matchers = "") {
  return `${metric}{instance=~"$instance"${matchers && `,${matchers}`}}`;
}

/** Its increase per second, over the window that Grafana finds fit for the zoom. */
export function rate(metric, matchers) {
  return `rate(${of(metric, matchers)}[$__rate_interval])`;
}

/** A sum over everything but the named labels. */
export function sum(expression, by = "") {
  return by ? `sum by (${by}) (${expression})` : `sum(${expression})`;
}

/** A quantile of a histogram, over all instances chosen. */
export function quantile(q, histogram, { by = "", matchers } = {}) {
  return `histogram_quantile(${q}, ${sum(rate(`${histogram}_bucket`, matchers), by ? `le, ${by}` : "le")})`;
}

/** The mean of a histogram's observations. */
export function mean(histogram) {
  return `${sum(rate(`${histogram}_sum`))} / ${sum(rate(`${histogram}_count`))}`;
}

/**
 * The share of late ticks. Skipped ticks are late and were never run, so on a host that skips most of
 * them there are more late ticks than ticks: that is all of them.
 */
export function lateTicks(by) {
  return `clamp_max(${sum(rate("brightstar_ticks_late_total"), by)} / ${sum(rate("brightstar_ticks_total"), by)}, 1)`;
}

/** The median and the 99th percentile of a histogram, as two queries. */
export function percentiles(histogram) {
  return [
    [quantile(0.5, histogram), "p50"],
    [quantile(0.99, histogram), "p99"],
  ];
}

/** Thresholds: `[["green"], ["orange", 0.7], ["red", 0.9]]`. */
function thresholds(steps = [["green"]]) {
  return { mode: "absolute", steps: steps.map(([color, value]) => ({ color, value: value ?? null })) };
}

function targets(queries, extra = {}) {
  return queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource: DATASOURCE,
    editorMode: "code",
    expr,
    legendFormat: legendFormat ?? "",
    instant: false,
    range: true,
    ...extra,
  }));
}

function panel(type, title, { description, width = 8, height = 8, steps, unit, min, max, decimals, ...rest }) {
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    gridPos: { h: height, w: width, x: 0, y: 0 },
    fieldConfig: {
      defaults: {
        unit: unit ?? "short",
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        ...(decimals === undefined ? {} : { decimals }),
        color: rest.color ?? { mode: "thresholds" },
        custom: rest.custom ?? {},
        mappings: [],
        thresholds: thresholds(steps),
      },
      overrides: rest.overrides ?? [],
    },
    options: rest.options,
    targets: rest.targets,
    ...(rest.transformations ? { transformations: rest.transformations } : {}),
  };
}

/** Lines over time. `stack` lays them on each other; `line` draws a threshold as a line. */
export function lines(title, spec) {
  const { queries, stack = false, log = false, colors = {}, calcs = ["mean", "max", "lastNotNull"] } = spec;
  return panel("timeseries", title, {
    min: 0,
    ...spec,
    color: { mode: "palette-classic" },
    custom: {
      drawStyle: "line",
      lineInterpolation: "linear",
      lineWidth: 1,
      fillOpacity: stack ? 40 : 8,
      gradientMode: "none",
      showPoints: "never",
      pointSize: 4,
      spanNulls: false,
      axisPlacement: "auto",
      axisLabel: "",
      scaleDistribution: log ? { type: "log", log: 10 } : { type: "linear" },
      stacking: { mode: stack ? "normal" : "none", group: "A" },
      thresholdsStyle: { mode: spec.steps ? "dashed" : "off" },
      hideFrom: { legend: false, tooltip: false, viz: false },
    },
    overrides: Object.entries(colors).map(([name, fixedColor]) => ({
      matcher: { id: "byName", options: name },
      properties: [{ id: "color", value: { mode: "fixed", fixedColor } }],
    })),
    options: {
      legend: { calcs, displayMode: "table", placement: "bottom", showLegend: true },
      tooltip: { mode: "multi", sort: "desc" },
    },
    targets: targets(queries),
  });
}

/** One big number; `graph` draws its recent past behind it. */
export function stat(title, spec) {
  const { graph = true } = spec;
  return panel("stat", title, {
    width: 4,
    height: 4,
    ...spec,
    options: {
      reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
      orientation: "auto",
      textMode: spec.text ?? "value",
      colorMode: "value",
      graphMode: graph ? "area" : "none",
      justifyMode: "auto",
      percentChangeColorMode: "standard",
      showPercentChange: false,
      wideLayout: true,
    },
    targets: targets(spec.queries, graph ? {} : { instant: true, range: false }),
  });
}

/** One bar for each series' present value. */
export function bars(title, spec) {
  return panel("bargauge", title, {
    min: 0,
    ...spec,
    options: {
      displayMode: "gradient",
      orientation: "horizontal",
      reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
      showUnfilled: true,
      valueMode: "color",
      namePlacement: "auto",
      sizing: "auto",
      minVizHeight: 12,
      minVizWidth: 8,
      maxVizHeight: 300,
      legend: { calcs: [], displayMode: "list", placement: "bottom", showLegend: false },
    },
    targets: targets(spec.queries, { instant: true, range: false }),
  });
}

/** A histogram's buckets over time. */
export function heatmap(title, spec) {
  const buckets = sum(`increase(${of(`${spec.histogram}_bucket`, spec.matchers)}[$__rate_interval])`, "le");
  return panel("heatmap", title, {
    ...spec,
    custom: { hideFrom: { legend: false, tooltip: false, viz: false }, scaleDistribution: { type: "linear" } },
    options: {
      calculate: false,
      cellGap: 1,
      color: { mode: "scheme", scheme: "Oranges", steps: 64, exponent: 0.5, fill: "dark-orange", scale: "exponential", reverse: false },
      exemplars: { color: "rgba(255,0,255,0.7)" },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: "auto" },
      showValue: "never",
      tooltip: { mode: "single", showColorScale: false, yHistogram: true },
      yAxis: { axisPlacement: "left", reverse: false, unit: spec.unit },
    },
    targets: targets([[buckets, "{{le}}"]], { format: "heatmap" }),
  });
}

/** A table of present values: one row for each value of `key`, one column for each query. */
export function table(title, spec) {
  const letter = (index) => String.fromCharCode("A".charCodeAt(0) + index);
  const columns = spec.columns.map(([, name], index) => [`Value #${letter(index)}`, name]);
  return panel("table", title, {
    ...spec,
    custom: { align: "auto", cellOptions: { type: "auto" }, inspect: false, filterable: false },
    overrides: spec.columns
      .filter(([, , look]) => look)
      .map(([, name, look]) => ({ matcher: { id: "byName", options: name }, properties: look })),
    options: {
      cellHeight: "sm",
      showHeader: true,
      footer: { show: false, reducer: ["sum"], countRows: false, fields: "" },
      sortBy: [{ displayName: spec.sortBy, desc: true }],
    },
    targets: targets(spec.columns.map(([expr]) => [expr]), { format: "table", instant: true, range: false }),
    transformations: [
      { id: "merge", options: {} },
      {
        id: "organize",
        options: { excludeByName: { Time: true }, indexByName: {}, renameByName: Object.fromEntries(columns) },
      },
    ],
  });
}

/** A row: a heading and the panels under it, laid out from left to right. */
export function row(title, ...panels) {
  return { title, panels };
}

function layout(rows) {
  const laid = [];
  let id = 1;
  let y = 0;
  for (const { title, panels } of rows) {
    laid.push({ id: id++, type: "row", title, collapsed: false, gridPos: { h: 1, w: GRID_COLUMNS, x: 0, y }, panels: [] });
    y += 1;
    let x = 0;
    let height = 0;
    for (const each of panels) {
      if (x + each.gridPos.w > GRID_COLUMNS) {
        y += height;
        x = 0;
        height = 0;
      }
      laid.push({ id: id++, ...each, gridPos: { ...each.gridPos, x, y } });
      x += each.gridPos.w;
      height = Math.max(height, each.gridPos.h);
    }
    y += height;
  }
  return laid;
}

function variable(name, label, metric) {
  const query = `label_values(${metric}, ${name})`;
  return {
    name,
    label,
    type: "query",
    datasource: DATASOURCE,
    definition: query,
    query: { qryType: 1, query, refId: "PrometheusVariableQueryEditor-VariableQuery" },
    current: { selected: true, text: ["All"], value: ["$__all"] },
    includeAll: true,
    allValue: ".*",
    multi: true,
    hide: 0,
    options: [],
    refresh: 2,
    regex: "",
    skipUrlSync: false,
    sort: 3,
  };
}

/** A whole dashboard. */
export function dashboard({ uid, title, description, variables = [], rows }) {
  return {
    uid,
    title,
    description,
    tags: ["brightstar"],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    fiscalYearStartMonth: 0,
    liveNow: false,
    refresh: "5s",
    time: { from: "now-15m", to: "now" },
    timepicker: {},
    timezone: "browser",
    weekStart: "",
    links: [
      {
        type: "dashboards",
        title: "Brightstar",
        icon: "external link",
        tooltip: "",
        url: "",
        tags: ["brightstar"],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
      },
    ],
    annotations: {
      list: [
        {
          builtIn: 1,
          datasource: { type: "grafana", uid: "-- Grafana --" },
          enable: true,
          hide: true,
          iconColor: "rgba(0, 211, 255, 1)",
          name: "Annotations & Alerts",
          type: "dashboard",
        },
        {
          datasource: DATASOURCE,
          enable: true,
          expr: 'ALERTS{alertname=~"Brightstar.+",alertstate="firing"}',
          iconColor: "red",
          name: "Alerts",
          step: "15s",
          titleFormat: "{{alertname}}",
          textFormat: "{{instance}}",
        },
      ],
    },
    templating: {
      list: [
        {
          name: "datasource",
          label: "Prometheus",
          type: "datasource",
          query: "prometheus",
          current: { selected: false, text: "Brightstar", value: "brightstar-prometheus" },
          includeAll: false,
          multi: false,
          hide: 0,
          options: [],
          refresh: 1,
          regex: "",
          skipUrlSync: false,
        },
        variable("instance", "Host", "brightstar_build_info"),
        ...variables.map(({ name, label, metric }) => variable(name, label, metric)),
      ],
    },
    panels: layout(rows),
  };
}
