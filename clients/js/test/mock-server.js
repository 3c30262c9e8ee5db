// Lives here: a scripted server for tests: it answers nothing by itself but what a test tells it to.
// Not here: the rules of a real server (tests/browser runs against that one).

import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";

import { CODECS, Client } from "../brightstar.js";

/** One socket at the server's side: `next()` gives its messages in order. */
class Link {
  constructor(socket, codec) {
    this.socket = socket;
    this.codec = codec;
    this.waiting = [];
    this.wanting = [];
    this.closed = once(socket, "close");
    socket.on("message", (data, binary) => {
      const message = codec.decode(binary ? data : data.toString());
      if (message[0] === "ping" && !this.deaf) return this.send(["pong", message[1], 1_700_000_000_000]);
      if (this.wanting.length > 0) this.wanting.shift()(message);
      else this.waiting.push(message);
      return undefined;
    });
  }

  /** The client's next message, pings apart. */
  next() {
    if (this.waiting.length > 0) return Promise.resolve(this.waiting.shift());
    return new Promise((resolve) => this.wanting.push(resolve));
  }

  send(message) {
    this.socket.send(this.codec.encode(message));
  }

  welcome(fields = {}) {
    this.send(["welcome", {
      session: "0190aaaa-0000-7000-8000-000000000001", resume: "r1", resumed: false, last_command: 0,
      tick_hz: 20, cell: 32, view_radius: 96, you: 7, ...fields,
    }]);
  }

  /** As a crash does it: no close handshake. */
  cut() {
    this.socket.terminate();
  }
}

/** A server on a free port of the loopback: `link()` gives its sockets in order of their opening. */
export class MockServer {
  static async start(codecName = "json") {
    const codec = CODECS[codecName];
    const server = new WebSocketServer({
      port: 0,
      host: "127.0.0.1",
      handleProtocols: (offered) => (offered.has(codec.protocol) ? codec.protocol : false),
    });
    await once(server, "listening");
    return new MockServer(server, codec);
  }

  constructor(server, codec) {
    this.server = server;
    this.links = [];
    this.wanting = [];
    this.url = `ws://127.0.0.1:${server.address().port}/v1/ws`;
    server.on("connection", (socket) => {
      const link = new Link(socket, codec);
      if (this.wanting.length > 0) this.wanting.shift()(link);
      else this.links.push(link);
    });
  }

  link() {
    if (this.links.length > 0) return Promise.resolve(this.links.shift());
    return new Promise((resolve) => this.wanting.push(resolve));
  }

  async stop() {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
    await once(this.server, "close");
  }
}

/** Starts a server and a client of it that reconnects fast, and ends both with the test. */
export async function pair(t, options = {}) {
  const server = await MockServer.start(options.codec);
  const client = new Client({ url: server.url, name: "Ann", WebSocket, backoffMs: 5, ackMs: 5, inputMs: 5, ...options });
  t.after(async () => {
    client.close();
    await server.stop();
  });
  return { server, client };
}

/** The same, logged in already: also gives the server's side of the socket. */
export async function online(t, options = {}) {
  const { server, client } = await pair(t, options);
  const connected = client.connect();
  const link = await server.link();
  await link.next();
  link.welcome();
  await connected;
  return { server, client, link };
}
