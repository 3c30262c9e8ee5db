// Lives here: panels with their figures as one HTML page with SVG, for people without Grafana.
// Not here: getting the figures (`picture.mjs`). A plain likeness: enough to see whether the
// numbers make sense, not a second Grafana.

const COLUMN_PX = 64;
const LINE_PX = 30;
const PALETTE = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#c8f2c2", "#ffa6b0", "#ca95e5"];
const COLOURS = { green: "#73bf69", yellow: "#f2cc0c", blue: "#5794f2", orange: "#ff9830", red: "#f2495c", transparent: "#73bf69" };
const LEGENDS_SHOWN = 7;

/** A number with its unit, as Grafana writes it. */
export function written(value, unit) {
  if (!Number.isFinite(value)) return "–";
  const scaled = (number, steps, base) => {
    let index = 0;
    let rest = number;
    while (Math.abs(rest) >= base && index < steps.length - 1) {
      rest /= base;
      index += 1;
    }
    return `${rest >= 100 || Number.isInteger(rest) ? rest.toFixed(0) : rest.toPrecision(3)}${steps[index]}`;
  };
  if (unit === "percentunit") return `${(value * 100).toFixed(value < 0.1 ? 2 : 1)} %`;
  if (unit === "s") return value < 1e-3 ? `${(value * 1e6).toFixed(0)} µs` : value < 1 ? `${(value * 1e3).toPrecision(3)} ms` : `${value.toPrecision(3)} s`;
  if (unit === "bytes" || unit === "binBps") return scaled(value, [" B", " KiB", " MiB", " GiB", " TiB"], 1024) + (unit === "binBps" ? "/s" : "");
  return scaled(value, ["", " K", " M", " G"], 1000) + (unit === "ops" || unit === "cps" ? "/s" : "");
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const last = ({ points }) => points.findLast(([, value]) => Number.isFinite(value))?.[1] ?? NaN;

/** The colour of a series: the panel's own for its name, or the next of the palette. */
function colourOf(panel, { name }, index) {
  const own = panel.fieldConfig.overrides.find(({ matcher }) => matcher.options === name)?.properties[0].value.fixedColor;
  return COLOURS[own] ?? PALETTE[index % PALETTE.length];
}

/** The colour of a value by the panel's thresholds. */
function coloured(panel, value) {
  const step = panel.fieldConfig.defaults.thresholds.steps.findLast((each) => each.value === null || value >= each.value);
  return COLOURS[step.color];
}

function chart(panel, series, { width, height }) {
  const { unit, custom } = panel.fieldConfig.defaults;
  const stacked = custom.stacking?.mode === "normal";
  const log = custom.scaleDistribution?.type === "log";
  const shown = stacked ? stack(series) : series;
  const values = shown.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  const times = shown.flatMap(({ points }) => points.map(([time]) => time));
  if (values.length === 0) return `<p class="none">no data</p>`;
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const top = Math.max(...values) || 1;
  const bottom = log ? Math.min(...values.filter((value) => value > 0)) / 1.5 : 0;
  const share = (value) => (log ? Math.log(value / bottom) / Math.log((top * 1.1) / bottom) : value / (top * 1.1));
  const x = (time) => 62 + ((time - from) / (to - from || 1)) * (width - 74);
  const y = (value) => height - 16 - share(Math.max(value, bottom)) * (height - 26);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const value = log ? bottom * ((top * 1.1) / bottom) ** part : top * 1.1 * part;
    return `<line x1="62" x2="${width - 12}" y1="${y(value)}" y2="${y(value)}" class="grid"/><text x="56" y="${y(value) + 4}" text-anchor="end">${written(value, unit)}</text>`;
  });
  const paths = shown.map(({ name, points, base }, index) => {
    const finite = points.filter(([, value]) => Number.isFinite(value));
    const line = finite.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" L");
    if (!line) return "";
    const colour = colourOf(panel, { name }, index);
    const floor = base ? finite.map(([time]) => `${x(time).toFixed(1)},${y(base.get(time) ?? 0).toFixed(1)}`).reverse().join(" L") : "";
    const area = base ? `<path d="M${line} L${floor} Z" fill="${colour}" opacity="0.35"/>` : "";
    return `${area}<path d="M${line}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  });
  return `<svg width="${width}" height="${height}">${grid.join("")}${paths.join("")}</svg>`;
}

function stack(series) {
  let below = new Map();
  return series.map(({ points, ...rest }) => {
    const base = below;
    const raised = points.map(([time, value]) => [time, (Number.isFinite(value) ? value : 0) + (base.get(time) ?? 0)]);
    below = new Map([...base, ...raised]);
    return { ...rest, points: raised, base };
  });
}

function heatmap(panel, series, { width, height }) {
  const rows = series
    .map((each) => ({ ...each, le: Number(each.metric.le === "+Inf" ? Infinity : each.metric.le) }))
    .sort((a, b) => a.le - b.le);
  const own = rows.map(({ points }, index) =>
    points.map(([time, value]) => [time, value - (new Map(rows[index - 1]?.points).get(time) ?? 0)]),
  );
  const used = own.map((points, index) => [points, rows[index].le]).filter(([points]) => points.some(([, value]) => value > 0.01));
  if (used.length === 0) return `<p class="none">no data</p>`;
  const most = Math.max(...used.flatMap(([points]) => points.map(([, value]) => value)));
  const cell = (height - 10) / used.length;
  const drawn = used.map(([points, le], index) => {
    const y = height - 5 - (index + 1) * cell;
    const wide = (width - 74) / points.length;
    const cells = points.map(([, value], at) => `<rect x="${62 + at * wide}" y="${y}" width="${wide}" height="${cell - 1}" fill="#ff9830" opacity="${value > 0 ? 0.08 + 0.92 * Math.sqrt(value / most) : 0}"/>`);
    return `<text x="56" y="${y + cell / 2 + 4}" text-anchor="end">${le === Infinity ? "more" : `≤ ${written(le, panel.fieldConfig.defaults.unit)}`}</text>${cells.join("")}`;
  });
  return `<svg width="${width}" height="${height}">${drawn.join("")}</svg>`;
}

function legend(panel, series) {
  const { unit } = panel.fieldConfig.defaults;
  const entries = series.slice(0, LEGENDS_SHOWN).map(
    (each, index) => `<span><i style="background:${colourOf(panel, each, index)}"></i>${escaped(each.name)} <b>${written(last(each), unit)}</b></span>`,
  );
  const more = series.length - LEGENDS_SHOWN;
  return `<div class="legend">${entries.join("")}${more > 0 ? `<span>and ${more} more</span>` : ""}</div>`;
}

function figure(panel, series) {
  const { unit, decimals } = panel.fieldConfig.defaults;
  if (panel.options.textMode === "name") return `<div class="names">${series.map(({ name }) => escaped(name)).join("<br>")}</div>`;
  const exact = series[0] ? last(series[0]) : NaN;
  const value = decimals === 0 && unit === "short" ? Math.round(exact) : exact;
  return `<div class="stat" style="color:${coloured(panel, value)}">${written(value, unit)}</div>`;
}

function bars(panel, series) {
  const { unit, max } = panel.fieldConfig.defaults;
  const sorted = [...series].sort((a, b) => last(b) - last(a));
  const most = max ?? Math.max(...sorted.map(last));
  return sorted
    .map((each) => `<div class="bar"><em>${escaped(each.name)}</em><u><s style="width:${(100 * last(each)) / most}%;background:${coloured(panel, last(each))}"></s></u><b>${written(last(each), unit)}</b></div>`)
    .join("");
}

function table(panel, series) {
  const columns = Object.values(panel.transformations[1].options.renameByName);
  const labels = ["region", "worker", "change"].filter((label) => series.some(({ metric }) => label in metric));
  const rows = new Map();
  for (const each of series) {
    const key = each.metric[labels[0]];
    rows.set(key, { ...rows.get(key), ...each.metric, [columns[each.target]]: last(each) });
  }
  const sorted = [...rows.values()].sort((a, b) => b[columns[0]] - a[columns[0]]);
  const heads = [...labels, ...columns];
  const unitOf = (head) => {
    const own = panel.fieldConfig.overrides.find(({ matcher }) => matcher.options === head);
    return own?.properties.find(({ id }) => id === "unit")?.value ?? panel.fieldConfig.defaults.unit;
  };
  const cells = (row) => heads.map((head) => `<td>${typeof row[head] === "number" ? written(row[head], unitOf(head)) : escaped(row[head] ?? "")}</td>`).join("");
  return `<table><tr>${heads.map((head) => `<th>${head}</th>`).join("")}</tr>${sorted.map((row) => `<tr>${cells(row)}</tr>`).join("")}</table>`;
}

function panelHtml({ panel, series }) {
  const { w, h, x, y } = panel.gridPos;
  const place = `left:${x * COLUMN_PX}px;top:${y * LINE_PX}px;width:${w * COLUMN_PX - 8}px;height:${h * LINE_PX - 8}px`;
  if (panel.type === "row") return `<h2 style="${place}">${escaped(panel.title)}</h2>`;
  const size = { width: w * COLUMN_PX - 24, height: h * LINE_PX - 8 - 80 };
  const draw = {
    timeseries: () => chart(panel, series, size) + legend(panel, series),
    heatmap: () => heatmap(panel, series, { ...size, height: size.height + 40 }),
    stat: () => figure(panel, series),
    bargauge: () => bars(panel, series),
    table: () => table(panel, series),
  }[panel.type];
  return `<section style="${place}"><h3>${escaped(panel.title)}</h3>${draw()}</section>`;
}

const STYLE = `body{margin:16px;background:#111217;color:#ccccdc;font:13px system-ui,sans-serif}
main{position:relative}h1{font-size:20px;margin:8px 0}h2{position:absolute;font-size:15px;margin:4px 0}
section{position:absolute;background:#181b1f;border:1px solid #2a2d34;border-radius:3px;overflow:hidden;padding:4px 8px;box-sizing:border-box}
h3{font-size:13px;font-weight:500;margin:2px 0 4px}.stat{font-size:32px;text-align:center;padding-top:12px}.names{padding:8px}
.legend span{display:inline-block;margin-right:12px;font-size:11px}.legend i{display:inline-block;width:12px;height:4px;margin-right:4px;vertical-align:middle}
svg text{fill:#9fa7b3;font-size:10px}.grid{stroke:#2a2d34}.none{color:#f2495c}table{border-collapse:collapse;width:100%;font-size:11px}td,th{text-align:left;padding:1px 6px}
.bar{display:flex;gap:8px;font-size:11px;align-items:center;margin:4px 0}.bar em{width:70px;font-style:normal}.bar u{flex:1;background:#22252b;height:12px}.bar s{display:block;height:12px}.bar b{width:60px}`;

/** The whole page. `pages`: `[{ title, panels: [{ panel, series: [{ name, metric, target, points }] }] }]`. */
export function page(pages) {
  const drawn = pages.map(({ title, panels }) => {
    const lines = Math.max(...panels.map(({ panel }) => panel.gridPos.y + panel.gridPos.h));
    return `<h1>${escaped(title)}</h1><main style="width:${24 * COLUMN_PX}px;height:${lines * LINE_PX}px">${panels.map(panelHtml).join("")}</main>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>Brightstar</title><style>${STYLE}</style>${drawn.join("")}`;
}

/** How large the page is, for a screenshot. */
export function sizeOf(pages) {
  const heights = pages.map(({ panels }) => 60 + LINE_PX * Math.max(...panels.map(({ panel }) => panel.gridPos.y + panel.gridPos.h)));
  return { width: 24 * COLUMN_PX + 32, height: heights.reduce((sum, each) => sum + each, 32) };
}
