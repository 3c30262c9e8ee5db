// Lives here: the protocol's recorded messages, read and written by this client as by the server.
// Not here: the vectors themselves: protocol/vectors.json is written and checked by the server's side.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CODECS } from "../brightstar.js";

const vectors = JSON.parse(readFileSync(new URL("../../../protocol/vectors.json", import.meta.url), "utf8"));

test("there are vectors of both directions", () => {
  for (const from of ["client", "server"]) assert.ok(vectors.some((vector) => vector.from === from));
});

for (const { name, from, json, msgpack } of vectors) {
  test(`${from}: ${name}`, () => {
    const bytes = new Uint8Array(Buffer.from(msgpack, "hex"));
    const message = CODECS.json.decode(json);
    assert.deepEqual(CODECS.msgpack.decode(bytes), message);
    if (from === "client") {
      assert.equal(CODECS.json.encode(message), json);
      assert.equal(Buffer.from(CODECS.msgpack.encode(message)).toString("hex"), msgpack);
    }
  });
}
