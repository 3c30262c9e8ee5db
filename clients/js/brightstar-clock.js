// Lives here: which moment of the server to show now, so that motion is smooth although frames
// come unevenly.
// Not here: the positions themselves (brightstar-store.js).
// Invariant: the moment shown never goes back, except when a new connection starts the clock anew.

/** Frames looked back at: three seconds at 20 Hz. */
const WINDOW = 60;
/** Shortest and longest time we show things late, in milliseconds. */
const MIN_DELAY = 100;
const MAX_DELAY = 400;
/** Share of a second per second by which the clock may be hurried or slowed. */
const SLEW = 0.08;
/** A clock that is off by more than this is set at once. */
const SNAP_MS = 750;

/** Follows the server's ticks by their times of arrival. */
export class FrameClock {
  constructor(tickHz = 20) {
    this.period = 1000 / tickHz;
    this.reset();
  }

  /** Begins anew with the next frame. */
  reset() {
    this.offsets = [];
    this.goal = null;
    this.offset = null;
    this.asked = 0;
    this.delay = MIN_DELAY;
    this.jitter = 0;
  }

  /** A frame of `tick` arrived at `now` milliseconds. */
  arrived(tick, now) {
    const offset = now - tick * this.period;
    this.offsets.push(offset);
    if (this.offsets.length > WINDOW) this.offsets.shift();
    const sorted = Float64Array.from(this.offsets).sort();
    const late = sorted[Math.floor((sorted.length - 1) * 0.95)];
    this.jitter = late - sorted[0];
    const wanted = 1.5 * this.period + 1.25 * this.jitter;
    this.delay = Math.min(MAX_DELAY, Math.max(MIN_DELAY, wanted));
    this.goal = sorted[0] + this.delay;
  }

  /** The server's time, in milliseconds of its ticks, that is to be shown at `now`. */
  time(now) {
    if (this.goal === null) return 0;
    const passed = Math.max(0, now - this.asked);
    this.asked = now;
    if (this.offset === null || Math.abs(this.goal - this.offset) > SNAP_MS) {
      this.offset = this.goal;
    } else {
      const most = passed * SLEW;
      this.offset += Math.min(most, Math.max(-most, this.goal - this.offset));
    }
    return now - this.offset;
  }
}
