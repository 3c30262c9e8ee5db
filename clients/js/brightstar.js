// Lives here: a client of a Brightstar server: one session over as many sockets as it takes.
// Not here: numbering of commands (brightstar-commands.js), entities (brightstar-store.js), the
// clock of what is shown (brightstar-clock.js), MessagePack (brightstar-msgpack.js).
// Invariant: every promise of `command` settles, and exactly as the server says, or with an error
// that names why nobody can say.

import { Emitter, Timers, watchPage } from "./brightstar-base.js";
import { FrameClock } from "./brightstar-clock.js";
import { BrightstarError, Commands } from "./brightstar-commands.js";
import { decode, encode } from "./brightstar-msgpack.js";
import { Store } from "./brightstar-store.js";

export { BrightstarError, Commands } from "./brightstar-commands.js";
export { Entity, Store } from "./brightstar-store.js";
export { FrameClock } from "./brightstar-clock.js";

/** The two encodings of the protocol. */
export const CODECS = {
  msgpack: { protocol: "brightstar.v1.msgpack", encode, decode },
  json: { protocol: "brightstar.v1.json", encode: JSON.stringify, decode: JSON.parse },
};

const DEFAULTS = {
  codec: "json",
  connectMs: 10_000, // from opening a socket to `welcome`
  backoffMs: 250, // longest pause before the first new attempt; doubles
  backoffLimitMs: 8_000,
  pingMs: 2_000,
  silenceMs: 10_000, // no word for so long with a ping out: the socket is dead
  wakeMs: 3_000, // the same, when we have just woken up
  ackMs: 250, // events are acknowledged together
  inputMs: 50, // inputs are sent no faster; the newest wins
};
/** Sending less urgent things waits while the socket holds more unsent bytes than this. */
const SEND_BUFFER_LIMIT = 64 * 1024;
/** Errors after which another attempt makes no sense. */
const FINAL = new Set(["bad_message", "bad_login", "too_large", "taken_over", "unsupported"]);
/** Errors after which the first new attempt waits longer: the server asked for less. */
const GENTLE = new Set(["too_fast", "overloaded"]);
const GENTLE_MS = 1_000;

/**
 * A session with a Brightstar server. Tells of: state, welcome, event, channel, frame, latency.
 */
export class Client extends Emitter {
  #options;
  #codec;
  #socket = null;
  #commands = new Commands();
  #resume = null;
  #lastEvent = 0;
  #ackedEvent = 0;
  #inputSeq = 0;
  #input = null; // the newest input that is not sent yet: [seq, payload]
  #inputAt = -Infinity;
  #attempts = 0;
  #heardAt = 0;
  #pingAt = null;
  #pingNonce = 0;
  #timers = new Timers();
  #opening = null; // {resolve, reject} of connect()
  #refusal = null; // the `error` this socket was told
  #unwatch = () => {};

