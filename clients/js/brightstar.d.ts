// Lives here: the types of brightstar.js. Not here: the payloads; each world has its own.

/** A code of the protocol, or one of the client's own. */
export type ErrorCode =
  | "bad_message" | "bad_login" | "too_large" | "too_fast" | "too_slow" | "taken_over"
  | "overloaded" | "draining" | "unsupported" | "internal"
  /** The world said no; the message is the world's. */
  | "refused" | "timeout" | "failed"
  /** The session could not be resumed: nobody can say whether the command took effect. */
  | "session_lost"
  /** Too many commands are unanswered. */
  | "queue_full"
  /** There is no session (any more). */
  | "closed"
  | "unreachable" | "bad_url" | "bad_server";

export class BrightstarError extends Error {
  constructor(code: ErrorCode, message?: string);
  readonly code: ErrorCode;
}

export type Codec = "json" | "msgpack";

/** The two encodings: `protocol` is the WebSocket's subprotocol. */
export const CODECS: Record<
  Codec,
  { protocol: string; encode(message: unknown): string | Uint8Array; decode(data: any): unknown }
>;

export interface Options {
  /** For example `ws://127.0.0.1:7777/v1/ws`. */
  url: string;
  /** The name of a guest. */
  name?: string;
  /** A JWT, where the server wants one. */
  token?: string;
  /** Default: json. */
  codec?: Codec;
  /** Default: the browser's, or Node's where it has one. */
  WebSocket?: unknown;
  /** A steady clock in milliseconds. Default: `performance.now`. */
  now?: () => number;
  /** Random numbers in [0, 1) that spread reconnects. Default: `Math.random`. */
  random?: () => number;
  /** From opening a socket to `welcome`. Default 10,000. */
  connectMs?: number;
  /** Longest pause before the first new attempt; doubles from there. Default 250. */
  backoffMs?: number;
  /** Longest pause of all. Default 8,000. */
  backoffLimitMs?: number;
  /** Between pings. Default 2,000. */
  pingMs?: number;
  /** Silence after which a socket counts as dead. Default 10,000. */
  silenceMs?: number;
  /** The same, just after waking up. Default 3,000. */
  wakeMs?: number;
  /** Events are acknowledged together after so long. Default 250. */
  ackMs?: number;
  /** Shortest time between two inputs sent. Default 50. */
  inputMs?: number;
}

export type State = "idle" | "connecting" | "online" | "reconnecting" | "closed";

export interface Listeners<Event = unknown, Message = unknown> {
  /** `error` is set with `closed`. */
  state(state: State, error: BrightstarError | null): void;
  /** After each login. `resumed`: the same session goes on, unanswered commands are sent again. */
  welcome(welcome: { resumed: boolean }): void;
  event(event: Event): void;
  /** `from`: the entity that said it; null: the world itself. */
  channel(name: string, from: number | null, message: Message): void;
  frame(tick: number): void;
  /** Milliseconds there and back, smoothed, and the server's clock. */
  latency(ms: number, serverMs: number): void;
}

/** An entity as last told; `shown` is where `Store.show` placed it for the moment drawn. */
export class Entity<View = any> {
  readonly id: number;
  /** The cell that lists it; null once it has left. */
  readonly cell: number | null;
  readonly x: number;
  readonly y: number;
  /** What the world shows of it; null before anyone told. */
  readonly view: View | null;
  /** It has left one cell, and word of the next one is to come. */
  readonly crossing: boolean;
  readonly shown: { x: number; y: number };
}

export class Store<View = any> {
  constructor(tickHz?: number);
  /** What is in view now, by id. */
  readonly entities: Map<number, Entity<View>>;
  /** The cells in view, and the ids that each lists. */
  readonly cells: Map<number, Set<number>>;
  /** The newest frame's tick. */
  readonly tick: number;
  /** Entities told to have moved before anyone told what they are: a fault of the server. */
  readonly unknown: number;
  /** The entity of that id, also in the moment between two cells, when no cell lists it. */
  find(id: number): Entity<View> | undefined;
  /** Takes the cells of a frame. */
  frame(tick: number, cells: FrameCell<View>[]): void;
  /** Takes a `forget`. */
  forget(cells: number[]): void;
  /** The next frame replaces all that is known. */
  expire(): void;
  /** Forgets everything at once. */
  clear(): void;
  /** Places every entity for a moment of the server and calls `see` with each. */
  show(time: number, see: (entity: Entity<View>) => void): void;
}

/** `[cell, full, entities, gone]`. */
export type FrameCell<View = any> = [
  cell: number,
  full: 0 | 1,
  entities: [id: number, x: number, y: number, view?: View][],
  gone: [id: number, toCell: number | null][],
];

/** Which moment of the server to show now. */
export class FrameClock {
  constructor(tickHz?: number);
  /** How late things are shown, and how unevenly frames come, in milliseconds. */
  readonly delay: number;
  readonly jitter: number;
  /** A frame arrived at `now` milliseconds. */
  arrived(tick: number, now: number): void;
  /** The server's time to show at `now`. */
  time(now: number): number;
  /** Begins anew with the next frame. */
  reset(): void;
}

/** A session with a Brightstar server. */
export class Client<Command = any, Reply = any, Input = any, Event = any, View = any> {
  constructor(options: Options);
  readonly state: State;
  readonly session: string | null;
  /** The id of the session's own entity. */
  readonly you: number | null;
  readonly tickHz: number;
  /** The side of a cell, in metres. */
  readonly cell: number | null;
  /** How far the session sees, in metres. */
  readonly viewRadius: number | null;
  /** Milliseconds there and back, smoothed; null before the first answer. */
  readonly latency: number | null;
  /** How fast the world's time passes, of 1: less when a region is overloaded. */
  readonly dilation: number;
  /** The number of the newest input that the world has seen. */
  readonly inputSeq: number;
  readonly store: Store<View>;
  readonly clock: FrameClock;
  readonly received: { bytes: number; messages: number; frames: number };

  /** Calls `listener` from now on; returns a function that ends it. */
  on<Name extends keyof Listeners>(name: Name, listener: Listeners<Event>[Name]): () => void;
  /** Connects and logs in; from then on the connection is repaired by itself. */
  connect(): Promise<this>;
  /** Settles with the outcome, once that is durable. Takes effect exactly once. */
  command<R extends Reply = Reply>(payload: Command): Promise<R>;
  /** The newest input wins. Returns its number. */
  input(payload: Input): number;
  /** False if it can't be sent now. */
  publish(channel: string, payload: unknown): boolean;
  /** The moment to show now: for `store.show`. */
  showTime(): number;
  /** Looks at once whether the connection is alive. In pages this is called for you. */
  wake(): void;
  /** Logs out and ends the session. Without a connection just now the server ends it by itself, later. */
  close(): void;
}
