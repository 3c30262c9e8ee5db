// Lives here: tests of figures and changes in words, as a table each.
// Not here: where they are shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as words from "../words.js";

/** `say(input)` must be the words, with plain spaces for narrow ones. */
function check(say, table) {
  for (const [input, expected] of table) assert.equal(say(input).replaceAll("\u202f", " "), expected, `of ${JSON.stringify(input)}`);
}

test("shares", () => check(words.percent, [[0, "0 %"], [0.0004, "0 %"], [0.003, "0.3 %"], [0.0942, "9.4 %"], [0.0996, "10 %"], [0.314, "31 %"], [1, "100 %"], [-0.05, "-5.0 %"]]));

test("milliseconds", () => check(words.milliseconds, [[null, "–"], [undefined, "–"], [0, "0 ms"], [0.42, "0.4 ms"], [5, "5 ms"], [9.96, "10 ms"], [998, "998 ms"], [999.6, "1.0 s"], [61_000, "61.0 s"]]));

test("times that have passed", () => check(words.passed, [[-3, "0 s"], [0.9, "0 s"], [45, "45 s"], [60, "1 min"], [61, "1 min 1 s"], [7_980, "2 h 13 min"], [3_600, "1 h"], [3_659, "1 h"], [90_000, "1 d 1 h"]]));

test("how long ago", () => check(words.ago, [[-5, "now"], [1.9, "now"], [2, "2 s ago"], [59.9, "59 s ago"], [125, "2 min ago"], [7_300, "2 h ago"], [200_000, "2 d ago"]]));

test("numbers, rates and ratios", () => {
  check(words.count, [[0, "0"], [12_345.4, "12,345"]]);
  check(words.rate, [[0.44, "0.4 /s"], [42.4, "42 /s"], [1_200, "1,200 /s"]]);
  check(words.ratio, [[null, "–"], [1.0842, "1.08"]]);
});

test("traffic with a neighbour", () => check(words.border, [
  [{ region: 7, rate: 14, tasks: 12.2, crossings: 3.14, subscriptions: 40 }, "7: 12 /s, 3.1 /s cross, 40 cells seen"],
  [{ region: 7, rate: 12.2, tasks: 12.2, crossings: 0.01, subscriptions: 0 }, "7: 12 /s"],
  [{ region: 7, rate: 5 }, "7: 5.0 /s"],
]));

test("changes, for eyes", () => check(words.change, [
  [{ change: "move", regions: [12], became: [12], from_worker: 0, to_worker: 1 }, "Move 12: thread 0 → 1"],
  [{ change: "move", regions: [12], from_worker: null, to_worker: 1 }, "Move 12: thread ? → 1"],
  [{ change: "split", regions: [12], became: [12, 40] }, "Split 12 → 12, 40"],
  [{ change: "split", regions: [12], became: [] }, "Split 12"],
  [{ change: "merge", regions: [3, 4], became: [3] }, "Merge 3, 4 → 3"],
  [{ change: "teleport", regions: [3] }, "teleport 3"],
]));

test("changes, for ears", () => check(words.spoken, [
  [{ change: "move", regions: [12], became: [12], from_worker: 0, to_worker: 1, cause: "thread_hot", state: "running" }, "Move 12: thread 0 to 1, thread hot, running"],
  [{ change: "merge", regions: [3, 4], became: [3], cause: "manual", state: "kept" }, "Merge 3, 4 into 3, by hand, kept"],
]));

test("what clients are shown", () => check((rungs) => words.shown(rungs.map((rung, hub) => ({ hub, rung, load: 0 }))), [
  [[], "all"], [["ground", "ground"], "all"], [["far_half", "ground"], "far at half"], [["far_half", "far_quarter"], "far at a quarter"],
  [["nearest", "far_half"], "nearest only"], [["nearest", "slow_time"], "nearest, slow time"],
]));

test("every cause and state of the server has its words, and a new one is shown as it is", () => {
  check(words.cause, [["thread_hot", "thread hot"], ["region_hot", "region hot"], ["border", "border traffic"], ["cold", "cold"], ["manual", "by hand"], ["undo", "undo"], ["new_one", "new_one"]]);
  check(words.state, [["observed", "only observed"], ["running", "running"], ["done", "done"], ["kept", "kept"], ["undone", "undone"], ["failed", "failed"], ["odd", "odd"]]);
  check(words.mode, [["on", "on"], ["observe", "observes only"], ["off", "off"]]);
});
