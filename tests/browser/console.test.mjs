// Lives here: the operators' page on the real server, with people walking in its meadow.
// Not here: the page before a made-up world and its parts alone (src/console/tests).
//
// MEADOW_BIN names another binary; CONSOLE_PICTURE is where a picture of the page is written, with
// more people and after a while.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";

import { Client } from "../../clients/js/brightstar.js";
import { PATIENCE_MS, openTab, picture, startBrowser, watch } from "./browser.mjs";
import { Server } from "./server.mjs";

const TOKEN = "meadow-operators-token";
const PICTURE = process.env.CONSOLE_PICTURE;
const [WALKERS, REGIONS] = [PICTURE ? 150 : 8, 12];
/** In the test regions stay as they are, so that figures can be compared. */
const MODE = PICTURE ? "on" : "off";
/** For the picture it begins early: a few people are to be enough. */
const SUPERVISOR = PICTURE ? 'hot_load = 0.2\ncool_load = 0.15\nsplit_load = 0.06\nmerge_load = 0.012' : 'mode = "off"';
/** Where every other one goes, in the picture. */
const CROWD = [1024, 1024];
/** Frames from one goal to the next. */
const WALK_FRAMES = 60;
/** What the picture waits for, at most: that the server has been up for two minutes, as long as charts go back. */
const PICTURE_MS = 180_000;
const METRES = 2048;
/** Regions tell once per second where everybody is, who walks at 6 m/s; and a state is kept for a moment. */
const DOT_METRES = 15;

let data;
let server;
let browser;
let tab;
let walkers = [];

before(async () => {
  data = await mkdtemp(join(tmpdir(), "console-browser-"));
  const [token, config] = [join(data, "token"), join(data, "meadow.toml")];
  await writeFile(token, `${TOKEN}\n`, { mode: 0o600 });
  await writeFile(config, `[admin]\ntoken_file = ${JSON.stringify(token)}\n[engine]\nregions = ${REGIONS}\n[supervisor]\n${SUPERVISOR}\n`);
  server = await Server.start(join(data, "world"), 0, ["--workers", "2", "--config", config]);
  walkers = await Promise.all(Array.from({ length: WALKERS }, (_, i) => walker(`walker ${i}`, i % 2 === 0)));
  browser = await startBrowser();
  tab = await openTab(browser, new URL("console", server.url).href, { viewport: { width: 1440, height: 900 } });
  await words("link", (shown) => shown === "live");
});

after(async () => {
  await browser?.close();
  for (const one of walkers) one.close();
  const code = await server?.stop();
  await rm(data, { recursive: true, force: true });
  assert.equal(code, 0, `a graceful stop\n${server?.log}`);
});

/** Somebody who walks about. */
async function walker(name, crowds) {
  const client = await new Client({ url: server.socket, name, codec: "msgpack", WebSocket }).connect();
  const { at: [x, y] } = await client.command("me");
  const near = (v) => Math.min(METRES - 1, Math.max(1, v + (Math.random() - 0.5) * 160));
  const middle = PICTURE && crowds ? CROWD : [x, y];
  const go = () => client.input({ go: middle.map(near) });
  let frames = 0;
  client.on("frame", () => {
    frames += 1;
    if (frames % WALK_FRAMES === 0) go();
  });
  go();
  return client;
}

/** What the server says of itself. */
const state = async () => (await fetch(new URL("console/state", server.url))).json();
/** Pairs of a list of coordinates. */
const places = (list) => Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]);

/** Asks the server again and again until `check(answer)` holds; returns the answer. */
async function eventually(ask, check) {
  const deadline = performance.now() + PATIENCE_MS;
  let answer;
  do answer = await ask(); while (!check(answer) && performance.now() < deadline);
  assert.ok(check(answer), `not within ${PATIENCE_MS} ms: ${check}`);
  return answer;
}

const text = (id) => tab.evaluate((it) => document.getElementById(it).textContent, id);
/** Waits for an element's words; the check runs here. */
const words = (id, check, more) => watch(tab, `document.getElementById("${id}").textContent`, check, more);

/** The map's opaque pixels as a share of all, and how many colours cover a hundredth of it each, and its pixels in the colour of people. */
function mapSeen() {
  const canvas = document.getElementById("map");
  const { data: bytes } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(bytes.buffer);
  const colours = new Map();
  for (const pixel of pixels) colours.set(pixel, (colours.get(pixel) ?? 0) + 1);
  const opaque = pixels.reduce((sum, pixel) => sum + (pixel >>> 24 === 255 ? 1 : 0), 0);
  const large = [...colours].filter(([pixel, count]) => pixel >>> 24 === 255 && count > pixels.length / 100);
  return { opaque: opaque / pixels.length, large: large.length, white: colours.get(0xffffffff) ?? 0 };
}

