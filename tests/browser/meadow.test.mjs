// Lives here: two people in two tabs play on the real server, which is then killed and started again.
// Not here: the page by itself (page.test.mjs), the rules (worlds/meadow/tests).
//
// MEADOW_BIN names another binary; MEADOW_PICTURE is where the README's picture is written.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";

import { Client } from "../../clients/js/brightstar.js";
import { PATIENCE_MS, login, openTab, picture, startBrowser, stateOf, until } from "./browser.mjs";
import { Server } from "./server.mjs";

const NAMES = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Finn"];
/** New players appear within 22 m of one of five wells: of six names two are neighbours. */
const NEIGHBOURS_METRES = 50;
/** An afternoon, for the picture. */
const PICTURE_CLOCK = 900_000 * 0.4;

let data;
let server;
let browser;
let ann;
let bob;

before(async () => {
  data = await mkdtemp(join(tmpdir(), "meadow-browser-"));
  server = await Server.start(data);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  const code = await server?.stop();
  await rm(data, { recursive: true, force: true });
  assert.equal(code, 0, `a graceful stop\n${server?.log}`);
});

/** Two names whose players first appear near each other. */
async function neighbours() {
  const places = [];
  for (const name of NAMES) {
    const client = await new Client({ url: server.socket, name, codec: "msgpack", WebSocket }).connect();
    const { at } = await client.command("me");
    client.close();
    const near = places.find((place) => Math.hypot(place.at[0] - at[0], place.at[1] - at[1]) < NEIGHBOURS_METRES);
    if (near) return [near.name, name];
    places.push({ name, at });
  }
  throw new Error(`nobody is near anybody: ${JSON.stringify(places)}`);
}

const walk = (tab, x, y) => tab.evaluate(([px, py]) => window.brightstar.game.walkTo(px, py), [x, y]);
const command = (tab, payload) => tab.evaluate((it) => window.brightstar.game.client.command(it), payload);
/** Attempts at a census: just after a start it reads the whole meadow from disk, and may time out. */
const CENSUS_ATTEMPTS = 10;

async function census(tab) {
  for (let left = CENSUS_ATTEMPTS; ; left -= 1) {
    const answer = await tab.evaluate(() => window.brightstar.game.client.command("census").catch(({ code }) => ({ code })));
    if (answer.code === undefined) return answer;
    assert.ok(answer.code === "timeout" && left > 1, `census: ${answer.code}`);
  }
}

const purses = async () => (await stateOf(ann)).gold + (await stateOf(bob)).gold;

const autoPick = (tab, on) => tab.evaluate((it) => {
  window.brightstar.game.autoPick = it;
}, on);

test("two tabs see each other walk", async () => {
  const [first, second] = await neighbours();
  ann = await openTab(browser, server.url);
  bob = await openTab(browser, server.url);
  await login(ann, first);
  await autoPick(ann, false);
  await login(bob, second);
  await autoPick(bob, false);
  const { you: annId } = await stateOf(ann);
  const { you: bobId, seen: from } = await stateOf(bob);
  const sees = ({ entities }, id) => entities.some((entity) => entity.id === id && entity.view.k === "player");
  await until(ann, sees, bobId);
  await until(bob, sees, annId);
  await bob.keyboard.down("ArrowUp");
  const walked = ({ entities }, [id, y]) => entities.some((entity) => entity.id === id && entity.y < y - 2);
  await until(ann, walked, [bobId, from.y]);
  await bob.keyboard.up("ArrowUp");
  await until(bob, ({ walking }) => !walking);
  await agree(bobId);
});

/** Waits until both tabs were told the same place of a player. */
async function agree(id) {
  const deadline = performance.now() + PATIENCE_MS;
  let places;
  do {
    const states = await Promise.all([ann, bob].map(stateOf));
    places = states.map(({ entities }) => entities.find((entity) => entity.id === id));
    if (places.every(Boolean) && Math.hypot(places[0].x - places[1].x, places[0].y - places[1].y) < 0.02) return;
  } while (performance.now() < deadline);
  assert.fail(`the tabs do not agree on ${id}: ${JSON.stringify(places)}`);
}

/** The coin nearest to both, of those that both see. */
async function commonCoin() {
  const [a, b] = [await stateOf(ann), await stateOf(bob)];
  const middle = { x: (a.seen.x + b.seen.x) / 2, y: (a.seen.y + b.seen.y) / 2 };
  const known = new Set(b.entities.map((entity) => entity.id));
  const coins = a.entities.filter((entity) => entity.view.k === "coin" && known.has(entity.id));
  const far = (coin) => Math.hypot(coin.x - middle.x, coin.y - middle.y);
  assert.ok(coins.length > 0, "a coin that both see");
  return coins.reduce((best, coin) => (far(coin) < far(best) ? coin : best));
}

