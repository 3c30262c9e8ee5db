// Lives here: what the page and the server's world must agree on without being told.
// Not here: anything that needs a browser.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { METRES, VILLAGES, path, water } from "../../worlds/meadow/page/terrain.js";

const read = (file) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

test("the page's villages are the world's wells", () => {
  const list = read("worlds/meadow/src/genesis.rs").match(/VILLAGES: \[Point; \d+\] = \[([^\]]*)\]/)[1];
  const wells = [...list.matchAll(/Point::new\(([\d.]+), ([\d.]+)\)/g)].map(([, x, y]) => [Number(x), Number(y)]);
  assert.deepEqual(VILLAGES.map(({ x, y }) => [x, y]), wells);
});

test("the page's numbers are the rules'", () => {
  const rules = read("worlds/meadow/src/rules.rs");
  const game = read("worlds/meadow/page/game.js");
  const number = (text, pattern) => Number(text.match(pattern)[1]);
  assert.equal(METRES, number(rules, /METRES: f64 = ([\d.]+)/));
  for (const name of ["SPEED", "REACH", "MAX_TEXT"]) {
    assert.equal(number(game, new RegExp(`const ${name} = ([\\d.]+)`)), number(rules, new RegExp(`const ${name}: \\w+ = ([\\d.]+)`)), name);
  }
});

test("every module of the page and of the client is served by the binary", () => {
  const served = read("worlds/meadow/src/page.rs");
  for (const folder of ["worlds/meadow/page", "clients/js"]) {
    const files = readdirSync(new URL(`../../${folder}`, import.meta.url)).filter((file) => /^(?!package).*\.(js|css|svg)$/.test(file));
    for (const file of files) assert.ok(served.includes(file), `${file} is not in worlds/meadow/src/page.rs`);
  }
});

test("villages stand on dry and beaten ground", () => {
  for (const { x, y, name } of VILLAGES) {
    assert.ok(path(x, y) > 0.9, name);
    for (let turn = 0; turn < 24; turn += 1) {
      const [dx, dy] = [Math.cos((turn / 12) * Math.PI) * 32, Math.sin((turn / 12) * Math.PI) * 32];
      assert.ok(water(x + dx, y + dy) < 0, `${name} has wet feet`);
    }
  }
});
