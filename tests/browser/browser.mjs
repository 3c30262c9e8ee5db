// Lives here: starting the browser, a tab that plays, and waiting for what a page shows.
// Not here: what is to be seen (the tests).

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { chromium } from "playwright-core";

/** Longest wait for anything a page should show. */
export const PATIENCE_MS = 20_000;

const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // Two tabs play at once: the one behind must not be put to sleep.
  "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"];

/** Starts Chromium: CHROMIUM names another one than /usr/bin/chromium. */
export function startBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
}

/** Opens a tab of its own (cookies and all) at `url`; its errors are gathered in `tab.errors`. */
export async function openTab(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE_MS);
  tab.errors = [];
  tab.on("pageerror", (error) => tab.errors.push(String(error)));
  tab.on("console", (message) => {
    // A lost connection is told by the browser itself; that is what some tests are about.
    if (message.type() === "error" && !/WebSocket|ERR_CONNECTION/.test(message.text())) tab.errors.push(message.text());
  });
  await tab.goto(url);
  return tab;
}

/** Logs in by the start screen and waits until the player stands in the meadow. */
export async function login(tab, name) {
  await tab.fill("#name", name);
  await tab.click("#join");
  await until(tab, (state) => state.state === "online" && state.seen && state.self && state.gold !== null);
}

export const stateOf = (tab) => tab.evaluate(() => window.brightstar.state);

/**
 * Waits until `check(state, arg)` holds, looking once per picture of the page; returns the state
 * then. The check runs here: the page's own policy forbids scripts made of text.
 */
export function until(tab, check, arg) {
  const words = ({ entities, ...facts }) => `${entities?.length} entities, ${JSON.stringify(facts)}`;
  return watch(tab, () => window.brightstar.state, check, { arg, words });
}

/**
 * Looks at a page once per picture of it, by `look()` there, until `check(seen, arg)` holds here;
 * returns what was seen then. `words(seen)` tells it when it never does within `patience`.
 */
export async function watch(tab, look, check, { arg, words = JSON.stringify, patience = PATIENCE_MS } = {}) {
  const deadline = performance.now() + patience;
  let seen;
  while (performance.now() < deadline) {
    await tab.evaluate(() => new Promise((resolve) => {
      requestAnimationFrame(() => resolve());
    }));
    seen = await tab.evaluate(look);
    if (check(seen, arg)) return seen;
  }
  throw new Error(`not within ${patience} ms: ${check}; ${words(seen)}`);
}

/** Takes a picture of the page. */
export async function picture(tab, path) {
  await mkdir(dirname(path), { recursive: true });
  await tab.screenshot({ path });
}
