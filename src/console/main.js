// Lives here: the console's beginning: asks for the state and hands it to the parts of the page.
// Not here: each part's own work (map.js, marks.js, charts.js, figures.js, changes.js, actions.js).

import { Actions } from "./actions.js";
import { Changes } from "./changes.js";
import { Lateness, Loads, Threads } from "./charts.js";
import { Headline, RegionFigures, setText } from "./figures.js";
import { Legend } from "./legend.js";
import { RegionMap } from "./map.js";
import { Marks } from "./marks.js";
import { History, changed, read } from "./model.js";
import { Pointing } from "./pointing.js";
import { EVERY_MS, Poll } from "./poll.js";
import { passed, percent } from "./words.js";

// Beside this module, so that a proxy may serve all of it under a path of its own.
const STATE = new URL("state", import.meta.url);
const ADMIN = new URL("../admin/", import.meta.url);
/** A difference between the server's clock and ours below this is the answer's way. */
const CLOCK_MS = 2_000;

const $ = (id) => document.getElementById(id);

let state = null;
let seenAt = 0; // when the server last answered, by performance.now()
let rememberedAt = null;
let skew = 0; // what the server's clock is ahead of ours, in milliseconds
const history = new History();
const map = new RegionMap($("map"));
const marks = new Marks($("marks"), map);
const threads = new Threads($("threads"));
const loads = new Loads($("loads"));
const lateness = new Lateness($("lateness-chart"));
const headline = new Headline();
const figures = new RegionFigures();
const legend = new Legend();
const actions = new Actions(post);
const pointing = new Pointing({ changed: showRegion, told: tellRegion });
const changes = new Changes($("changes"), $("announcer"), (id) => pointing.look(id));

pointing.watch($("map"), map);
pointing.watch($("threads"), threads);
pointing.watch($("lateness-chart"), lateness);
pointing.keys($("map"), (id) => map.place(id));

new Poll({ get, told, lost }).start();

async function get(signal) {
  const response = await fetch(STATE, { signal, cache: "no-store", headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const ahead = Date.parse(response.headers.get("date") ?? "") - Date.now();
  skew = Math.abs(ahead) > CLOCK_MS ? ahead : 0;
  return read(await response.json());
}

async function post(action, body, token, signal) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const response = await fetch(new URL(action, ADMIN), { method: "POST", signal, headers, body: JSON.stringify(body) });
  return { ok: response.ok, status: response.status, body: await response.json().catch(() => null) };
}

function told(next) {
  if (state) marks.flash(changed(state.regions, next.regions));
  state = next;
  seenAt = performance.now();
  away(null);
  remember();
  pointing.show(state);
  map.show(state);
  threads.show(state);
  lateness.show(state);
  loads.show(state.workers.map(({ worker }) => ({ worker, values: history.of(`thread ${worker}`) })));
  headline.show(state, history);
  legend.show(state);
  changes.show(state.changes, Date.now() + skew);
  showRegion();
}

/** Time without answers is a gap in the history as long as it was. */
function remember() {
  if (rememberedAt !== null) history.skip(Math.round((seenAt - rememberedAt) / EVERY_MS) - 1);
  rememberedAt = seenAt;
  const figuresNow = {
    sessions: state.connected,
    entities: state.things,
    regions: state.regions.length,
    spread: state.spread,
    lateness: state.lateness,
  };
  for (const { worker, load } of state.workers) figuresNow[`thread ${worker}`] = load;
  history.add(figuresNow);
}

function lost(error) {
  away(error);
}

/** Says that the server is away and since when; the last picture stays, greyed. */
function away(error) {
  document.body.classList.toggle("away", error !== null);
  document.body.classList.toggle("waiting", state === null);
  $("banner").hidden = error === null;
  if (error === null) {
    setText($("link"), "live");
    return;
  }
  const last = state === null ? "" : ` Last seen ${passed((performance.now() - seenAt) / 1000)} ago.`;
  setText($("banner-more"), `${error.message}.${last}`);
  setText($("link"), "away");
}

/** The region under the pointer, else the chosen one, else the busiest. */
function showRegion() {
  if (!state) return;
  const { looked, chosen } = pointing;
  for (const picture of [marks, threads, lateness]) picture.mark(looked, chosen);
  const by = (id) => state.regions.find((region) => region.id === id);
  const busiest = state.regions.reduce((best, region) => (!best || region.load > best.load ? region : best), null);
  const [region, why] = by(looked) ? [by(looked), "pointed at"] : by(chosen) ? [by(chosen), "chosen"] : [busiest, "the busiest"];
  figures.show(region, why, state.map);
  actions.show(state, chosen);
}

/** Says a region that was chosen by key. */
function tellRegion(id) {
  const region = state.regions.find((one) => one.id === id);
  const words = `Region ${id}, thread ${region.worker}, load ${percent(region.load)}, ${region.entities} entities, ${region.sessions} sessions`;
  setText($("announcer"), words);
}
