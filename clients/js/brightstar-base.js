// Lives here: listeners, named timers, and word of a page's waking up.
// Not here: anything of the protocol.

/** Calls listeners by name. */
export class Emitter {
  #listeners = new Map();

  /** Calls `listener` on each `name` from now on. Returns a function that ends it. */
  on(name, listener) {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener));
    return () => all.delete(listener);
  }

  emit(name, ...values) {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(...values);
      } catch (error) {
        // A listener's fault must not look like a fault of the server: it is shown as uncaught.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Timers by name; setting one again replaces it. */
export class Timers {
  #handles = new Map();

  set(name, ms, act) {
    this.stop(name);
    const handle = setTimeout(() => {
      this.#handles.delete(name);
      act();
    }, ms);
    this.#handles.set(name, handle);
  }

  has(name) {
    return this.#handles.has(name);
  }

  stop(...names) {
    for (const name of names) {
      clearTimeout(this.#handles.get(name));
      this.#handles.delete(name);
    }
  }

  stopAll() {
    this.stop(...this.#handles.keys());
  }
}

/**
 * In a page: calls `wake` when it is seen again, thaws (browsers freeze tabs behind others), or the
 * network is back. Returns how to end it.
 */
export function watchPage(wake) {
  const { document } = globalThis;
  if (!document || !globalThis.addEventListener) return () => {};
  const woken = () => {
    if (document.visibilityState !== "hidden") wake();
  };
  const watched = [
    [document, "visibilitychange"],
    [document, "resume"],
    [globalThis, "online"],
    [globalThis, "pageshow"],
  ];
  for (const [target, name] of watched) target.addEventListener(name, woken);
  return () => {
    for (const [target, name] of watched) target.removeEventListener(name, woken);
  };
}
