// Lives here: asking the server for its state again and again, also when it is away.
// Not here: what the answer means (model.js).
// Invariant: one question at a time; the next is asked after the answer, or after patience has ended.

/** From one question to the next, in milliseconds. */
export const EVERY_MS = 500;
/** Longest wait for an answer. */
export const PATIENCE_MS = 4_000;
/** Longest pause between questions to a server that is away. */
export const LONGEST_MS = 5_000;

export class Poll {
  /**
   * `get(signal)` asks and returns a promise of the answer, `told(answer)` takes it, `lost(error)`
   * hears of each question without an answer.
   */
  constructor({ get, told, lost, now = () => performance.now() }) {
    Object.assign(this, { get, told, lost, now });
    this.failures = 0;
    this.timer = null;
    this.abort = null;
  }

  start() {
    this.#ask();
  }

  stop() {
    clearTimeout(this.timer);
    this.abort?.abort(new Error("stopped"));
    this.abort = null;
    this.timer = null;
  }

  async #ask() {
    const begun = this.now();
    const abort = new AbortController();
    this.abort = abort;
    const patience = setTimeout(() => abort.abort(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    try {
      const answer = await this.get(abort.signal);
      if (this.abort !== abort) return;
      this.told(answer);
      this.failures = 0;
    } catch (error) {
      if (this.abort !== abort) return;
      this.failures += 1;
      this.lost(abort.signal.aborted ? abort.signal.reason : error);
    } finally {
      clearTimeout(patience);
    }
    this.timer = setTimeout(() => this.#ask(), Math.max(0, this.#pause() - (this.now() - begun)));
  }

  /** Twice as long after each failure, up to a limit. */
  #pause() {
    return Math.min(LONGEST_MS, EVERY_MS * 2 ** this.failures);
  }
}
