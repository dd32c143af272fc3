/** Shows what changed between two texts, line by line: people want to see what was remembered, not read a block twice. Pure. */

export type Change = 'same' | 'added' | 'removed';

export interface Line {
  text: string;
  change: Change;
}

/** The lines of both texts in order, by their longest common subsequence; a removed line comes before the one that replaces it. */
export function lineDiff(before: string, after: string): Line[] {
  const old = lines(before);
  const fresh = lines(after);
  const common = commonLengths(old, fresh);
  const result: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      result.push({ text: old[i]!, change: 'same' });
      i++;
      j++;
    } else if (j >= fresh.length || (i < old.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      result.push({ text: old[i++]!, change: 'removed' });
    } else {
      result.push({ text: fresh[j++]!, change: 'added' });
    }
  }
  return result;
}

/** `lengths[i][j]` is how many lines `old` from i and `fresh` from j have in common. */
function commonLengths(old: string[], fresh: string[]): number[][] {
  const lengths = Array.from({ length: old.length + 1 }, () => new Array<number>(fresh.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      lengths[i]![j] = old[i] === fresh[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  return lengths;
}

function lines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
}
