// Lives here: the player's side of the rules: own motion ahead of the server's word, the purse,
// picking up, talking, giving.
// Not here: pictures (draw.js), pages (hud.js), keys (input.js), sockets (brightstar.js).
// Invariant: the purse shows only what the server said; only the own place is guessed, and drawn
// to the server's within moments.

import { Client } from "./brightstar.js";
import { Emitter } from "./brightstar-base.js";
import { METRES } from "./terrain.js";

/** The rules' numbers, as in worlds/meadow/src/rules.rs. */
export const SPEED = 6;
const REACH = 3;
export const MAX_TEXT = 200;

/** Picked up by itself within this: a little less than the reach, since the server's word is old. */
const AUTO_REACH = 2.6;
/** Pauses between attempts at one thing, and attempts underway at once. */
const PICK_AGAIN_MS = 700;
const PICKS_UNDERWAY = 4;
/** What was dropped is not picked up again before we went this far away. */
const DROP_AWAY = 5;
/** Keys: how far ahead we steer, and how often we say so. */
const STEER_METRES = 5;
const STEER_MS = 120;
/** Own motion: what is remembered, what is left alone, drawn near, or set at once. */
const HISTORY_MS = 1500;
const ERROR_IGNORED = 0.12;
const ERROR_SNAP = 6;
const ERROR_DRAWN = 0.12;
/** From an input's arrival to the frame that shows it. */
const TICK_LAG_MS = 60;

const clamp = (value) => Math.min(METRES - 0.01, Math.max(0, value));

/** The channel that all players hear. */
const WORLD = "world";

/** One player's game. Tells of: state, name, purse, said (near), told (to all), given, picked, refused. */
export class Game extends Emitter {
  /** Logs in by `token` where there is one, else by `name`. */
  constructor({ url, name, token, codec }) {
    super();
    this.client = new Client({ url, name: name ?? undefined, token: token ?? undefined, codec });
    this.name = name;
    this.gold = null;
    this.mushrooms = 0;
    this.self = null; // {x, y}: where we draw ourselves; null before the server's first word
    this.target = null;
    this.autoPick = true;
    this.mark = null;
    this.skew = 0; // the server's clock less ours, in milliseconds
    this.history = [];
    this.steering = null;
    this.steeredAt = 0;
    this.attempts = new Map(); // id -> when it was last tried
    this.underway = 0;
    this.taken = new Set(); // picked up by us, but frames still show them
    this.dropped = new Set();
    this.client.on("state", (state, error) => this.emit("state", state, error));
    this.client.on("welcome", () => this.#ask());
    this.client.on("event", (event) => this.#event(event));
    this.client.on("channel", (channel, from, message) => {
      if (channel === WORLD) this.emit("told", { from, ...message });
    });
    this.client.on("frame", () => this.#reconcile());
    this.client.on("latency", (_, serverMs) => {
      this.skew = serverMs - performance.now();
    });
  }

  get you() {
    return this.client.you;
  }

  /** The server's time in milliseconds, for the light of the day. */
  clock() {
    return performance.now() + this.skew;
  }

  async join() {
    await this.client.connect();
  }

  leave() {
    this.client.close();
  }

  // ---- walking ------------------------------------------------------------------------------

  walkTo(x, y) {
    this.target = { x: clamp(x), y: clamp(y) };
    this.client.input({ go: [this.target.x, this.target.y] });
  }

  /** Walks in a direction for as long as this is called; null: the keys were let go. */
  steer(direction, now) {
    if (!this.self) return;
    if (!direction) {
      // To where we see ourselves stand, so that the server ends at the same place.
      if (this.steering) this.walkTo(this.self.x, this.self.y);
      this.steering = null;
      return;
    }
    const turned = !this.steering || this.steering.x !== direction.x || this.steering.y !== direction.y;
    this.target = {
      x: clamp(this.self.x + direction.x * STEER_METRES),
      y: clamp(this.self.y + direction.y * STEER_METRES),
    };
    if (turned || now - this.steeredAt > STEER_MS) {
      this.steeredAt = now;
      this.client.input({ go: [this.target.x, this.target.y] });
    }
    this.steering = direction;
  }

  stop() {
    this.steering = null;
    if (!this.target) return;
    this.target = null;
    this.client.input("stop");
  }

  /** A moment passes: we walk on, and pick up what is near. */
  step(now, seconds) {
    if (!this.self) return;
    const { self, target } = this;
    if (target) {
      const [dx, dy] = [target.x - self.x, target.y - self.y];
      const far = Math.hypot(dx, dy);
      const most = SPEED * this.client.dilation * seconds;
      if (far <= most) {
        Object.assign(self, target);
        if (!this.steering) this.target = null;
      } else {
        self.x += (dx / far) * most;
        self.y += (dy / far) * most;
      }
    }
    this.history.push({ t: now, x: self.x, y: self.y });
    while (this.history[0].t < now - HISTORY_MS) this.history.shift();
    if (this.autoPick) this.#pickNear(now);
  }

  /** Draws us to where the server saw us, comparing with where we were then. */
  #reconcile() {
    const seen = this.client.store.find(this.you);
    if (!seen) return;
    if (!this.self) {
      this.self = { x: seen.x, y: seen.y };
      return;
    }
    const then = performance.now() - (this.client.latency ?? 0) - TICK_LAG_MS;
    const past = this.history.findLast((entry) => entry.t <= then) ?? this.history[0] ?? this.self;
    const [dx, dy] = [seen.x - past.x, seen.y - past.y];
    const far = Math.hypot(dx, dy);
    if (far < ERROR_IGNORED && this.target) return;
    const part = far > ERROR_SNAP ? 1 : ERROR_DRAWN;
    for (const place of [this.self, ...this.history]) {
      place.x += dx * part;
      place.y += dy * part;
    }
  }

  // ---- commands -----------------------------------------------------------------------------

  async #ask() {
    try {
      const me = await this.client.command("me");
      this.name = me.name;
      this.emit("name");
      this.gold = me.gold;
      this.mushrooms = me.mushrooms;
      this.self ??= { x: me.at[0], y: me.at[1] };
      this.emit("purse");
    } catch (error) {
      // A lost session asks again when it is welcomed; all else is worth a word.
      if (error.code !== "session_lost" && error.code !== "closed") this.emit("refused", error);
    }
  }

  #event(event) {
    if (event.said) this.emit("said", event.said);
    if (event.given) {
      if (this.gold !== null) this.gold += event.given.gold;
      this.emit("purse");
      this.emit("given", event.given);
    }
  }

