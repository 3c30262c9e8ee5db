// Lives here: tests of asking again and again, with a clock that the test turns.
// Not here: what an answer means (model.test.mjs).

import assert from "node:assert/strict";
import { test } from "node:test";

import { EVERY_MS, LONGEST_MS, PATIENCE_MS, Poll } from "../poll.js";

/** Lets everything run that waits for nothing but its turn. */
async function settle() {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

/** A poll whose questions the test answers; `pass(ms)` turns the clock. */
function setUp(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const seen = { asked: [], told: [], lost: [], now: 0 };
  const get = (signal) => new Promise((answer, fail) => {
    seen.asked.push({ answer, fail, at: seen.now, signal });
    signal.addEventListener("abort", () => fail(signal.reason));
  });
  const poll = new Poll({
    get, told: (state) => seen.told.push(state), lost: (error) => seen.lost.push(error.message), now: () => seen.now,
  });
  const pass = async (ms) => {
    seen.now += ms;
    t.mock.timers.tick(ms);
    await settle();
  };
  poll.start();
  return { poll, seen, pass };
}

test("asks twice per second, counted from question to question", async (t) => {
  const { seen, pass } = setUp(t);
  await pass(120);
  seen.asked[0].answer("first");
  await settle();
  await pass(EVERY_MS - 121);
  assert.equal(seen.asked.length, 1);
  await pass(1);
  assert.equal(seen.asked.length, 2);
  assert.deepEqual(seen.told, ["first"]);
});

test("one question at a time: a slow answer is waited for", async (t) => {
  const { seen, pass } = setUp(t);
  await pass(PATIENCE_MS - 1);
  assert.equal(seen.asked.length, 1);
  seen.asked[0].answer("late");
  await settle();
  await pass(0);
  assert.deepEqual([seen.told, seen.asked.length], [["late"], 2]);
});

test("patience ends; the question is called off and told as lost", async (t) => {
  const { seen, pass } = setUp(t);
  await pass(PATIENCE_MS);
  assert.deepEqual(seen.lost, ["no answer within 4 s"]);
  assert.ok(seen.asked[0].signal.aborted);
});

test("a server that is away is asked more and more rarely, up to a limit, and then as before", async (t) => {
  const { seen, pass } = setUp(t);
  for (let i = 0; i < 7; i += 1) {
    seen.asked.at(-1).fail(new Error("refused"));
    await settle();
    await pass(LONGEST_MS);
  }
  assert.equal(seen.asked.length, 8);
  seen.asked.at(-1).fail(new Error("refused"));
  await settle();
  await pass(LONGEST_MS - 1);
  assert.equal(seen.asked.length, 8, "the limit is waited for");
  await pass(1);
  seen.asked.at(-1).answer("back");
  await settle();
  await pass(EVERY_MS);
  assert.deepEqual([seen.lost.length, seen.told, seen.asked.length], [8, ["back"], 10]);
});

test("the first pause after a failure is twice the usual one", async (t) => {
  const { seen, pass } = setUp(t);
  seen.asked[0].fail(new Error("refused"));
  await settle();
  await pass(EVERY_MS * 2 - 1);
  assert.equal(seen.asked.length, 1);
  await pass(1);
  assert.equal(seen.asked.length, 2);
});

test("after the end nothing is asked, told or lost", async (t) => {
  const { poll, seen, pass } = setUp(t);
  poll.stop();
  await settle();
  await pass(LONGEST_MS * 3);
  assert.deepEqual([seen.asked.length, seen.told, seen.lost], [1, [], []]);
});
