// Lives here: what the client knows of the world: entities by cell, from frames, and where to draw
// them between two frames.
// Not here: sockets and codecs (brightstar.js), the clock that says which moment to show (brightstar-clock.js).
// Invariant: an entity is listed once, in one cell, whatever order the parts of a crossing come in.

/** How long an entity that walked into a cell we have not heard from yet is still drawn. */
const CROSSING_MS = 250;
/** How long what was known before a reconnect is drawn while the new frames come in. */
const RESET_MS = 600;
/** Positions kept per entity: enough for the largest delay of the clock at 60 Hz. */
const TRACK_LIMIT = 32;
/** A jump further than this is shown as a jump, not as a slide. */
const JUMP_METRES = 12;

/** One entity as last told: `x`, `y` newest; `shown` where to draw it now. */
export class Entity {
  constructor(id) {
    this.id = id;
    this.cell = null;
    this.x = 0;
    this.y = 0;
    this.view = null;
    this.shown = { x: 0, y: 0 };
    this.claims = []; // [{cell, x, y}]: the cells that list it, newest last; nearly always one
    this.track = []; // [{t, x, y}], t in server milliseconds
    this.until = 0; // when it has left: the moment up to which it is drawn
    this.crossing = false; // it has left one cell, and word of the next one is to come
  }

  moveTo(x, y, t, period) {
    this.x = x;
    this.y = y;
    const track = this.track;
    const last = track[track.length - 1];
    if (last && t <= last.t) {
      last.x = x;
      last.y = y;
      return;
    }
    if (last && Math.hypot(x - last.x, y - last.y) > JUMP_METRES) track.length = 0;
    // No word for a while means that it stood still: it starts from there one tick ago.
    else if (last && t - last.t > 1.5 * period) track.push({ t: t - period, x: last.x, y: last.y });
    track.push({ t, x, y });
    if (track.length > TRACK_LIMIT) track.splice(0, track.length - TRACK_LIMIT);
  }

  /** Sets `shown` to the place at the server's time `t`. */
  showAt(t) {
    const { track, shown } = this;
    let i = track.length - 1;
    while (i > 0 && track[i].t > t) i -= 1;
    const a = track[i];
    const b = track[i + 1];
    if (!a) return;
    if (!b || t <= a.t) {
      shown.x = a.x;
      shown.y = a.y;
      return;
    }
    const part = (t - a.t) / (b.t - a.t);
    shown.x = a.x + (b.x - a.x) * part;
    shown.y = a.y + (b.y - a.y) * part;
  }
}

/** The cells in view and their entities. */
export class Store {
  constructor(tickHz = 20) {
    this.period = 1000 / tickHz;
    this.entities = new Map(); // id -> Entity: what is in view now
    this.cells = new Map(); // cell -> Set of ids that it lists
    this.leaving = new Map(); // id -> Entity: not in view any more, drawn for a moment longer
    this.tick = 0;
    this.stale = false;
    this.unknown = 0; // entities told to have moved before anyone told what they are
  }

  /** What is known is of an earlier connection: the next frame replaces all of it. */
  expire() {
    this.stale = true;
  }

  /** Forgets everything at once. */
  clear() {
    this.entities.clear();
    this.cells.clear();
    this.leaving.clear();
  }

  /** The entity of that id, also while it is between two cells; undefined if it is not in view. */
  find(id) {
    const entity = this.entities.get(id) ?? this.leaving.get(id);
    return entity?.cell === null && !entity.crossing ? undefined : entity;
  }

  /** Takes a frame: `[cell, full, entities, gone]` each, in order. */
  frame(tick, cells) {
    const t = tick * this.period;
    this.tick = tick;
    if (this.stale) this.#restart(t);
    for (const [cell, full, entities, gone] of cells) {
      let listed = this.cells.get(cell);
      if (!listed) this.cells.set(cell, (listed = new Set()));
      if (full) this.#replace(cell, listed, entities, t);
      for (const [id, x, y, view] of entities) {
        listed.add(id);
        this.#claim(id, cell, x, y, view, t);
      }
      for (const [id, to] of gone) {
        if (listed.delete(id)) this.#release(id, cell, to === null ? t : t + CROSSING_MS, t);
      }
    }
  }

  /** Takes a `forget`: these cells are no longer in view. */
  forget(cells) {
    const t = this.tick * this.period;
    for (const cell of cells) {
      for (const id of this.cells.get(cell) ?? []) this.#release(id, cell, t, t);
      this.cells.delete(cell);
    }
  }

  /**
   * Places every entity for the server's time `t` and calls `see` with each, those included that
   * have left but whose leaving is not yet to be seen.
   */
  show(t, see) {
    for (const entity of this.entities.values()) {
      entity.showAt(t);
      see(entity);
    }
    for (const [id, entity] of this.leaving) {
      if (t >= entity.until) {
        this.leaving.delete(id);
      } else {
        entity.showAt(t);
        see(entity);
      }
    }
  }

  #restart(t) {
    this.stale = false;
    for (const [id, entity] of this.entities) {
      // Ticks of the new connection may count from anywhere: only the place is still true.
      entity.track = [{ t, x: entity.x, y: entity.y }];
      entity.claims = [];
      entity.cell = null;
      entity.until = t + RESET_MS;
      entity.crossing = true;
      this.leaving.set(id, entity);
    }
    this.entities.clear();
    this.cells.clear();
  }

  /** A full cell: what it does not list is not there. */
  #replace(cell, listed, entities, t) {
    const now = new Set(entities.map((entity) => entity[0]));
    for (const id of listed) {
      if (now.has(id)) continue;
      listed.delete(id);
      this.#release(id, cell, t, t);
    }
  }

  #claim(id, cell, x, y, view, t) {
    let entity = this.entities.get(id);
    if (!entity) {
      entity = this.leaving.get(id) ?? new Entity(id);
      entity.crossing = false;
      this.leaving.delete(id);
      this.entities.set(id, entity);
    }
    if (view !== undefined) entity.view = view;
    else if (entity.view === null) this.unknown += 1;
    const last = entity.claims[entity.claims.length - 1];
    if (last?.cell === cell) {
      last.x = x;
      last.y = y;
    } else {
      if (last) entity.claims = entity.claims.filter((claim) => claim.cell !== cell);
      entity.claims.push({ cell, x, y });
    }
    entity.cell = cell;
    entity.moveTo(x, y, t, this.period);
  }

  /** A cell no longer lists the entity. It stays where another one does. */
  #release(id, cell, until, t) {
    const entity = this.entities.get(id);
    if (!entity) return;
    entity.claims = entity.claims.filter((claim) => claim.cell !== cell);
    const last = entity.claims[entity.claims.length - 1];
    if (last) {
      const moved = entity.cell !== last.cell;
      entity.cell = last.cell;
      if (moved) entity.moveTo(last.x, last.y, t, this.period);
      return;
    }
    entity.cell = null;
    entity.until = until;
    entity.crossing = until > t;
    this.entities.delete(id);
    this.leaving.set(id, entity);
  }
}
