// Lives here: tests of the page before a stand-in server: hands, screens, a line that breaks.
// Not here: the rules, and play between two pages (meadow.test.mjs).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { login, openTab, startBrowser, stateOf, until } from "./browser.mjs";
import { Mock } from "./mock.mjs";

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser.close());

/** A mock and a tab before it, both ended with the test; the page must not have complained. */
async function page(t, { count = 40, ...options } = {}) {
  const mock = await Mock.start({ count });
  const tab = await openTab(browser, mock.url, options);
  t.after(async () => {
    await tab.context().close();
    await mock.stop();
    assert.deepEqual(tab.errors, []);
  });
  return { mock, tab };
}

/** Clicks (or taps) a place of the meadow. */
async function clickAt(tab, x, y, tap = false) {
  const point = await tab.evaluate(([px, py]) => window.brightstar.screen(px, py), [x, y]);
  await (tap ? tab.touchscreen.tap(point.x, point.y) : tab.mouse.click(point.x, point.y));
}

test("the start screen asks for a name and remembers it", async (t) => {
  const { mock, tab } = await page(t);
  await tab.click("#join");
  assert.equal((await stateOf(tab)).state, "start", "no name, no game");
  await login(tab, "  Zoë ");
  assert.equal(await tab.textContent("#my-name"), "Zoë");
  await tab.goto(mock.url);
  assert.equal(await tab.inputValue("#name"), "Zoë");
});

test("keys walk, and the page ends where the server does", async (t) => {
  const { tab } = await page(t);
  await login(tab, "Ann");
  const from = (await stateOf(tab)).seen;
  await tab.keyboard.down("d");
  await until(tab, ({ seen }, x) => seen.x > x + 3, from.x);
  await tab.keyboard.up("d");
  const near = ({ seen, self }) => Math.hypot(seen.x - self.x, seen.y - self.y) < 0.15;
  const { seen } = await until(tab, near);
  assert.ok(Math.abs(seen.y - from.y) < 0.5, "straight to the east");
});

test("typing walks nobody, and what is said is said", async (t) => {
  const { mock, tab } = await page(t);
  await login(tab, "Ann");
  const from = (await stateOf(tab)).seen;
  await tab.keyboard.press("Enter");
  await tab.keyboard.type("wasd <b>dear</b> sheep");
  await tab.keyboard.press("Enter");
  const { seen, you } = await until(tab, ({ talking, you: me }) => talking.includes(me));
  assert.deepEqual([seen.x, seen.y], [from.x, from.y]);
  assert.deepEqual(mock.commands.at(-1), { say: "wasd <b>dear</b> sheep" });
  assert.equal(await tab.textContent("#chat p:last-child"), "Ann wasd <b>dear</b> sheep");
  assert.ok(you > 0);
});

test("with Tab it is said to all, and told apart from what is said near", async (t) => {
  const { mock, tab } = await page(t);
  await login(tab, "Ann");
  await tab.keyboard.press("Enter");
  await tab.keyboard.press("Tab");
  assert.equal(await tab.textContent("#say-to"), "All");
  await tab.keyboard.type("hello <b>meadow</b>");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector("#chat p.all.mine");
  assert.deepEqual(mock.published, [["world", "hello <b>meadow</b>"]]);
  assert.equal(await tab.textContent("#chat p:last-child"), "Ann hello <b>meadow</b>");
  await until(tab, ({ talking, you: me }) => talking.includes(me));
  await tab.keyboard.press("Enter");
  await tab.click("#say-to");
  assert.equal(await tab.textContent("#say-to"), "Near");
  await tab.keyboard.type("psst");
  await tab.keyboard.press("Enter");
  await tab.waitForFunction(() => document.querySelector("#chat p:last-child").textContent === "Ann psst");
  assert.deepEqual(mock.commands.at(-1), { say: "psst" });
});

