// Lives here: tests of the page's files as they are: what they name exists, nothing is inline, colours suffice.
// Not here: the page in a browser.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

import { COLOURS, INK, MUTED, fill } from "../palette.js";
import { Mock, TOKEN } from "./mock.mjs";
import { MockWorld } from "./mock-world.mjs";

const FOLDER = new URL("../", import.meta.url);
const read = (name) => readFile(new URL(name, FOLDER), "utf8");
const html = await read("index.html");
const scripts = (await readdir(FOLDER)).filter((name) => name.endsWith(".js"));
const sources = Object.fromEntries(await Promise.all(scripts.map(async (name) => [name, await read(name)])));

test("every element that a script asks for is on the page, once", () => {
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length, "ids are unique");
  const asked = Object.values(sources).flatMap((text) => [...text.matchAll(/(?:\$|getElementById)\("([^"]+)"\)/g)].map(([, id]) => id));
  assert.ok(asked.length > 40, `${asked.length} are asked for`);
  assert.deepEqual(asked.filter((id) => !ids.includes(id)), []);
});

test("every file that is named exists, and every module is used", () => {
  const files = new Set([...scripts, "style.css", "icon.svg"]);
  const named = [...html.matchAll(/(?:href|src)="console\/([^"]+)"/g)].map(([, name]) => name);
  const imported = Object.values(sources).flatMap((text) => [...text.matchAll(/from "\.\/([^"]+)"/g)].map(([, name]) => name));
  assert.deepEqual([...new Set([...named, ...imported])].sort(), [...files].sort());
});

test("nothing is inline that a strict policy would forbid", () => {
  assert.doesNotMatch(html, /\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)|javascript:/i);
  for (const [name, text] of Object.entries(sources)) {
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function|setAttribute\("style"/, name);
  }
});

test("nothing of the page is stored", () => {
  for (const [name, text] of Object.entries(sources)) assert.doesNotMatch(text, /localStorage|sessionStorage|indexedDB|document\.cookie/, name);
});

/** Contrast as the web's guidelines count it. */
function contrast(a, b) {
  const light = (rgb) => {
    const [r, g, b_] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b_;
  };
  const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const hex = (text) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));

test("words are read against their panel", async () => {
  const colours = Object.fromEntries([...(await read("style.css")).matchAll(/--(\w+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, hex(value)]));
  for (const name of ["ink", "muted", "accent", "warn", "bad", "good"]) {
    assert.ok(contrast(colours[name], colours.panel) > 4.5, `${name}: ${contrast(colours[name], colours.panel)}`);
  }
  for (const ink of [INK, MUTED]) assert.ok(contrast(hex(ink), colours.panel) > 4.5, ink);
});

test("a region is the brighter the more load it has, up to half a thread", () => {
  for (let worker = 0; worker < COLOURS; worker += 1) {
    const lights = [0, 0.01, 0.05, 0.2, 0.5].map((load) => contrast(fill(worker, load), [0, 0, 0]));
    assert.deepEqual(lights, [...lights].sort((a, b) => a - b));
    assert.ok(lights.at(-1) > lights[0] * 2.4, `thread ${worker}: ${lights}`);
    assert.deepEqual(fill(worker, 0.5), fill(worker, 3));
  }
  assert.deepEqual(fill(COLOURS, 0.2), fill(0, 0.2), "colours begin again");
});

test("the stand-in serves the page, its modules, its state, and guards its actions", async (t) => {
  const mock = await Mock.start({ world: new MockWorld({ people: 50, others: 20 }), lives: false });
  t.after(() => mock.stop());
  const kind = async (path) => (await fetch(new URL(path, mock.url))).headers.get("content-type");
  assert.equal(await kind("/console"), "text/html; charset=utf-8");
  assert.equal(await kind("/console/main.js"), "text/javascript; charset=utf-8");
  assert.equal((await fetch(new URL("/console/tests/mock.mjs", mock.url))).status, 404);
  const before = await (await fetch(new URL("/console/state", mock.url))).json();
  const split = (token) => fetch(new URL("/admin/split", mock.url), {
    method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify({ region: 1 }),
  });
  assert.equal((await split("wrong")).status, 401);
  const answer = await split(TOKEN);
  assert.equal(answer.status, 200);
  assert.deepEqual((await answer.json()).regions, [1]);
  const after = await (await fetch(new URL("/console/state", mock.url))).json();
  assert.equal(after.status.hosts[0].regions.length, before.status.hosts[0].regions.length + 1);
});

test("the made-up world is whole: its regions lie on the line without gap or overlap, whatever happens", () => {
  for (const world of [new MockWorld(), MockWorld.ledger()]) {
    for (let i = 0; i < 40; i += 1) {
      world.run(5);
      const { status, map } = world.state();
      let at = 0;
      for (const { from, to } of status.hosts[0].regions) {
        assert.ok(from === at && to > from, `${from} after ${at}`);
        at = to;
      }
      assert.equal(at, map.line);
    }
  }
});
