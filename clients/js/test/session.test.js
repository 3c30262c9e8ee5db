// Lives here: tests of a session over sockets that come and go, against a scripted server.
// Not here: what frames do to the store (store.test.js).

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";

import { Client } from "../brightstar.js";
import { MockServer, online, pair } from "./mock-server.js";

/** The next time `client` tells of `name`. */
const told = (client, name) => new Promise((resolve) => {
  const stop = client.on(name, (...values) => {
    stop();
    resolve(values);
  });
});

for (const codec of ["json", "msgpack"]) {
  test(`login, a command, an input and a ping in ${codec}`, async (t) => {
    const { server, client } = await pair(t, { codec });
    const connected = client.connect();
    const link = await server.link();
    assert.deepEqual(await link.next(), ["hello", { name: "Ann" }]);
    link.welcome();
    await connected;
    assert.deepEqual([client.state, client.you, client.tickHz, client.viewRadius], ["online", 7, 20, 96]);
    const reply = client.command({ pick: 12 });
    assert.deepEqual(await link.next(), ["command", 1, { pick: 12 }]);
    link.send(["reply", 1, "ok", { gold: 3 }]);
    assert.deepEqual(await reply, { gold: 3 });
    client.input({ go: [1.5, 2] });
    assert.deepEqual(await link.next(), ["input", 1, { go: [1.5, 2] }]);
    if (client.latency === null) await told(client, "latency");
    assert.ok(client.latency >= 0);
    link.send(["frame", 3, 1, 1, [[5, 1, [[7, 1, 2, { k: "player", name: "Ann" }]], []]]]);
    await told(client, "frame");
    assert.equal(client.store.entities.get(7).view.name, "Ann");
    assert.equal(client.inputSeq, 1);
    link.send(["forget", [5]]);
    link.send(["frame", 4, 1, 1, []]);
    await told(client, "frame");
    assert.equal(client.store.entities.size, 0);
  });
}

test("a refusal of the world rejects with its code and words", async (t) => {
  const { client, link } = await online(t);
  const reply = client.command("me");
  await link.next();
  link.send(["reply", 1, "error", { code: "refused", message: "too_far" }]);
  await assert.rejects(reply, { code: "refused", message: "too_far" });
});

test("64 commands are underway, the rest waits in order, and the queue has an end", async (t) => {
  const { client, link } = await online(t);
  const replies = Array.from({ length: 64 + 1024 }, (_, i) => client.command(i));
  await assert.rejects(client.command("one more"), { code: "queue_full" });
  for (let seq = 1; seq <= 64; seq += 1) assert.deepEqual(await link.next(), ["command", seq, seq - 1]);
  client.publish("world", "marker");
  assert.equal((await link.next())[0], "publish", "the 65th must not be sent yet");
  for (let seq = 1; seq <= replies.length; seq += 1) {
    link.send(["reply", seq, "ok", seq]);
    if (seq + 64 <= replies.length) assert.equal((await link.next())[1], seq + 64);
  }
  assert.deepEqual(await Promise.all(replies), replies.map((_, i) => i + 1));
});

test("after a lost connection unanswered commands are sent again under their numbers", async (t) => {
  const { server, client, link } = await online(t);
  const replies = ["a", "b", "c"].map((word) => client.command(word));
  for (let i = 0; i < 3; i += 1) await link.next();
  link.send(["reply", 1, "ok", "A"]);
  await replies[0];
  link.cut();
  await told(client, "state");
  const late = client.command("d");
  const second = await server.link();
  assert.deepEqual(await second.next(), ["hello", { name: "Ann", resume: "r1", last: 0 }]);
  second.welcome({ resume: "r2", resumed: true, last_command: 3 });
  assert.deepEqual(await second.next(), ["command", 2, "b"]);
  assert.deepEqual(await second.next(), ["command", 3, "c"]);
  assert.deepEqual(await second.next(), ["command", 4, "d"]);
  for (const [seq, word] of [[2, "B"], [3, "C"], [2, "twice"], [4, "D"]]) second.send(["reply", seq, "ok", word]);
  assert.deepEqual(await Promise.all([...replies, late]), ["A", "B", "C", "D"]);
  second.cut();
  const third = await server.link();
  assert.equal((await third.next())[1].resume, "r2", "the token rotates");
});