test("both reach for the same coin: exactly one gets it", async () => {
  const before = { gold: (await census(ann)).gold, purses: await purses() };
  const coin = await commonCoin();
  await Promise.all([walk(ann, coin.x - 1, coin.y), walk(bob, coin.x + 1, coin.y)]);
  const there = ({ seen }, [x, y]) => Math.hypot(seen.x - x, seen.y - y) < 2;
  await Promise.all([ann, bob].map((tab) => until(tab, there, [coin.x, coin.y])));
  const reach = (tab) => tab.evaluate((id) => window.brightstar.game.pick(id).then(
    ({ gold }) => ({ gold }),
    ({ code, message }) => ({ code, message }),
  ), coin.id);
  const outcomes = await Promise.all([reach(ann), reach(bob)]);
  const got = outcomes.filter((outcome) => outcome.gold === coin.view.gold);
  const missed = outcomes.filter((outcome) => outcome.code === "refused" && outcome.message === "gone");
  assert.deepEqual([got.length, missed.length], [1, 1], JSON.stringify(outcomes));
  const gone = ({ entities }, id) => !entities.some((entity) => entity.id === id);
  await Promise.all([ann, bob].map((tab) => until(tab, gone, coin.id)));
  assert.equal(await purses(), before.purses + coin.view.gold);
  assert.equal((await census(ann)).gold, before.gold);
});

test("gold is given by a click, and the other is told", async () => {
  const rich = (await stateOf(ann)).gold > 0;
  const [giver, taker] = rich ? [ann, bob] : [bob, ann];
  const had = (await stateOf(giver)).gold;
  const { you: other, gold: taken } = await stateOf(taker);
  const { entities } = await stateOf(giver);
  const { x, y } = entities.find((entity) => entity.id === other);
  const point = await giver.evaluate(([px, py]) => window.brightstar.screen(px, py - 1.3), [x, y]);
  await giver.mouse.click(point.x, point.y);
  await giver.waitForSelector("#give[open]");
  await giver.fill("#give-gold", "1");
  await giver.click("#give-submit");
  await until(giver, ({ gold }, left) => gold === left, had - 1);
  await until(taker, ({ gold }, now) => gold === now, taken + 1);
  await taker.waitForSelector("#chat p.news");
  await giver.mouse.move(5, 400);
});

async function say(tab, text) {
  await tab.keyboard.press("Enter");
  await tab.fill("#say", text);
  await tab.keyboard.press("Enter");
}

test("what one says is seen over him in the other's tab", async () => {
  const { you: annId } = await stateOf(ann);
  const { you: bobId } = await stateOf(bob);
  await ann.evaluate((clock) => {
    window.brightstar.clock = clock;
  }, PICTURE_CLOCK);
  const both = ({ talking }) => talking.includes(annId) && talking.includes(bobId);
  await Promise.all([
    say(bob, "That one was mine!"), say(ann, "There are more by the well. Come along!"),
    until(ann, both), until(bob, both),
  ]);
  if (process.env.MEADOW_PICTURE) await picture(ann, process.env.MEADOW_PICTURE);
  assert.match(await bob.textContent("#chat"), /There are more by the well/);
});

test("a line cut again and again: every command takes effect once, and every event comes once", async () => {
  const sockets = [];
  class Watched extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const welcomes = [];
  const heard = [];
  const gwen = new Client({ url: server.socket, name: "Gwen", codec: "msgpack", WebSocket: Watched, backoffMs: 10 });
  gwen.on("welcome", ({ resumed }) => welcomes.push(resumed));
  gwen.on("event", ({ said }) => {
    if (said?.name !== "Gwen") return;
    heard.push(said.text);
    if (heard.length % 40 === 0) sockets.at(-1).terminate();
  });
  await gwen.connect();
  const texts = Array.from({ length: 400 }, (_, i) => `line ${i}`);
  const replies = await Promise.all(texts.map((text) => gwen.command({ say: text })));
  assert.ok(replies.every(({ heard: ears }) => ears >= 1));
  const deadline = performance.now() + PATIENCE_MS;
  while (heard.length < texts.length && performance.now() < deadline) await gwen.command("me");
  assert.deepEqual(heard, texts);
  assert.ok(welcomes.length >= 4, `${welcomes.length} welcomes`);
  assert.deepEqual(welcomes.slice(1), welcomes.slice(1).fill(true), "always the same session");
  await gwen.command("me"); // online again after the last cut: a goodbye is heard only then
  gwen.close();
  // Her logout is durable once a census has counted without her: the crash that follows must not undo it.
  let players;
  do ({ players } = await census(ann)); while (players > 2 && performance.now() < deadline);
  assert.equal(players, 2);
});

test("killed hard and started again: the pages come back, and every purse is as before", async () => {
  const tabs = [ann, bob];
  const before = await Promise.all(tabs.map(async (tab) => ({ gold: (await stateOf(tab)).gold, me: await command(tab, "me") })));
  const { gold: total } = await census(ann);
  await server.kill();
  await Promise.all(tabs.map((tab) => tab.waitForSelector("#banner:not([hidden])")));
  server = await Server.start(data, server.port);
  for (const [i, tab] of tabs.entries()) {
    await until(tab, ({ state, seen }) => state === "online" && seen);
    const me = await command(tab, "me");
    assert.deepEqual([me.id, me.name, me.gold], [before[i].me.id, before[i].me.name, before[i].me.gold]);
    await until(tab, ({ gold }, was) => gold === was, before[i].gold);
    await tab.waitForSelector("#banner", { state: "hidden" });
  }
  assert.deepEqual(await census(ann), { gold: total, players: 2 });
  for (const tab of tabs) assert.deepEqual(tab.errors, []);
});
