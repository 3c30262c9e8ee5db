// Lives here: the house's rules about its own files, for `node --test tests/house.test.mjs`.
// Not here: what compilers and linters see (clippy, rustfmt, cargo-deny: `./check` runs them).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** No file of code is longer; where one grows towards it, it holds two things. */
const MAX_LINES = 700;

/** All files of the house, also those not committed yet, but none that git ignores. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" })
  .split("\n")
  .filter((path) => path && existsSync(join(ROOT, path)));
const text = (path) => readFileSync(join(ROOT, path), "utf8");
const ending = (...ends) => files.filter((path) => ends.some((end) => path.endsWith(end)));

test("there are files to look at", () => {
  assert.ok(ending(".rs").length > 20, `${ending(".rs").length} Rust files`);
});

test("every Rust file says in its first line what lives in it", () => {
  assert.deepEqual(ending(".rs").filter((path) => !text(path).startsWith("//! ")), []);
});

test(`no file of code has more than ${MAX_LINES} lines`, () => {
  const code = ending(".rs", ".js", ".mjs", ".ts", ".css", ".html");
  assert.deepEqual(code.filter((path) => text(path).split("\n").length > MAX_LINES), []);
});

test("every metric that code counts is in docs/metrics.md, and the reverse", () => {
  const documented = new Set([...text("docs/metrics.md").matchAll(/^\| (brightstar_\w+) /gm)].map(([, name]) => name));
  const counting = ending(".rs").filter((path) => !/(^|\/)(tests?|benches)(\/|\.rs)/.test(path) && path !== "src/metrics/table.rs");
  const counted = new Set(
    counting.flatMap((path) => [...text(path).matchAll(/"(brightstar_\w+)"/g)].map(([, name]) => name)),
  );
  assert.deepEqual([...counted].filter((name) => !documented.has(name)), [], "counted, but not in docs/metrics.md");
  assert.deepEqual([...documented].filter((name) => !counted.has(name)), [], "in docs/metrics.md, but never counted");
});

test("links between our pages lead somewhere", () => {
  const broken = ending(".md").flatMap((path) =>
    [...text(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
      .filter(([, link]) => !existsSync(join(ROOT, dirname(path), link)))
      .map(([, link]) => `${path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test("a comment that something is to be done is not done", () => {
  const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b|\\b(to${"do"}|unimplemented)!\\(`);
  assert.deepEqual(ending(".rs", ".js", ".mjs", ".sh").filter((path) => marks.test(text(path))), []);
});

test("the book has every page of docs, and nothing else", () => {
  const listed = [...text("docs/SUMMARY.md").matchAll(/\]\(([^)]+)\)/g)].map(([, page]) => `docs/${page}`);
  const pages = files.filter((path) => /^docs\/[^/]+\.md$/.test(path) && path !== "docs/SUMMARY.md");
  assert.deepEqual([...listed].sort(), pages.sort());
});

test("the code of the first chapter is the example's", () => {
  const example = text("examples/field.rs");
  const blocks = [...text("docs/write-a-world.md").matchAll(/```rust\n([^]*?)```/g)].map(([, code]) => code);
  assert.ok(blocks.length >= 8, `${blocks.length} blocks`);
  assert.deepEqual(blocks.filter((code) => !example.includes(code.trimEnd())), []);
  const shown = blocks.join("").split("\n").filter((line) => line.trim()).length;
  assert.ok(shown > 0.8 * example.split("\n").filter((line) => line.trim()).length, "the chapter leaves much out");
});

test("every test that shows a guarantee exists", () => {
  const named = [...text("docs/guarantees.md").matchAll(/`([a-z0-9_]{12,})`/g)].map(([, name]) => name);
  const code = ending(".rs").map(text).join("\n");
  assert.ok(named.length > 20, `${named.length} tests are named`);
  assert.deepEqual(named.filter((name) => !code.includes(`fn ${name}(`)), []);
});

test("forty behaviours are listed, and their tests exist", () => {
  const page = text("docs/behaviours.md");
  const rows = [...page.matchAll(/^\| (\d+) \|.*\| (.*) \|$/gm)];
  assert.deepEqual(rows.map(([, number]) => Number(number)), Array.from({ length: 40 }, (_, n) => n + 1));
  assert.deepEqual(rows.filter(([, , tests]) => !/^`\w+`(, `\w+`)*$/.test(tests)).map(([row]) => row), []);
  const named = [...page.matchAll(/`([a-z0-9_]{12,})`/g)].map(([, name]) => name);
  const code = ending(".rs").map(text).join("\n");
  assert.deepEqual(named.filter((name) => !code.includes(`fn ${name}(`)), []);
});

test("what the book includes is there", () => {
  const missing = ending(".md").flatMap((path) =>
    [...text(path).matchAll(/\{\{#include ([^}]+)\}\}/g)]
      .filter(([, file]) => !existsSync(join(ROOT, dirname(path), file)))
      .map(([, file]) => `${path}: ${file}`),
  );
  assert.deepEqual(missing, []);
});

test("every alert has an entry in the runbook", () => {
  const alerts = [...text("dashboards/rules/alerts.yml").matchAll(/alert: (\w+)/g)].map(([, name]) => name);
  const entries = new Set([...text("docs/operations.md").matchAll(/^### (\w+)/gm)].map(([, name]) => name));
  assert.ok(alerts.length > 10, `${alerts.length} alerts`);
  assert.deepEqual(alerts.filter((name) => !entries.has(name)), []);
});