test("when the session is lost commands are rejected, and a new session goes on", async (t) => {
  const { server, client, link } = await online(t);
  const reply = client.command("a");
  const rejected = assert.rejects(reply, { code: "session_lost" });
  await link.next();
  link.cut();
  const second = await server.link();
  await second.next();
  second.welcome({ session: "another", resume: "r9", resumed: false, last_command: 0 });
  await rejected;
  const fresh = client.command("b");
  assert.deepEqual(await second.next(), ["command", 1, "b"]);
  second.send(["reply", 1, "ok", 1]);
  assert.equal(await fresh, 1);
});

test("a refused resume is followed by a login with the name", async (t) => {
  const { server, client, link } = await online(t);
  const rejected = assert.rejects(client.command("a"), { code: "session_lost" });
  await link.next();
  link.cut();
  const second = await server.link();
  assert.equal((await second.next())[1].resume, "r1");
  second.send(["error", "bad_login", "no such session"]);
  const third = await server.link();
  assert.deepEqual(await third.next(), ["hello", { name: "Ann" }]);
  third.welcome();
  await rejected;
  assert.equal(client.state, "online");
});

test("numbers that can't be continued count as a lost session", async (t) => {
  const { server, client, link } = await online(t);
  const rejected = assert.rejects(client.command("a"), { code: "session_lost" });
  await link.next();
  link.cut();
  const second = await server.link();
  await second.next();
  second.welcome({ resumed: true, last_command: 5 });
  await rejected;
  client.command("b").catch(() => {});
  assert.deepEqual(await second.next(), ["command", 6, "b"]);
});

test("events come once and in order, are acknowledged, and `last` tells where to go on", async (t) => {
  const { server, client, link } = await online(t);
  const heard = [];
  client.on("event", (event) => heard.push(event));
  client.on("channel", (name, from, message) => heard.push(`${name}/${from}/${message}`));
  link.send(["event", 1, "one"]);
  link.send(["channel", 2, "world", null, "two"]);
  assert.deepEqual(await link.next(), ["ack", 2]);
  link.cut();
  const second = await server.link();
  assert.equal((await second.next())[1].last, 2);
  second.welcome({ resumed: true });
  for (const [n, word] of [[1, "one"], [2, "two"], [3, "three"]]) second.send(["event", n, word]);
  assert.deepEqual(await second.next(), ["ack", 3]);
  assert.deepEqual(heard, ["one", "world/null/two", "three"]);
});

test("of many inputs at once the first and the newest are sent", async (t) => {
  const { client, link } = await online(t);
  for (let i = 1; i <= 100; i += 1) client.input({ go: [i, 0] });
  assert.deepEqual(await link.next(), ["input", 1, { go: [1, 0] }]);
  assert.deepEqual(await link.next(), ["input", 100, { go: [100, 0] }]);
});

test("an input given while away is sent after the reconnect", async (t) => {
  const { server, client, link } = await online(t);
  link.cut();
  await told(client, "state");
  client.input("stop");
  const second = await server.link();
  await second.next();
  second.welcome({ resumed: true });
  assert.deepEqual(await second.next(), ["input", 1, "stop"]);
});

test("moved: the session is resumed elsewhere, and stays there", async (t) => {
  const { client, link } = await online(t);
  const elsewhere = await MockServer.start();
  t.after(() => elsewhere.stop());
  const reply = client.command("a");
  await link.next();
  link.send(["moved", elsewhere.url, "token-there"]);
  const there = await elsewhere.link();
  assert.equal((await there.next())[1].resume, "token-there");
  there.welcome({ resumed: true, resume: "r5" });
  assert.deepEqual(await there.next(), ["command", 1, "a"]);
  there.send(["reply", 1, "ok", "done"]);
  assert.equal(await reply, "done");
  there.cut();
  const again = await elsewhere.link();
  assert.equal((await again.next())[1].resume, "r5");
});

