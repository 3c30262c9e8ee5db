// Lives here: one page and what may happen to it while it plays: the server is killed under its
// commands, the tab is put to sleep, the server wants a token.
// Not here: play between two pages (meadow.test.mjs), the page by itself (page.test.mjs).
//
// What a page shows is compared with what somebody is told who has only just logged in beside it: he
// knows nothing from before.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";

import { Client } from "../../clients/js/brightstar.js";
import { PATIENCE_MS, login, openTab, startBrowser, stateOf, until } from "./browser.mjs";
import { Server, binary } from "./server.mjs";

/** Both appear near this village's well: a name may ask for one. */
const VILLAGE = "Larkfield";
/** Who is so near to both the page and the witness is in the view of both. */
const COMPARED_METRES = 50;
/** Animals walk on between two looks, at 4 m/s at the most. */
const ANIMAL_METRES = 3;
/** Frames of a witness: how long a tab sleeps (20 per second). */
const NAP_FRAMES = 60;
/** Longest time of a test: where a promise of the page's never settles. */
const TEST_MS = 120_000;
/** The server asks a silent client for a sign of life after a second, and waits one more. */
const IMPATIENT = "[gateway]\nping_interval_seconds = 1\nping_timeout_seconds = 1\nstall_seconds = 2\n";

let folder;
let browser;
/** Everybody without a page: who is left when all is over keeps nothing waiting. */
const others = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meadow-survive-"));
  browser = await startBrowser();
});

after(async () => {
  for (const client of others) client.close();
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A server of its own for a test, with `config` as its file; stopped, well, with the test. */
async function started(t, name, config = "", flags = []) {
  const place = join(folder, name);
  await mkdir(place);
  const file = join(place, "brightstar.toml");
  await writeFile(file, config);
  const all = ["--config", file, ...flags];
  const run = { server: await Server.start(join(place, "data"), 0, all) };
  run.again = async () => {
    run.server = await Server.start(join(place, "data"), run.server.port, all);
  };
  t.after(async () => assert.equal(await run.server.stop(), 0, `a graceful stop\n${run.server.log}`));
  return run;
}

/** Somebody else, without a page, who has been told of what is around him. */
async function somebody(server, name, options = {}) {
  const client = new Client({ url: server.socket, name: `${name}@${VILLAGE}`, codec: "msgpack", WebSocket, ...options });
  others.push(client);
  await client.connect();
  while (!client.store.find(client.you)) await frames(client, 1);
  return client;
}

/** Waits for so many more frames. */
function frames(client, count) {
  return new Promise((resolve) => {
    let left = count;
    const stop = client.on("frame", () => {
      left -= 1;
      if (left > 0) return;
      stop();
      resolve();
    });
  });
}

/** A page that plays, with a mark that no reload leaves, and what it hears of its session. */
async function playing(t, server, name) {
  const tab = await openTab(browser, server.url);
  t.after(() => tab.context().close());
  await login(tab, `${name}@${VILLAGE}`);
  await tab.evaluate(() => {
    const { game } = window.brightstar;
    game.autoPick = false;
    window.seen = { session: game.client.session, welcomes: [], said: [], given: 0, longestGap: 0 };
    game.client.on("welcome", ({ resumed }) => window.seen.welcomes.push(resumed));
    game.client.on("event", (event) => {
      if (event.said) window.seen.said.push(event.said.text);
      if (event.given) window.seen.given += event.given.gold;
    });
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      window.seen.longestGap = Math.max(window.seen.longestGap, now - last);
      last = now;
    }, 50);
  });
  return tab;
}

/** What the page has seen since `playing`; nothing where it was loaded anew. */
const seenBy = (tab) => tab.evaluate(() => window.seen && { ...window.seen, now: window.brightstar.game?.client.session });

const me = (tab) => tab.evaluate(() => window.brightstar.game.client.command("me"));

/** Walks the page's player to coins until it has `gold` at least. */
async function earn(tab, gold) {
  await tab.evaluate(() => {
    window.brightstar.game.autoPick = true;
  });
  while ((await stateOf(tab)).gold < gold) {
    const { self, entities, gold: had } = await stateOf(tab);
    const far = (coin) => Math.hypot(coin.x - self.x, coin.y - self.y);
    const coins = entities.filter((entity) => entity.view?.k === "coin");
    assert.ok(coins.length > 0, "a coin in view");
    const coin = coins.reduce((best, one) => (far(one) < far(best) ? one : best));
    await tab.evaluate(([x, y]) => window.brightstar.game.walkTo(x, y), [coin.x, coin.y]);
    await until(tab, ({ gold: now }, before) => now > before, had);
  }
  await tab.evaluate(() => {
    window.brightstar.game.autoPick = false;
    window.brightstar.game.stop();
  });
  await until(tab, ({ walking }) => !walking);
}

