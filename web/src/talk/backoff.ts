/** How long to wait before a lost connection is tried again. Pure. */

const SHORTEST_MS = 250;
const LONGEST_MS = 8000;

/** 250 to 500 ms before the first attempt (0), twice as long before each next one, at most 8 s; `chance` is in [0, 1), so that not all pages come back at once. */
export function waitMs(attempt: number, chance: number): number {
  const longest = Math.min(LONGEST_MS, 2 * SHORTEST_MS * 2 ** attempt);
  return longest / 2 + (longest / 2) * chance;
}
