// Lives here: the village that is seen behind the start screen: for show, no server behind it.
// Not here: the real villages; those come from the server.

import { VILLAGES, hash } from "./terrain.js";

const FIRST_ID = 1;

/** Things around the first village, at `time` seconds. */
export function titleThings(time) {
  const { x: wx, y: wy } = VILLAGES[0];
  const things = [];
  const add = (x, y, view) => things.push({ id: FIRST_ID + things.length, x, y, view });
  const ring = (count, metres, view) => {
    for (let i = 0; i < count; i += 1) {
      const turn = ((i + hash(i, metres, 101) * 0.5) / count) * Math.PI * 2;
      add(wx + Math.cos(turn) * metres, wy + Math.sin(turn) * metres, view(i));
    }
  };
  add(wx, wy, { k: "well" });
  ring(4, 12, (n) => ({ k: "stall", n }));
  ring(7, 29, (n) => ({ k: "house", n }));
  ring(16, 44, (n) => ({ k: n % 3 ? "tree" : "bush", n }));
  ring(9, 36, (n) => ({ k: "flower", n }));
  ring(8, 24, (n) => ({ k: "coin", gold: 1 + (n % 4) }));
  for (let i = 0; i < 9; i += 1) {
    const walk = (Math.floor(time / 6 + i * 0.37) + Math.min(1, ((time / 6 + i * 0.37) % 1) * 3)) * 2;
    add(wx + 34 + Math.sin(i * 2.4 + walk * 0.6) * 9, wy + 16 + Math.cos(i * 1.7 + walk * 0.5) * 7, { k: "sheep" });
  }
  ["Ann", "Bob", "Cleo"].forEach((name, i) => {
    const turn = time * (0.1 + i * 0.03) + i * 2.1;
    add(wx + Math.cos(turn) * (16 + i * 3), wy + Math.sin(turn) * (15 + i * 3), { k: "player", name });
  });
  return things;
}

/** Where the start screen looks. */
export function titlePlace(time) {
  const { x, y } = VILLAGES[0];
  return { x: x + 12 + Math.sin(time * 0.05) * 10, y: y + 6 + Math.cos(time * 0.04) * 6 };
}