  #pickNear(now) {
    const seen = this.client.store.find(this.you);
    if (!seen || this.client.state !== "online") return;
    for (const [id, entity] of this.client.store.entities) {
      const k = entity.view?.k;
      if ((k !== "coin" && k !== "mushroom") || this.taken.has(id)) continue;
      const far = Math.hypot(entity.x - seen.x, entity.y - seen.y);
      if (this.dropped.has(id)) {
        if (far > DROP_AWAY) this.dropped.delete(id);
      } else if (far < AUTO_REACH && this.underway < PICKS_UNDERWAY && now - (this.attempts.get(id) ?? -1e9) > PICK_AGAIN_MS) {
        this.attempts.set(id, now);
        this.pick(id).catch((error) => this.#refusedPick(error));
      }
    }
    if (this.attempts.size > 500) this.attempts.clear();
  }

  /** Somebody was faster, or we were not quite there: no word of that. */
  #refusedPick(error) {
    const usual = error.code === "refused" || error.code === "session_lost" || error.code === "closed";
    if (!usual) this.emit("refused", error);
  }

  /** Picks up a coin or mushroom; resolves to the server's reply. */
  async pick(id) {
    const entity = this.client.store.entities.get(id);
    const place = entity && { x: entity.x, y: entity.y };
    this.underway += 1;
    try {
      const reply = await this.client.command({ pick: id });
      if (reply.gold !== undefined && this.gold !== null) this.gold += reply.gold;
      if (reply.mushrooms !== undefined) this.mushrooms = reply.mushrooms;
      this.taken.add(id);
      this.emit("picked", { ...reply, ...place });
      this.emit("purse");
      return reply;
    } finally {
      this.underway -= 1;
    }
  }

  async drop(gold) {
    const { id } = await this.client.command({ drop: { gold } });
    this.dropped.add(id);
    if (this.gold !== null) this.gold -= gold;
    this.emit("purse");
    return id;
  }

  async give(to, gold) {
    const { gold: left } = await this.client.command({ give: { to, gold } });
    this.gold = left;
    this.emit("purse");
    return left;
  }

  async say(text) {
    return (await this.client.command({ say: text })).heard;
  }

  /** Says something to all. There is no answer: returns false if it can't be sent now. */
  sayToAll(text) {
    return this.client.publish(WORLD, text);
  }

  /** Whether a thing can be picked up from where the server sees us. */
  reaches(id) {
    const [thing, seen] = [this.client.store.entities.get(id), this.client.store.find(this.you)];
    return Boolean(thing && seen && Math.hypot(thing.x - seen.x, thing.y - seen.y) < REACH);
  }

  /** Everything to draw now, ourselves where we walk. */
  things() {
    const { client, self, taken } = this;
    const things = [];
    client.store.show(client.showTime(), ({ id, view, shown }) => {
      if (view === null || taken.has(id)) return;
      const { x, y } = id === client.you && self ? self : shown;
      things.push({ id, x, y, view });
    });
    for (const id of taken) if (!client.store.entities.has(id)) taken.delete(id);
    return things;
  }
}