/** Why what a page shows is not what a newcomer is told; null when it is. */
function difference(state, witness) {
  const own = witness.store.find(witness.you);
  const near = ({ x, y }) => [own, state.seen].every((at) => Math.hypot(at.x - x, at.y - y) < COMPARED_METRES);
  const told = new Map([...witness.store.entities.values()].map((entity) => [entity.id, entity]));
  const shown = new Map(state.entities.map((entity) => [entity.id, entity]));
  for (const [from, to, whose] of [[told, shown, "the page lacks"], [shown, told, "the page makes up"]]) {
    for (const entity of [...from.values()].filter(near)) {
      const other = to.get(entity.id);
      if (!other) return `${whose} ${JSON.stringify(entity.view)} at ${entity.x}, ${entity.y}`;
      const animal = entity.view.k === "sheep" || entity.view.k === "wolf";
      const far = Math.hypot(entity.x - other.x, entity.y - other.y);
      if (far > (animal ? ANIMAL_METRES : 0.02)) return `${JSON.stringify(entity.view)} is ${far} m off`;
      if (JSON.stringify(entity.view) !== JSON.stringify(other.view)) return `${entity.id}: ${JSON.stringify([entity.view, other.view])}`;
    }
  }
  return [...told.values()].filter(near).length < 20 ? "hardly anything is near" : null;
}

let newcomers = 0;

/** Waits until the page shows what a newcomer beside it is told. */
async function showsTheWorld(tab, server) {
  newcomers += 1;
  const witness = await somebody(server, `New${newcomers}`);
  let why;
  const deadline = performance.now() + PATIENCE_MS;
  do {
    await frames(witness, 2);
    const state = await stateOf(tab);
    why = state.seen ? difference(state, witness) : "the page does not know where it is";
  } while (why && performance.now() < deadline);
  await witness.command("me");
  witness.close();
  assert.equal(why, null);
}

/**
 * Stops a page where it is, as browsers do with tabs behind others, while its socket goes on. By the
 * debugger: a headless browser shows every page at all times, so it never freezes one by itself.
 */
async function frozen(tab) {
  const devtools = await tab.context().newCDPSession(tab);
  const paused = new Promise((resolve) => {
    devtools.once("Debugger.paused", resolve);
  });
  await devtools.send("Debugger.enable");
  await devtools.send("Debugger.pause");
  await paused;
  return { wake: () => devtools.send("Debugger.disable") };
}

/** Stops pages and network alike, as when a lid is closed. */
async function asleep(t) {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  const pids = processInfo.filter(({ type }) => type === "renderer" || type.startsWith("network")).map(({ id }) => id);
  assert.ok(pids.length >= 2, JSON.stringify(processInfo));
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  const wake = () => pids.forEach((pid) => process.kill(pid, "SIGCONT"));
  t.after(wake); // also when the test fails meanwhile
  return { wake };
}

/** Sockets that the server has ended, by cause. */
async function ended(server, cause) {
  const text = await (await fetch(`${server.url}metrics`)).text();
  return Number(text.match(new RegExp(`brightstar_disconnects_total\\{cause="${cause}"\\} (\\d+)`))[1]);
}

async function eventually(what, check) {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await check())) assert.ok(performance.now() < deadline, `not in time: ${what}`);
}

