// Lives here: tests of the MessagePack codec by itself. Not here: the protocol's messages (vectors.test.js).

import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_DEPTH, decode, encode } from "../brightstar-msgpack.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"));

// Value and its shortest encoding, from the MessagePack specification.
const KNOWN = [
  [null, "c0"], [false, "c2"], [true, "c3"],
  [0, "00"], [127, "7f"], [128, "cc80"], [255, "ccff"], [256, "cd0100"], [65535, "cdffff"],
  [65536, "ce00010000"], [4294967295, "ceffffffff"], [4294967296, "cf0000000100000000"],
  [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
  [-1, "ff"], [-32, "e0"], [-33, "d0df"], [-128, "d080"], [-129, "d1ff7f"], [-32768, "d18000"],
  [-32769, "d2ffff7fff"], [-2147483648, "d280000000"], [-2147483649, "d3ffffffff7fffffff"],
  [1.5, "cb3ff8000000000000"], ["", "a0"], ["né", "a36ec3a9"],
  [[], "90"], [[1, [2]], "92019102"], [{}, "80"], [{ a: 1, b: null }, "82a16101a162c0"],
  [new Uint8Array([1, 2]), "c4020102"],
  [2n ** 63n, "cf8000000000000000"], [-(2n ** 63n), "d38000000000000000"],
];

test("known encodings, both ways", () => {
  for (const [value, text] of KNOWN) {
    assert.equal(hex(encode(value)), text);
    assert.deepEqual(decode(bytes(text)), value);
  }
});

test("lengths at each border of the format survive", () => {
  for (const length of [15, 16, 31, 32, 255, 256, 65535, 65536]) {
    const values = ["x".repeat(length), new Array(length).fill(7), new Uint8Array(length),
      Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i]))];
    for (const value of values) assert.deepEqual(decode(encode(value)), value);
  }
});

test("numbers of many sizes survive", () => {
  for (let power = 0; power <= 53; power += 1) {
    for (const near of [-1, 0, 1]) {
      for (const sign of [-1, 1]) {
        const value = sign * (2 ** power + near) + 0;
        if (Number.isSafeInteger(value)) assert.equal(decode(encode(value)), value);
        if (value !== 0) assert.equal(decode(encode(value / 3)), value / 3);
      }
    }
  }
  assert.ok(Object.is(decode(encode(-0)), -0));
  assert.ok(Number.isNaN(decode(encode(NaN))));
});

test("undefined fields are left out, and __proto__ is a name like any other", () => {
  assert.deepEqual(decode(encode({ a: undefined, b: 1 })), { b: 1 });
  const odd = JSON.parse('{"__proto__": {"admin": true}}');
  const back = decode(encode(odd));
  assert.equal(back.admin, undefined);
  assert.equal(JSON.stringify(back), JSON.stringify(odd));
});

test("every cut of a message is refused, and nothing is read behind its end", () => {
  const whole = encode(["frame", 7, 1, 1.5, [[12, 1, [[99, 1.25, -3, { k: "sheep" }]], [[4, null]]]]]);
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => decode(whole.subarray(0, length)), RangeError);
  }
  assert.throws(() => decode(new Uint8Array([...whole, 0])), RangeError);
});

test("lengths that the bytes can't hold, extensions and bad text are refused", () => {
  for (const text of ["ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c1", "d40000", "a1ff"]) {
    assert.throws(() => decode(bytes(text)), Error, text);
  }
});

test("deep nesting is refused both ways", () => {
  let deep = [];
  for (let i = 0; i <= MAX_DEPTH; i += 1) deep = [deep];
  assert.throws(() => encode(deep), RangeError);
  assert.throws(() => decode(new Uint8Array(100_000).fill(0x91)), RangeError);
});

test("random bytes give a value or an error, never a hang", () => {
  let seed = 12345;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;
  for (let round = 0; round < 20_000; round += 1) {
    const noise = Uint8Array.from({ length: Math.floor(random() * 24) }, () => random() * 256);
    try {
      decode(noise);
    } catch (error) {
      assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
    }
  }
});
