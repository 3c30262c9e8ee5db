// Lives here: the page's beginning and its loop: what is seen, and who is told of what.
// Not here: each part's own work: game.js, draw.js, hud.js, input.js, minimap.js.

import { Painter, View, pick } from "./draw.js";
import { Game } from "./game.js";
import { Hud, words } from "./hud.js";
import { Input } from "./input.js";
import { MiniMap } from "./minimap.js";
import { titlePlace, titleThings } from "./title.js";

/** Steps of zoom, as factors of what suits the screen. */
const ZOOMS = [0.62, 0.8, 1, 1.3, 1.7];
const USUAL_ZOOM = 2;
/** Metres that the shorter side of the screen shows, and pixels per metre at least and at most. */
const METRES_SHOWN = 30;
const SCALES = [16, 44];
/** More device pixels than this per CSS pixel can't be seen. */
const MOST_RATIO = 2.5;
/** A walk along a held pointer is renewed this often. */
const DRAG_MS = 110;
/** A frame that took longer counts as this long: a tab that slept does not leap. */
const LONGEST_FRAME = 0.1;
/** The start screen is seen by the light of a morning, in milliseconds of the day. */
const TITLE_CLOCK = 250_000;

const canvas = document.getElementById("meadow");
const ctx = canvas.getContext("2d", { alpha: false });
const view = new View();
const painter = new Painter();
const map = new MiniMap(document.getElementById("map"));

let game = null;
let things = [];
let zoom = USUAL_ZOOM;
let hover = null; // a point of the page
let drawnAt = performance.now();
let draggedAt = 0;
let fixedClock = null;
const camera = { x: 0, y: 0, set: false };

const toDevice = (point) => view.at(point.x * view.ratio, point.y * view.ratio);

const hud = new Hud({
  join,
  say: (text) => attempt(game.say(text)),
  sayToAll: (text) => game.sayToAll(text) || hud.toast("That can't be sent just now."),
  give: (to, gold) => attempt(game.give(to, gold)),
  drop: (gold) => attempt(game.drop(gold)),
  map: () => map.toggle(),
});

const input = new Input(canvas, {
  click,
  dragEnd: () => game?.walkTo(game.self.x, game.self.y),
  zoom: (step) => {
    zoom = Math.min(ZOOMS.length - 1, Math.max(0, zoom + step));
    resize();
  },
  key,
  hover: (point) => {
    hover = point;
  },
  away: () => game?.stop(),
});

/** Tells people of what the server would not do. */
function attempt(outcome) {
  outcome.catch((error) => hud.toast(words(error)));
}

