// Lives here: a session's commands on their way: numbers, window, queue, replay after a reconnect.
// Not here: sockets (brightstar.js).
// Invariant: a command keeps its number for as long as it is unanswered, numbers have no gaps, and
// at most `window` of them are with the server.

/** An error with a code of the protocol, or one of this client's own. */
export class BrightstarError extends Error {
  constructor(code, message) {
    super(message || code);
    this.name = "BrightstarError";
    this.code = code;
  }
}

/** Commands the server takes before it has answered any: the protocol's window. */
export const WINDOW = 64;
/** Commands that may wait behind the window before more are refused. */
export const QUEUE_LIMIT = 1024;

/** The unanswered commands of one session. */
export class Commands {
  constructor({ window = WINDOW, limit = QUEUE_LIMIT } = {}) {
    this.window = window;
    this.limit = limit;
    this.next = 1;
    this.underway = 0;
    this.pending = new Map(); // seq -> {payload, resolve, reject, sent}, in order of seq
  }

  /** Numbers a command; its promise settles with the server's answer. */
  add(payload) {
    if (this.pending.size >= this.window + this.limit) {
      const waiting = `${this.pending.size} commands are unanswered already`;
      return Promise.reject(new BrightstarError("queue_full", waiting));
    }
    return new Promise((resolve, reject) => {
      this.pending.set(this.next, { payload, resolve, reject, sent: false });
      this.next += 1;
    });
  }

  /** Hands each command that fits the window to `send(seq, payload)`, oldest first. */
  flush(send) {
    if (this.underway >= this.window || this.underway === this.pending.size) return;
    for (const [seq, command] of this.pending) {
      if (this.underway >= this.window) return;
      if (command.sent) continue;
      command.sent = true;
      this.underway += 1;
      send(seq, command.payload);
    }
  }

  /** Settles a command. An answer to none of ours (sent twice after a resume) is ignored. */
  reply(seq, status, body) {
    const command = this.pending.get(seq);
    if (!command) return false;
    this.pending.delete(seq);
    if (command.sent) this.underway -= 1;
    if (status === "ok") command.resolve(body);
    else command.reject(new BrightstarError(body?.code ?? "internal", body?.message ?? ""));
    return true;
  }

  /**
   * The session goes on over a new socket: all that is unanswered will be sent again. Returns
   * false if the server's numbering can't be continued with ours.
   */
  resume(lastCommand) {
    for (const command of this.pending.values()) command.sent = false;
    this.underway = 0;
    const first = this.pending.size > 0 ? this.pending.keys().next().value : this.next;
    return first <= lastCommand + 1 && this.next > lastCommand;
  }

  /** A new session begins after `lastCommand`; what was unanswered is rejected: its fate is unknown. */
  restart(lastCommand, error) {
    this.fail(error);
    this.next = lastCommand + 1;
  }

  /** Rejects all that is unanswered. */
  fail(error) {
    const commands = [...this.pending.values()];
    this.pending.clear();
    this.underway = 0;
    for (const command of commands) command.reject(error);
  }
}