test("a server that is killed under a page's commands: each is answered once and takes effect once", { timeout: TEST_MS }, async (t) => {
  const run = await started(t, "killed");
  const tab = await playing(t, run.server, "Ann");
  const bob = await somebody(run.server, "Bob", { backoffMs: 50 });
  await earn(tab, 3);
  const before = await me(tab);
  const { gold: all } = await bob.command("census");
  // Wave upon wave of words, and in the midst of them all the gold, coin by coin.
  await tab.evaluate((gold) => {
    const { game } = window.brightstar;
    const sent = { texts: [], answers: 0, drops: [], underway: 0, more: true };
    window.sent = sent;
    const answered = async (answer) => {
      sent.underway += 1;
      const outcome = await answer.then((reply) => ({ reply }), ({ code }) => ({ code }));
      sent.underway -= 1;
      sent.answers += 1;
      return outcome;
    };
    sent.done = (async () => {
      const outcomes = [];
      let left = gold;
      while (sent.more || left > 0) {
        const wave = Array.from({ length: 40 }, () => {
          sent.texts.push(`word ${sent.texts.length}`);
          return answered(game.say(sent.texts.at(-1)));
        });
        if (left > 0 && sent.answers >= 40) {
          left -= 1;
          sent.drops.push(answered(game.drop(1)));
        }
        outcomes.push(...(await Promise.all(wave)));
        await new Promise((resolve) => {
          requestAnimationFrame(resolve);
        });
      }
      return { outcomes, drops: await Promise.all(sent.drops) };
    })();
  }, before.gold);
  await tab.waitForFunction(() => window.sent.answers >= 100);
  // It hears no more, so what comes now is certain to be unanswered when it dies.
  run.server.child.kill("SIGSTOP");
  await tab.waitForFunction(() => window.sent.underway > 0);
  const underway = await tab.evaluate(() => window.sent.underway);
  await run.server.kill();
  await until(tab, ({ state }) => state === "reconnecting");
  await run.again();
  await until(tab, ({ state, seen }) => state === "online" && seen);
  const { outcomes, drops } = await tab.evaluate(() => {
    window.sent.more = false;
    return window.sent.done;
  });
  const texts = await tab.evaluate(() => window.sent.texts);
  t.diagnostic(`${underway} commands were unanswered when it died; ${texts.length} in all`);
  assert.deepEqual(outcomes.filter(({ reply }) => !(reply >= 1)), [], "each is answered, and well");
  assert.equal(outcomes.length, texts.length);
  const ids = drops.map(({ reply }) => reply);
  assert.equal(new Set(ids).size, before.gold, `each drop is a coin of its own: ${ids}`);
  await until(tab, ({ entities }, coins) => coins.every((id) => entities.some((entity) => entity.id === id)), ids);
  const after = await me(tab);
  assert.deepEqual([after.id, after.name, after.gold], [before.id, before.name, 0]);
  await until(tab, ({ gold }) => gold === 0);
  await eventually("the page hears its last word", async () => (await seenBy(tab)).said.length >= texts.length);
  const seen = await seenBy(tab);
  assert.deepEqual(seen.said, texts, "each word is heard once, in order");
  assert.deepEqual([seen.now, seen.welcomes], [seen.session, [true]], "the same session, resumed once, in the same page");
  assert.equal((await bob.command("census")).gold, all);
  bob.close();
  await showsTheWorld(tab, run.server);
  assert.deepEqual(tab.errors, []);
});

test("a tab that is frozen for a while shows the world as it is when it thaws", { timeout: TEST_MS }, async (t) => {
  const run = await started(t, "nap");
  const tab = await playing(t, run.server, "Ann");
  const bob = await somebody(run.server, "Bob");
  const { you } = await stateOf(tab);
  const { gold } = await me(tab);
  const freeze = await frozen(tab);
  await meanwhile(bob, you);
  await freeze.wake();
  await wokenUp(tab, bob, gold);
  assert.ok((await seenBy(tab)).longestGap > NAP_FRAMES * 25, "it was frozen");
  await showsTheWorld(tab, run.server);
  assert.deepEqual(tab.errors, []);
});

/** What happens while a tab sleeps: Bob walks, finds gold, gives it all but one coin, which he drops. */
async function meanwhile(bob, you) {
  const at = () => bob.store.find(bob.you);
  const far = (thing) => Math.hypot(thing.x - at().x, thing.y - at().y);
  const taken = new Set(); // frames may show them for a moment longer
  let gold = 0;
  while (gold < 3) {
    const coins = [...bob.store.entities.values()].filter(({ id, view }) => view?.k === "coin" && !taken.has(id));
    const coin = coins.reduce((best, one) => (far(one) < far(best) ? one : best));
    bob.input({ go: [coin.x, coin.y] });
    while (far(coin) > 1) await frames(bob, 1);
    gold += (await bob.command({ pick: coin.id })).gold;
    taken.add(coin.id);
  }
  bob.given = gold - 1;
  await bob.command({ give: { to: you, gold: bob.given } });
  await bob.command({ drop: { gold: 1 } });
  bob.input({ go: [at().x, at().y + 12] });
  await frames(bob, NAP_FRAMES);
}

/**
 * The page is back, in its session, and has heard once of what it was given beside the `had` that it
 * had: where it begins there may be a coin within its reach.
 */
