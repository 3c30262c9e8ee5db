// Lives here: the colours of threads and loads, the same on map and charts.
// Not here: the colours of the page itself (style.css).

/**
 * Per thread the colour without load and the brightest. The bright ones are Okabe and Ito's, told
 * apart by colour-blind eyes, a little lighter for a dark page; the dark ones lean aside a little, so
 * that dark orange is copper and not mud.
 */
const THREADS = [
  [[22, 50, 84], [74, 168, 232]], [[86, 40, 24], [240, 160, 32]], [[14, 62, 52], [32, 178, 134]], [[78, 36, 66], [221, 130, 178]],
  [[72, 68, 22], [240, 226, 90]], [[98, 20, 30], [232, 104, 48]], [[44, 42, 96], [128, 132, 240]], [[48, 54, 64], [176, 182, 190]],
];
/** A load of this share of a thread is as bright as it gets: above it a region is split. */
const BRIGHTEST = 0.5;
/** How much of the bright colour that is: people, who are white, must still be seen on it. */
const BRIGHTEST_PART = 0.86;

const css = (rgb, alpha = 1) => `rgb(${rgb.map(Math.round).join(" ")} / ${alpha})`;
const mix = (a, b, part) => a.map((value, i) => value + (b[i] - value) * part);
const coloursOf = (worker) => THREADS[worker % THREADS.length];

/** How many threads have a colour of their own; then the colours begin again. */
export const COLOURS = THREADS.length;
/** A thread's own colour. */
export const thread = (worker, alpha = 1) => css(coloursOf(worker)[1], alpha);

/** A region's colour as `[r, g, b]`: its thread's, brighter the more load it has (as the root of it). */
export function fill(worker, load) {
  const part = Math.sqrt(Math.min(1, Math.max(0, load) / BRIGHTEST));
  return mix(...coloursOf(worker), BRIGHTEST_PART * part);
}

export const fillCss = (worker, load) => css(fill(worker, load));
/** The loads that the legend shows. */
export const LEGEND = [0, 0.05, 0.15, 0.3, 0.5];
/** Tasks, ticks, encoding, sending: greys, so that they are no threads. */
export const PARTS = ["#f2f5fa", "#b3bdcd", "#7b879c", "#4c586d"];
export const INK = "#e8edf5";
export const MUTED = "#93a0b4";
export const FAINT = "rgb(147 160 180 / 0.22)";
export const WARN = "#ffc857";
export const BAD = "#ff6d6d";
export const PERSON = "#ffffff";
/** Around a person, so that a crowd on a bright region is still many. */
export const SHADE = "rgb(8 12 18 / 0.55)";
export const OTHER = "rgb(226 232 214 / 0.5)";
export const TRAFFIC = "rgb(255 255 255 / 0.62)";