test("errors that are final end the session and say why; others are tried again", async (t) => {
  for (const code of ["taken_over", "bad_message", "too_large", "unsupported"]) {
    const { client, link } = await online(t);
    const reply = assert.rejects(client.command("a"), { code });
    const closed = told(client, "state");
    link.send(["error", code, "why"]);
    const [state, error] = await closed;
    assert.deepEqual([state, error.code, error.message], ["closed", code, "why"]);
    await reply;
    await assert.rejects(client.command("b"), { code: "closed" });
  }
  for (const code of ["draining", "too_slow", "internal"]) {
    const { server, link } = await online(t);
    link.send(["error", code, "later"]);
    const second = await server.link();
    assert.equal((await second.next())[1].resume, "r1");
  }
});

test("connect rejects when nobody is there, or the name is refused, and may be called again", async (t) => {
  const { server, client } = await pair(t);
  const first = assert.rejects(client.connect(), { code: "bad_login", message: "not that name" });
  const link = await server.link();
  link.send(["error", "bad_login", "not that name"]);
  await first;
  const second = client.connect();
  const again = await server.link();
  again.welcome();
  await second;
  assert.equal(client.state, "online");
  const nobody = new Client({ url: "ws://127.0.0.1:9/v1/ws", name: "Ann", WebSocket });
  await assert.rejects(nobody.connect(), { code: "unreachable" });
  await assert.rejects(new Client({ url: "no url", WebSocket }).connect(), { code: "bad_url" });
});

test("a silent socket is given up, and the session resumed over a new one", async (t) => {
  const { server, client, link } = await online(t, { pingMs: 5, silenceMs: 40 });
  link.deaf = true; // half open: takes everything, says nothing
  const second = await server.link();
  assert.equal((await second.next())[1].resume, "r1");
  second.welcome({ resumed: true });
  if (client.state !== "online") await told(client, "welcome");
  assert.equal(client.state, "online");
});

test("a server that never welcomes is given up", async (t) => {
  const { server, client } = await pair(t, { connectMs: 30 });
  const connected = assert.rejects(client.connect(), { code: "unreachable" });
  await server.link();
  await connected;
});

test("bytes that are no message end the session with a clear error", async (t) => {
  const { client, link } = await online(t);
  const reply = assert.rejects(client.command("a"), { code: "bad_server" });
  link.socket.send("{nonsense");
  await reply;
  assert.equal(client.state, "closed");
});

test("messages of a later version are passed over", async (t) => {
  const { client, link } = await online(t);
  link.send(["weather", "rain"]);
  link.send(["frame", 1, 0, 1, []]);
  await told(client, "frame");
  assert.equal(client.state, "online");
});

test("close says bye, and what is unanswered is rejected", async (t) => {
  const { client, link } = await online(t);
  const reply = assert.rejects(client.command("a"), { code: "closed" });
  client.close();
  await reply;
  await link.next();
  assert.deepEqual(await link.next(), ["bye"]);
  await link.closed;
});

for (const word of ["visibilitychange", "resume", "online", "pageshow"]) {
  test(`a page that hears of ${word} looks at its connection, and a closed client no longer listens`, (t) => wakes(t, word));
}

async function wakes(t, word) {
  const target = new EventTarget();
  target.visibilityState = "visible";
  globalThis.document = target;
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  t.after(() => ["document", "addEventListener", "removeEventListener"].forEach((name) => delete globalThis[name]));
  // A long first pause: only waking can reconnect before the test's own limit.
  const { server, client, link } = await online(t, { backoffMs: 3_600_000, backoffLimitMs: 3_600_000, random: () => 1 });
  link.cut();
  await told(client, "state");
  target.dispatchEvent(new Event(word));
  const second = await server.link();
  await second.next();
  second.welcome({ resumed: true });
  await told(client, "state");
  client.close();
  const sockets = server.server.clients.size;
  target.dispatchEvent(new Event(word));
  assert.equal(client.state, "closed");
  assert.ok(server.server.clients.size <= sockets);
  await once(second.socket, "close").catch(() => {});
}