test("a click on the ground walks there; a coin on the way is picked up", async (t) => {
  const { mock, tab } = await page(t, { count: 0 });
  await login(tab, "Ann");
  const from = (await stateOf(tab)).seen;
  const coin = mock.add(from.x - 6, from.y, { k: "coin", gold: 4 });
  await until(tab, ({ entities }, id) => entities.some((entity) => entity.id === id), coin);
  await clickAt(tab, from.x - 9, from.y);
  await until(tab, ({ gold }) => gold === 29);
  await until(tab, ({ entities }, id) => !entities.some((entity) => entity.id === id), coin);
  await until(tab, ({ seen }, x) => Math.abs(seen.x - x) < 0.2, from.x - 9);
  assert.deepEqual(mock.commands.filter((command) => command.pick), [{ pick: coin }]);
});

test("a click on a player asks how much, and gives it", async (t) => {
  const { mock, tab } = await page(t, { count: 0 });
  await login(tab, "Ann");
  const { seen } = await stateOf(tab);
  const bob = mock.add(seen.x + 4, seen.y, { k: "player", name: "Bob" });
  await until(tab, ({ entities }, id) => entities.some((entity) => entity.id === id), bob);
  await tab.waitForFunction(() => document.getElementById("players").textContent === "2");
  await clickAt(tab, seen.x + 4, seen.y - 1);
  await tab.waitForSelector("#give[open]");
  assert.equal(await tab.textContent("#give-title"), "Give gold to Bob");
  await tab.fill("#give-gold", "7");
  await tab.click("#give-submit");
  await until(tab, ({ gold }) => gold === 18);
  assert.deepEqual(mock.commands.at(-1), { give: { to: bob, gold: 7 } });
});

test("a phone: everything is on the screen, and a tap walks", async (t) => {
  const { tab } = await page(t, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  await login(tab, "Ann");
  for (const id of ["#purse", "#map", "#talk-button", "#help-button"]) {
    const box = await tab.locator(id).boundingBox();
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= 375 && box.y + box.height <= 667, id);
  }
  const from = (await stateOf(tab)).seen;
  await clickAt(tab, from.x, from.y + 4, true);
  await until(tab, ({ seen }, y) => seen.y > y + 3, from.y);
});

test("while the server is away the page says so, and goes on when it is back", async (t) => {
  const { mock, tab } = await page(t);
  await login(tab, "Ann");
  const port = Number(new URL(mock.url).port);
  await mock.stop();
  await tab.waitForSelector("#banner:not([hidden])");
  assert.match(await tab.textContent("#banner"), /Trying again/);
  const again = await Mock.start({ port });
  try {
    await until(tab, ({ state }) => state === "online");
    await tab.waitForSelector("#banner", { state: "hidden" });
    await tab.context().close();
  } finally {
    await again.stop();
    mock.stop = async () => {};
  }
});

test("the page says when time runs slower, and stops saying so", async (t) => {
  const { mock, tab } = await page(t);
  await login(tab, "Ann");
  assert.ok(await tab.isHidden("#slow"));
  mock.dilation = 0.45;
  await tab.waitForSelector("#slow:not([hidden])");
  assert.equal(await tab.textContent("#slow"), "It is crowded here: time runs at 45 %.");
  mock.dilation = 1;
  await tab.waitForSelector("#slow", { state: "hidden" });
});

test("a login elsewhere ends the game with a word", async (t) => {
  const { mock, tab } = await page(t);
  await login(tab, "Ann");
  for (const session of mock.sessions) session.send(["error", "taken_over", "logged in elsewhere"]);
  await until(tab, ({ state }) => state === "start");
  assert.match(await tab.textContent("#start-error"), /somewhere else/);
  await login(tab, "Ann");
});

test("300 entities in view are drawn in time", async (t) => {
  const { tab } = await page(t, { count: 300 });
  await login(tab, "Ann");
  const { entities } = await until(tab, ({ entities: all }) => all.length >= 300);
  const rate = await tab.evaluate(() => new Promise((resolve) => {
    const from = performance.now();
    let count = 0;
    const step = () => {
      count += 1;
      if (count < 90) requestAnimationFrame(step);
      else resolve((count * 1000) / (performance.now() - from));
    };
    requestAnimationFrame(step);
  }));
  t.diagnostic(`${entities.length} entities: ${rate.toFixed(0)} pictures per second, without a graphics card`);
  assert.ok(rate > 10, `${rate} per second`);
});