  constructor(options) {
    super();
    this.#options = { WebSocket: globalThis.WebSocket, now: () => performance.now(), ...DEFAULTS, ...options };
    this.#codec = CODECS[this.#options.codec];
    if (!this.#codec) throw new TypeError(`unknown codec ${this.#options.codec}`);
    this.state = "idle"; // connecting, online, reconnecting, closed
    this.session = null;
    this.you = null;
    this.tickHz = 20;
    this.cell = null;
    this.viewRadius = null;
    this.latency = null;
    this.dilation = 1;
    this.inputSeq = 0; // the newest input that the world has seen
    this.store = new Store();
    this.clock = new FrameClock();
    this.received = { bytes: 0, messages: 0, frames: 0 };
  }

  /** Connects and logs in. Later losses of the connection are repaired without a word from you. */
  connect() {
    if (this.state !== "idle" && this.state !== "closed") throw new Error("connect() was called already");
    this.#attempts = 0;
    this.#resume = null;
    this.#unwatch = watchPage(() => this.wake());
    this.#setState("connecting");
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.#open();
    });
  }

  /** Sends a command; the promise settles with its outcome, once that is durable. */
  command(payload) {
    if (this.state === "idle" || this.state === "closed") {
      return Promise.reject(new BrightstarError("closed", "there is no session"));
    }
    const outcome = this.#commands.add(payload);
    this.#flush();
    return outcome;
  }

  /** Steers: only the newest input counts, and it is sent at most every `inputMs`. Returns its number. */
  input(payload) {
    this.#inputSeq += 1;
    this.#input = [this.#inputSeq, payload];
    this.#flushInput();
    return this.#inputSeq;
  }

  /** Speaks on a channel. Returns false if that can't be sent now: channel messages do not wait. */
  publish(channel, payload) {
    if (this.state !== "online" || this.#socket.bufferedAmount > SEND_BUFFER_LIMIT) return false;
    this.#send(["publish", channel, payload]);
    return true;
  }

  /** The moment of the server that is to be shown now: for `store.show`. */
  showTime() {
    return this.clock.time(this.#options.now());
  }

  /** Logs out and ends the session; without a connection just now the server does so by itself, later. */
  close() {
    if (this.state === "online") this.#send(["bye"]);
    this.#end(new BrightstarError("closed", "the client logged out"));
  }

  /** Looks at once whether the connection is alive: after a sleep, or when the network came back. */
  wake() {
    if (this.state === "online") {
      if (this.#pingAt === null) this.#ping();
      this.#timers.set("silence", this.#options.wakeMs, () => this.#checkSilence(this.#options.wakeMs));
    } else if (this.state === "reconnecting" && !this.#socket) {
      this.#timers.set("retry", 0, () => this.#open());
    }
  }

  // ---- the socket -------------------------------------------------------------------------

  #open() {
    const { WebSocket, url, connectMs } = this.#options;
    let socket;
    try {
      socket = new WebSocket(url, this.#codec.protocol);
    } catch (error) {
      this.#end(new BrightstarError("bad_url", error.message));
      return;
    }
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#refusal = null;
    const mine = (handle) => (event) => {
      if (this.#socket === socket) handle(event);
    };
    socket.onopen = mine(() => this.#hello());
    socket.onmessage = mine((event) => this.#receive(event.data));
    socket.onclose = mine(() => this.#lost());
    socket.onerror = () => {}; // `close` follows and tells all there is to tell
    this.#timers.set("connect", connectMs, () => this.#drop());
  }

  #hello() {
    const { name, token } = this.#options;
    const hello = { name, token };
    if (this.#resume) Object.assign(hello, { resume: this.#resume, last: this.#lastEvent });
    this.#send(["hello", hello]);
  }

  #send(message) {
    this.#socket.send(this.#codec.encode(message));
  }

  /** Gives the socket up without waiting for its `close`, which a dead network delays for minutes. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#lost();
  }

  #lost() {
    this.#socket = null;
    this.#timers.stop("connect", "ping", "silence", "ack", "input");
    this.#pingAt = null;
    if (this.state === "closed") return;
    const refusal = this.#refusal;
    if (refusal?.code === "bad_login" && this.#resume) {
      // The session is over (its time had passed, or the server lost it): log in again.
      this.#resume = null;
    } else if (refusal && FINAL.has(refusal.code)) {
      this.#end(refusal);
      return;
    }
    if (this.#opening) {
      this.#end(refusal ?? new BrightstarError("unreachable", "the server can't be reached"));
      return;
    }
    this.#setState("reconnecting");
    const { backoffMs, backoffLimitMs, random = Math.random } = this.#options;
    const most = Math.min(backoffLimitMs, backoffMs * 2 ** Math.min(this.#attempts, 20));
    this.#attempts += 1;
    const least = refusal && GENTLE.has(refusal.code) ? GENTLE_MS : 0;
    this.#timers.set("retry", least + random() * most, () => this.#open());
  }

  #end(error) {
    if (this.state === "closed") return;
    const socket = this.#socket;
    this.#socket = null;
    this.#timers.stopAll();
    this.#unwatch();
    this.#setState("closed", error);
    socket?.close();
    this.#commands.fail(error);
    this.#opening?.reject(error);
    this.#opening = null;
  }

  // ---- what the server says ---------------------------------------------------------------

  #receive(data) {
    this.#heardAt = this.#options.now();
    this.received.messages += 1;
    this.received.bytes += data.byteLength ?? data.length;
    try {
      this.#handle(this.#codec.decode(data));
    } catch (error) {
      // Not the protocol: nothing that follows on this socket can be trusted.
      this.#end(new BrightstarError("bad_server", `a message can't be read: ${error.message}`));
    }
  }

  #handle(message) {
    switch (message[0]) {
      case "frame":
        return this.#frame(message);
      case "reply":
        this.#commands.reply(message[1], message[2], message[3]);
        return this.#flush();
      case "event":
        return this.#numbered(message[1], "event", [message[2]]);
      case "channel":
        return this.#numbered(message[1], "channel", [message[2], message[3], message[4]]);
      case "forget":
        return this.store.forget(message[1]);
      case "pong":
        return this.#pong(message[1], message[2]);
      case "welcome":
        return this.#welcome(message[1]);
      case "moved":
        [, this.#options.url, this.#resume] = message;
        this.#attempts = 0;
        return this.#drop();
      case "error":
        this.#refusal = new BrightstarError(message[1], message[2]);
        return this.#drop();
      default:
        return undefined; // a newer server may say more
    }
  }

  #welcome(welcome) {
    this.#timers.stop("connect");
    const before = this.session;
    this.#resume = welcome.resume;
    this.session = welcome.session;
    this.you = welcome.you ?? null;
    this.tickHz = welcome.tick_hz;
    this.cell = welcome.cell;
    this.viewRadius = welcome.view_radius;
    const continued = welcome.resumed && before !== null && this.#commands.resume(welcome.last_command);
    if (!continued) {
      const lost = "the session was lost: it is not known whether this command took effect";
      this.#commands.restart(welcome.last_command, new BrightstarError("session_lost", lost));
      this.#lastEvent = 0;
      this.#ackedEvent = 0;
    }
    this.store.period = 1000 / this.tickHz;
    this.store.expire();
    this.clock = new FrameClock(this.tickHz);
    this.#attempts = 0;
    this.#setState("online");
    this.#ping();
    this.emit("welcome", { resumed: continued });
    this.#opening?.resolve(this);
    this.#opening = null;
    this.#flush();
    this.#flushInput();
  }

  #frame([, tick, inputSeq, dilation, cells]) {
    this.received.frames += 1;
    this.inputSeq = inputSeq;
    this.dilation = dilation;
    this.clock.arrived(tick, this.#heardAt);
    this.store.frame(tick, cells);
    this.emit("frame", tick);
  }

  /** Events and channel messages: each is passed on once, in order, and acknowledged. */
  #numbered(n, name, values) {
    if (n > this.#lastEvent) {
      this.#lastEvent = n;
      this.emit(name, ...values);
    }
    if (!this.#timers.has("ack")) {
      this.#timers.set("ack", this.#options.ackMs, () => {
        if (this.state !== "online" || this.#lastEvent === this.#ackedEvent) return;
        this.#ackedEvent = this.#lastEvent;
        this.#send(["ack", this.#lastEvent]);
      });
    }
  }

  #pong(nonce, serverMs) {
    if (nonce !== this.#pingNonce || this.#pingAt === null) return;
    const took = this.#heardAt - this.#pingAt;
    this.#pingAt = null;
    this.latency = this.latency === null ? took : this.latency * 0.7 + took * 0.3;
    this.emit("latency", this.latency, serverMs);
  }

  // ---- what we send, and when --------------------------------------------------------------

  #flush() {
    if (this.state === "online") this.#commands.flush((seq, payload) => this.#send(["command", seq, payload]));
  }

  #flushInput() {
    if (this.state !== "online" || !this.#input || this.#timers.has("input")) return;
    const { now, inputMs } = this.#options;
    const wait = this.#inputAt + inputMs - now();
    const full = this.#socket.bufferedAmount > SEND_BUFFER_LIMIT;
    if (wait > 0 || full) {
      this.#timers.set("input", Math.max(wait, full ? inputMs : 0), () => this.#flushInput());
      return;
    }
    const input = this.#input;
    this.#input = null;
    this.#inputAt = now();
    this.#send(["input", ...input]);
  }

  #ping() {
    const { now, pingMs, silenceMs } = this.#options;
    if (this.#pingAt === null) {
      this.#pingAt = now();
      this.#pingNonce += 1;
      this.#send(["ping", this.#pingNonce]);
    }
    this.#timers.set("ping", pingMs, () => {
      if (!this.#checkSilence(silenceMs)) this.#ping();
    });
  }

  /** Gives up a socket that left a ping and all else unanswered for too long. */
  #checkSilence(limit) {
    const { now } = this.#options;
    if (this.#pingAt === null || now() - Math.max(this.#pingAt, this.#heardAt) < limit) return false;
    this.#drop();
    return true;
  }

  #setState(state, error = null) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state, error);
  }
}
