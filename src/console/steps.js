// Lives here: where an arrow key leads from one region.
// Not here: that keys are pressed (pointing.js).

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** A step aside counts so many times as much as a step ahead. */
const ASIDE = 2;

/**
 * The id of the region that `key` leads to from region `id`, or null where it leads nowhere. Arrows go
 * to the nearest in that direction by `place(id)`, which is null for a region off the map; Home, End,
 * PageUp and PageDown go along the line.
 */
export function neighbour(regions, id, key, place) {
  if (regions.length === 0) return null;
  const index = regions.findIndex((region) => region.id === id);
  const along = { Home: 0, End: regions.length - 1, PageUp: Math.max(0, index - 1), PageDown: Math.min(regions.length - 1, index + 1) };
  if (key in along) return regions[along[key]].id;
  if (!(key in WAYS)) return null;
  if (index < 0) return regions[0].id;
  return ahead(regions, id, WAYS[key], place);
}

function ahead(regions, id, [dx, dy], place) {
  const from = place(id);
  if (!from) return null;
  let best = null;
  for (const region of regions) {
    const to = region.id === id ? null : place(region.id);
    if (!to) continue;
    const forward = (to.x - from.x) * dx + (to.y - from.y) * dy;
    const aside = Math.abs((to.x - from.x) * dy + (to.y - from.y) * dx);
    // What lies too far aside is left out, and so is what lies behind: its `forward` is below 0.
    if (aside > forward * ASIDE) continue;
    const far = forward + aside * ASIDE;
    if (!best || far < best.far) best = { id: region.id, far };
  }
  return best?.id ?? null;
}