async function join(name, token) {
  const url = new URL("v1/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const joining = new Game({ url: url.href, name, token, codec: "msgpack" });
  listen(joining);
  try {
    await joining.join();
  } catch {
    return; // the state's listener has told why
  }
  game = joining;
  camera.set = false;
  hud.showGame();
  input.enabled = true;
}

function listen(joining) {
  joining.on("state", (state, error) => {
    hud.banner(state);
    if (state === "closed") {
      game = null;
      input.enabled = false;
      hud.forgetPurse();
      hud.showStart(error);
    }
  });
  joining.on("name", () => hud.name(joining.name));
  joining.on("purse", () => hud.purse(joining.gold, joining.mushrooms));
  joining.on("said", ({ from, name, text }) => {
    painter.labels.say(from, text, performance.now() / 1000);
    hud.chat(name, text, from === joining.you ? "mine" : "");
  });
  joining.on("told", ({ from, name, text }) => {
    // A bubble for those who are seen; far voices are in the list only.
    if (joining.client.store.entities.has(from)) painter.labels.say(from, text, performance.now() / 1000);
    hud.chat(name, text, from === joining.you ? "all mine" : "all");
  });
  joining.on("given", ({ name, gold }) => {
    hud.chat("", `${name} gave you ${gold} gold.`, "news");
    if (joining.self) painter.particles.burst(joining.self.x, joining.self.y - 1, ["#ffdd62", "#fff6cf"], `+${gold}`);
  });
  joining.on("picked", ({ x, y, gold, mushrooms }) => {
    if (x === undefined) return;
    if (gold !== undefined) painter.particles.burst(x, y, ["#ffdd62", "#fff6cf", "#f5b921"], `+${gold}`);
    if (mushrooms !== undefined) painter.particles.burst(x, y, ["#e0574a", "#fff8ea"], "+1");
  });
  joining.on("refused", (error) => hud.toast(words(error)));
}

function click(point) {
  if (!game?.self) return;
  const at = toDevice(point);
  const thing = pick(things, at, game.you);
  if (thing?.view.k === "player") {
    hud.askGive(thing.id, thing.view.name);
    return;
  }
  const to = thing ?? at;
  if (thing && game.reaches(thing.id)) attempt(game.pick(thing.id));
  else game.walkTo(to.x, to.y);
  game.mark = { x: to.x, y: to.y, time: performance.now() / 1000 };
}

/** A key that is none of walking; true if it means something here. */
function key(code) {
  if (code === "Enter" || code === "KeyT") hud.talk();
  else if (code === "KeyH" || code === "Slash") hud.help();
  else if (code === "KeyM") map.toggle();
  else if (code === "KeyG") hud.askDrop();
  else if (code === "Equal" || code === "NumpadAdd") input.wishes.zoom(1);
  else if (code === "Minus" || code === "NumpadSubtract") input.wishes.zoom(-1);
  else if (code === "Space" || code === "Escape") game?.stop();
  else return false;
  return true;
}

function resize() {
  view.ratio = Math.min(MOST_RATIO, devicePixelRatio || 1);
  view.width = Math.round(innerWidth * view.ratio);
  view.height = Math.round(innerHeight * view.ratio);
  canvas.width = view.width;
  canvas.height = view.height;
  const usual = Math.min(SCALES[1], Math.max(SCALES[0], Math.min(innerWidth, innerHeight) / METRES_SHOWN));
  view.scale = Math.max(4, Math.round(usual * ZOOMS[zoom] * view.ratio));
}

/** One frame of a running game: returns what the painter must know. */
function play(now, passed) {
  const dragged = input.dragging();
  if (dragged && now - draggedAt > DRAG_MS && game.self) {
    draggedAt = now;
    const to = toDevice(dragged);
    game.walkTo(to.x, to.y);
  } else if (!dragged) {
    game.steer(input.direction(), now);
  }
  game.step(now, passed);
  things = game.things();
  if (game.self) {
    const part = camera.set ? 1 - Math.exp(-passed * 9) : 1;
    camera.x += (game.self.x - camera.x) * part;
    camera.y += (game.self.y - camera.y) * part;
    camera.set = true;
    view.lookAt(camera.x, camera.y);
  }
  const under = hover && !dragged ? pick(things, toDevice(hover), game.you) : null;
  canvas.classList.toggle("pointing", Boolean(under));
  hud.facts(game.client.latency, things.reduce((count, thing) => count + (thing.view.k === "player" ? 1 : 0), 0));
  hud.pace(game.client.dilation);
  hud.step();
  return { me: game.you, hover: under?.id, mark: game.mark, clock: fixedClock ?? game.clock() };
}

function frame(now) {
  const passed = Math.min(LONGEST_FRAME, Math.max(0, (now - drawnAt) / 1000));
  drawnAt = now;
  const time = now / 1000;
  let scene = { me: null, hover: null, mark: null, clock: TITLE_CLOCK };
  if (game) {
    scene = play(now, passed);
  } else {
    things = titleThings(time);
    const place = titlePlace(time);
    view.lookAt(place.x, place.y);
  }
  painter.draw(ctx, view, things, { ...scene, time, passed });
  if (game?.self) map.draw(game.self, things, game.you, view.ratio);
  requestAnimationFrame(frame);
}

/** For developers and the browser test: the game's state, and the same wishes as keys and clicks. */
window.brightstar = {
  get game() {
    return game;
  },
  /** Plain facts; `self` where we draw ourselves, `seen` where the server does, `talking` whose bubbles are up. */
  get state() {
    if (!game) return { state: "start" };
    const { client, self, gold, mushrooms } = game;
    const entities = [...client.store.entities.values()].map(({ id, x, y, view: seen }) => ({ id, x, y, view: seen }));
    const own = client.store.find(client.you);
    const seen = own ? { x: own.x, y: own.y } : null;
    const { frames } = client.received;
    const talking = [...painter.labels.bubbles.keys()];
    const walking = game.target !== null;
    const { state, you, latency } = client;
    return { state, you, self, walking, seen, gold, mushrooms, entities, latency, frames, talking };
  },
  /** Where a place of the meadow is on the page, in CSS pixels. */
  screen(x, y) {
    return { x: view.left(x) / view.ratio, y: view.top(y) / view.ratio };
  },
  /** Sets the light: a moment in milliseconds, or null for the server's. */
  set clock(ms) {
    fixedClock = ms;
  },
};

addEventListener("resize", resize);
resize();
requestAnimationFrame(frame);
