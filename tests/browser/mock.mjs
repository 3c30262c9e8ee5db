// Lives here: a small stand-in for a Meadow server: serves the page and its modules, and a few
// hundred entities by the protocol, with what a test of the page wants to happen.
// Not here: the rules of the meadow; meadow.test.mjs plays against the real ones.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { WebSocketServer } from "ws";

import { CODECS } from "../../clients/js/brightstar.js";

const FOLDERS = ["../../worlds/meadow/page/", "../../clients/js/"].map((path) => new URL(path, import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
/** As strict as a server may be: the page must work under it. */
const CSP = "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CELL = 32;
const RADIUS = 96;
const HZ = 20;
const SPEED = 6;
const WELL = { x: 1024, y: 1040 };

const cellOf = ({ x, y }) => Math.floor(y / CELL) * 64 + Math.floor(x / CELL);

/** A number in [0, 1) from a counter: the same mock every time. */
function numbers(seed) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Fills the land around the first village with `count` entities more than its scenery. */
function populate(add, count) {
  const random = numbers(7);
  const ring = (n, metres, view) => {
    for (let i = 0; i < n; i += 1) {
      const turn = ((i + random() * 0.4) / n) * Math.PI * 2;
      const far = metres + random() * 4;
      add(WELL.x + Math.cos(turn) * far, WELL.y + Math.sin(turn) * far, view(i));
    }
  };
  add(WELL.x, WELL.y, { k: "well" });
  ring(4, 11, (n) => ({ k: "stall", n }));
  ring(7, 27, (n) => ({ k: "house", n }));
  ring(24, 48, (n) => (n % 4 ? { k: "tree", n: n % 4 } : { k: "bush", n: (n >> 2) % 4 }));
  ring(14, 38, (n) => ({ k: "flower", n: n % 4 }));
  add(WELL.x + 6, WELL.y + 8, { k: "teapot" }); // of a later version
  for (let i = 0; i < count; i += 1) {
    const turn = random() * Math.PI * 2;
    const far = 16 + random() * 74;
    const [x, y] = [WELL.x + Math.cos(turn) * far, WELL.y + Math.sin(turn) * far];
    const views = [{ k: "sheep" }, { k: "sheep" }, { k: "coin", gold: 1 + (i % 5) }, { k: "player", name: `Walker ${i}` }, { k: "mushroom" }];
    add(x, y, i === 0 ? { k: "wolf" } : views[i % views.length]);
  }
}

/** The stand-in; `stop()` ends it. */
export class Mock {
  static async start({ count = 120, port = 0 } = {}) {
    const http = createServer((request, response) => serve(request, response));
    http.listen(port, "127.0.0.1");
    await once(http, "listening");
    return new Mock(http, count);
  }

  constructor(http, count) {
    this.http = http;
    this.url = `http://127.0.0.1:${http.address().port}/`;
    this.entities = new Map();
    this.next = 1;
    this.tick = 0;
    this.sessions = new Set();
    this.commands = [];
    this.published = [];
    this.random = numbers(99);
    populate((x, y, view) => this.add(x, y, view), count);
    this.sockets = new WebSocketServer({ server: http, path: "/v1/ws", handleProtocols: (offered) => [...offered][0] });
    this.sockets.on("connection", (socket) => this.#connect(socket));
    this.timer = setInterval(() => this.#tick(), 1000 / HZ);
  }

  add(x, y, view) {
    const id = this.next;
    this.next += 1;
    this.entities.set(id, { id, x, y, view, target: null });
    return id;
  }

  async stop() {
    clearInterval(this.timer);
    for (const socket of this.sockets.clients) socket.terminate();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }

  #connect(socket) {
    const codec = Object.values(CODECS).find((one) => one.protocol === socket.protocol);
    const session = { cells: new Map(), input: 0, send: (message) => socket.send(codec.encode(message)) };
    socket.on("message", (data, binary) => this.#message(session, codec.decode(binary ? data : data.toString())));
    socket.on("close", () => this.sessions.delete(session));
  }

  #message(session, [kind, ...rest]) {
    if (kind === "hello") {
      session.name = rest[0].name;
      session.you = this.add(WELL.x + 4, WELL.y + 17, { k: "player", name: session.name });
      const welcome = { session: `s${session.you}`, resume: "r", resumed: false, last_command: 0 };
      session.send(["welcome", { ...welcome, tick_hz: HZ, cell: CELL, view_radius: RADIUS, you: session.you }]);
      this.sessions.add(session);
    } else if (kind === "ping") {
      session.send(["pong", rest[0], 1_700_000_100_000]);
    } else if (kind === "input") {
      session.input = rest[0];
      const [x, y] = rest[1].go ?? [];
      this.entities.get(session.you).target = rest[1] === "stop" ? null : { x, y };
    } else if (kind === "publish") {
      this.published.push(rest);
      session.events = (session.events ?? 0) + 1;
      session.send(["channel", session.events, rest[0], session.you, { name: session.name, text: rest[1] }]);
    } else if (kind === "command") {
      this.commands.push(rest[1]);
      this.#command(session, rest[0], rest[1]);
    }
  }

  #command(session, seq, command) {
    const me = this.entities.get(session.you);
    const ok = (reply) => session.send(["reply", seq, "ok", reply]);
    if (command === "me") {
      ok({ id: session.you, name: session.name, gold: 25, mushrooms: 2, at: [me.x, me.y] });
    } else if (command.pick && this.entities.has(command.pick)) {
      const { view } = this.entities.get(command.pick);
      this.entities.delete(command.pick);
      ok(view.k === "coin" ? { gold: view.gold } : { mushrooms: 3 });
    } else if (command.say) {
      ok({ heard: 1 });
      this.tell(session, { said: { from: session.you, name: session.name, text: command.say } });
    } else if (command.give) {
      ok({ gold: 25 - command.give.gold });
    } else {
      session.send(["reply", seq, "error", { code: "refused", message: "gone" }]);
    }
  }

  tell(session, event) {
    session.events = (session.events ?? 0) + 1;
    session.send(["event", session.events, event]);
  }

  #tick() {
    this.tick += 1;
    for (const entity of this.entities.values()) this.#move(entity);
    for (const session of this.sessions) this.#frame(session);
  }

  #move(entity) {
    const speed = { player: SPEED, sheep: 1.5, wolf: 4 }[entity.view.k];
    if (!speed) return;
    const mine = [...this.sessions].some((session) => session.you === entity.id);
    if (!entity.target && !mine && this.random() < 0.01) {
      entity.target = { x: entity.x + (this.random() - 0.5) * 30, y: entity.y + (this.random() - 0.5) * 30 };
    }
    if (!entity.target) return;
    const [dx, dy] = [entity.target.x - entity.x, entity.target.y - entity.y];
    const far = Math.hypot(dx, dy);
    const step = Math.min(1, speed / HZ / Math.max(far, 1e-9));
    entity.x += dx * step;
    entity.y += dy * step;
    if (step === 1) entity.target = null;
  }

  #frame(session) {
    const me = this.entities.get(session.you);
    const now = new Map();
    for (const entity of this.entities.values()) {
      if (Math.hypot(entity.x - me.x, entity.y - me.y) > RADIUS) continue;
      const cell = cellOf(entity);
      if (!now.has(cell)) now.set(cell, new Map());
      now.get(cell).set(entity.id, { ...entity });
    }
    const parts = [];
    for (const [cell, there] of now) {
      const known = session.cells.get(cell);
      const changed = [...there.values()].filter((e) => known?.get(e.id)?.x !== e.x || known?.get(e.id)?.y !== e.y);
      const gone = [...(known?.keys() ?? [])].filter((id) => !there.has(id)).map((id) => [id, null]);
      const told = changed.map((e) => (known?.has(e.id) ? [e.id, e.x, e.y] : [e.id, e.x, e.y, e.view]));
      if (told.length > 0 || gone.length > 0) parts.push([cell, known ? 0 : 1, told, gone]);
    }
    const forgotten = [...session.cells.keys()].filter((cell) => !now.has(cell));
    if (forgotten.length > 0) session.send(["forget", forgotten]);
    session.cells = now;
    session.send(["frame", this.tick, session.input, this.dilation ?? 1, parts]);
  }
}

async function serve(request, response) {
  const path = request.url === "/" ? "index.html" : request.url.slice(1);
  for (const folder of /^[\w.-]+$/.test(path) ? FOLDERS : []) {
    const body = await readFile(new URL(path, folder)).catch(() => null);
    if (body === null) continue;
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/plain", "content-security-policy": CSP });
    response.end(body);
    return;
  }
  response.writeHead(404).end();
}
