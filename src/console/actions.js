// Lives here: the drawer with the operator's token and what it allows: move, split, merge, pin.
// Not here: whether that is possible or allowed; the server says so, and its answer is shown.
// Invariant: the token is kept in this object only: never stored, never shown, gone with the page.

import { setText } from "./figures.js";
import { change, state } from "./words.js";

/** Longest wait for the answer to an action. */
const PATIENCE_MS = 30_000;

const $ = (id) => document.getElementById(id);

export class Actions {
  /** `post(action, body, token, signal)` resolves to `{ok, status, body}`. */
  constructor(post) {
    this.post = post;
    this.token = "";
    this.busy = false;
    this.state = null;
    this.chosen = null;
    $("token-form").addEventListener("submit", (event) => this.#unlock(event));
    $("lock").addEventListener("click", () => this.#lock());
    $("move").addEventListener("click", () => this.#act("move", { worker: Number($("move-to").value) }));
    $("split").addEventListener("click", () => this.#act("split"));
    $("merge").addEventListener("click", () => this.#act("merge"));
    $("pin").addEventListener("click", () => this.#act("pin", { pinned: !this.#region()?.pinned }));
  }

  show(state, chosen) {
    this.state = state;
    this.chosen = chosen;
    const region = this.#region();
    setText($("chosen"), region ? `Region ${region.id}` : "Choose a region on the map.");
    this.#threads(state.workers, region);
    setText($("pin"), region?.pinned ? "Unpin" : "Pin");
    const right = this.#right(region);
    setText($("merge"), right ? `Merge with ${right.id}` : "Merge");
    for (const id of ["split", "pin"]) $(id).disabled = this.busy || !region;
    for (const id of ["move", "move-to"]) $(id).disabled = this.busy || !region || state.workers.length < 2;
    $("merge").disabled = this.busy || !right;
  }

  #region() {
    return this.state?.regions.find(({ id }) => id === this.chosen) ?? null;
  }

  /** The neighbour to the right on the line. */
  #right(region) {
    return region ? (this.state.regions.find(({ from }) => from === region.to) ?? null) : null;
  }

  /** The threads that the region could move to; made anew only when they differ. */
  #threads(workers, region) {
    const others = workers.map(({ worker }) => worker).filter((worker) => worker !== region?.worker);
    const key = others.join();
    if ($("move-to").dataset.key === key) return;
    $("move-to").dataset.key = key;
    $("move-to").replaceChildren(...others.map((worker) => new Option(`thread ${worker}`, String(worker))));
  }

  #unlock(event) {
    event.preventDefault();
    const token = $("token").value.trim();
    $("token").value = "";
    if (!token) return;
    this.token = token;
    this.#locked(false);
    setText($("answer"), "");
    $("actions").focus();
  }

  #lock() {
    this.#forget();
    setText($("answer"), "");
    $("token").focus();
  }

  #forget() {
    this.token = "";
    this.#locked(true);
  }

  #locked(is) {
    $("token-form").hidden = !is;
    $("actions").hidden = is;
  }

  async #act(action, more = {}) {
    const region = this.#region();
    if (!region || this.busy) return;
    this.busy = true;
    this.show(this.state, this.chosen);
    this.#answer("", `${action}: asking …`);
    try {
      const answer = await this.post(action, { region: region.id, ...more }, this.token, AbortSignal.timeout(PATIENCE_MS));
      if (answer.ok) this.#answer("good", done(action, region.id, more, answer.body));
      else this.#answer("bad", `${action}: ${refusal(answer)}`);
      if (answer.status === 401 || answer.status === 403) this.#forget();
    } catch (error) {
      this.#answer("bad", `${action}: ${error.message}. It is not known whether it was done.`);
    } finally {
      this.busy = false;
      this.show(this.state, this.chosen);
    }
  }

  #answer(kind, text) {
    $("answer").dataset.kind = kind;
    setText($("answer"), text);
  }
}

/** What was done, in words. */
function done(action, id, { pinned }, answer) {
  if (action === "pin") return `Region ${id} is ${pinned ? "pinned" : "no longer pinned"}.`;
  return answer?.change ? `${change(answer)} – ${state(answer.state)}.` : `${action}: done.`;
}

/** Why it was not done, in words. */
function refusal({ status, body }) {
  const error = body?.error;
  return error?.message ?? error?.code ?? `the server answered ${status}`;
}