test("regions are drawn, in a colour per thread", async () => {
  const { opaque, large } = await watch(tab, mapSeen, (seen) => seen.opaque > 0);
  assert.ok(opaque > 0.4, `${opaque} of the map's canvas is painted`);
  assert.ok(large >= 2, `${large} colours cover a hundredth of it each`);
});

test("the figures are the server's", async () => {
  await words("sessions", (shown) => shown === String(WALKERS));
  const { status, map } = await state();
  const [host] = status.hosts;
  assert.equal(map.side * map.cell, METRES);
  assert.equal(await text("world"), "meadow");
  assert.deepEqual([await text("mode"), host.supervisor.mode], [MODE, MODE]);
  const count = Number(await text("regions"));
  assert.ok(PICTURE ? count > 0 : count === REGIONS, `${count} regions`);
  const entities = Number((await text("entities")).replaceAll(",", ""));
  assert.ok(entities > WALKERS, `${entities} entities`);
  await words("region-id", (shown) => /^Region \d+$/.test(shown));
  assert.match(await text("uptime"), /\d/);
});

/** Where a place of the world lies in the window: the map is a square in the middle above the strip. */
function windowPoint([x, y, metres]) {
  const canvas = document.getElementById("map");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const below = 2.25 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const size = Math.floor(Math.min(width, height - below));
  return { x: left + Math.floor((width - size) / 2) + (x / metres) * size, y: top + Math.floor((height - below - size) / 2) + (y / metres) * size };
}

test("the region under the pointer is the one that has the cell there", async () => {
  const places = walkers.slice(0, 8).map((one) => one.store.find(one.you)).filter((entity) => entity && entity.cell !== null);
  assert.ok(places.length > 0, "somebody is seen by himself");
  for (const { x, y, cell } of places) {
    const side = METRES / 32;
    // The middle of the cell: its rim may be another's.
    const middle = [x, y].map((v) => (Math.min(side - 1, Math.floor(v / 32)) + 0.5) * 32);
    const point = await tab.evaluate(windowPoint, [...middle, METRES]);
    await tab.mouse.move(point.x, point.y);
    const { status } = await state();
    const { id } = status.hosts[0].regions.find(({ from, to }) => from <= cell && cell < to);
    await words("region-id", (shown) => shown === `Region ${id}`);
    assert.equal(await text("region-why"), "pointed at");
  }
  await tab.mouse.move(2, 2);
});

test("people and animals are dots on the map, where they are", async () => {
  const told = await eventually(state, ({ people, others }) => people.length === 2 * WALKERS && others.length > 0);
  assert.ok([...told.people, ...told.others].every((v) => v >= 0 && v <= METRES), "dots lie on the map");
  for (const one of walkers) {
    const { x, y } = one.store.find(one.you);
    const away = Math.min(...places(told.people).map(([px, py]) => Math.hypot(px - x, py - y)));
    assert.ok(away < DOT_METRES, `${x}, ${y} is ${away} m from the next dot`);
  }
  // Where a dot is, the map is white, if it has not gone on meanwhile; and white is little but people and names.
  await watch(tab, mapSeen, ({ white }) => white >= WALKERS / 2);
});

if (PICTURE) {
  test("the page's picture is taken", async () => {
    await words("uptime", (shown) => /^2\s*min/u.test(shown), { patience: PICTURE_MS });
    await picture(tab, PICTURE);
  });
}

test("up to here nothing was wrong on the page", () => assert.deepEqual(tab.errors, []));

test("orders need the token, and the server's answer is shown", async () => {
  await tab.focus("#map");
  await tab.keyboard.press("Home");
  await tab.click("#drawer summary");
  await tab.fill("#token", "not-the-operators-token");
  await tab.keyboard.press("Enter");
  await tab.click("#pin");
  await words("answer", (shown) => shown.includes("needs the operator’s token") || shown.includes("needs the operator's token"));
  await tab.waitForSelector("#token-form:not([hidden])");
  await tab.fill("#token", TOKEN);
  await tab.keyboard.press("Enter");
  await tab.click("#pin");
  const [first] = (await state()).status.hosts[0].regions;
  await words("answer", (shown) => shown === `Region ${first.id} is pinned.`);
  await watch(tab, () => document.getElementById("region-pinned").hidden, (hidden) => !hidden);
  await tab.click("#move");
  await words("answer", (shown) => shown.startsWith(`Move ${first.id}: thread ${first.worker} → ${1 - first.worker}`));
  await watch(tab, () => [...document.querySelectorAll("#changes .title")].map((one) => one.textContent), ([newest]) => newest?.startsWith(`Move ${first.id}:`));
  assert.equal(await tab.inputValue("#token"), "");
  // The browser itself tells of answers in the 400s, and nobody tells of anything else.
  assert.deepEqual(tab.errors.filter((error) => !/status of 4\d\d/.test(error)), []);
});
