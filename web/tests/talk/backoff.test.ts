import { expect, test } from 'vitest';
import { waitMs } from '../../src/talk/backoff.ts';

test.each([
  [0, 250, 500],
  [1, 500, 1000],
  [3, 2000, 4000],
  [4, 4000, 8000],
  [50, 4000, 8000],
])('attempt %i comes after %i to %i ms', (attempt, shortest, longest) => {
  expect(waitMs(attempt, 0)).toBe(shortest);
  expect(waitMs(attempt, 0.999_999)).toBeLessThan(longest);
  expect(waitMs(attempt, 0.999_999)).toBeGreaterThan(longest - 1);
});