async function wokenUp(tab, bob, had) {
  const now = had + bob.given;
  await until(tab, ({ state, gold }, due) => state === "online" && gold === due, now);
  const seen = await seenBy(tab);
  assert.equal(seen.now, seen.session);
  assert.deepEqual(seen.welcomes.filter((resumed) => !resumed), []);
  assert.equal(seen.given, bob.given, "the gift is told once");
  assert.equal((await me(tab)).gold, now);
}

test("a machine that sleeps until the server gives the socket up: the page resumes its session", { timeout: TEST_MS }, async (t) => {
  const run = await started(t, "sleep", IMPATIENT);
  const tab = await playing(t, run.server, "Ann");
  const bob = await somebody(run.server, "Bob");
  const { you } = await stateOf(tab);
  const { gold } = await me(tab);
  const before = await ended(run.server, "too_slow") + await ended(run.server, "closed");
  const sleep = await asleep(t);
  await meanwhile(bob, you);
  await eventually("the server gives the socket up", async () => {
    await frames(bob, 1);
    return await ended(run.server, "too_slow") + await ended(run.server, "closed") > before;
  });
  sleep.wake();
  await wokenUp(tab, bob, gold);
  assert.deepEqual((await seenBy(tab)).welcomes, [true], "resumed, once");
  await showsTheWorld(tab, run.server);
  assert.deepEqual(tab.errors, []);
});

test("a machine that sleeps longer than the session lasts: the page logs in again, and its purse is right", { timeout: TEST_MS }, async (t) => {
  const run = await started(t, "oversleep", `${IMPATIENT}[sessions]\nlinger_seconds = 1\n`);
  const tab = await playing(t, run.server, "Ann");
  await earn(tab, 1);
  const { id, gold } = await me(tab);
  const bob = await somebody(run.server, "Bob");
  const sleep = await asleep(t);
  await eventually("the session ends", async () => {
    await frames(bob, 1);
    return (await bob.command("census")).players === 1;
  });
  sleep.wake();
  await until(tab, ({ state, seen }) => state === "online" && seen);
  const seen = await seenBy(tab);
  assert.deepEqual(seen.welcomes, [false], "a new session, in the same page");
  assert.notEqual(seen.now, seen.session);
  const now = await me(tab);
  assert.deepEqual([now.id, now.gold], [id, gold]);
  await until(tab, (state, purse) => state.gold === purse, gold);
  await showsTheWorld(tab, run.server);
  assert.deepEqual(tab.errors, []);
});

test("a server that wants a token: from the link or the field, and over a restart", { timeout: TEST_MS }, async (t) => {
  const keys = join(folder, "keys");
  await mkdir(keys);
  const key = join(keys, "game.hs256");
  await writeFile(key, randomBytes(32).toString("base64"), { mode: 0o600 });
  const run = await started(t, "token", `[login]\nkeys = ${JSON.stringify(keys)}\n`, ["--login", "jwt"]);
  const token = (name) => execFileSync(binary(), ["token", "--key", key, "--name", name], { encoding: "utf8" }).trim();
  const tab = await openTab(browser, `${run.server.url}#token=${token("Zoe")}`);
  t.after(() => tab.context().close());
  assert.equal(new URL(tab.url()).hash, "", "the token is not left in the address");
  await tab.click("#join");
  const there = ({ state, seen, gold }) => state === "online" && seen && gold !== null;
  await until(tab, there);
  assert.equal(await tab.textContent("#my-name"), "Zoe");
  await tab.evaluate(() => {
    window.session = window.brightstar.game.client.session;
  });
  await run.server.kill();
  await until(tab, ({ state }) => state === "reconnecting");
  await run.again();
  await until(tab, there);
  assert.ok(await tab.evaluate(() => window.session === window.brightstar.game.client.session));
  const other = await openTab(browser, run.server.url);
  t.after(() => other.context().close());
  await other.fill("#name", "Zoe");
  await other.click("#join");
  await other.waitForFunction(() => document.getElementById("start-error").textContent.includes("asks for a token"));
  await other.fill("#token", `${token("Yan")}x`);
  await other.click("#join");
  await other.waitForFunction(() => document.getElementById("start-error").textContent.includes("not signed"));
  await other.fill("#token", token("Yan"));
  await other.click("#join");
  await until(other, there);
  assert.equal(await other.textContent("#my-name"), "Yan");
  for (const each of [tab, other]) assert.deepEqual(each.errors, []);
});
