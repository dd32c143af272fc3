import { expect, test } from 'vitest';
import { lineDiff } from '../../src/memory/diff.ts';

const SIGNS = { same: ' ', added: '+', removed: '-' };
const shown = (before: string, after: string): string[] => lineDiff(before, after).map((line) => SIGNS[line.change] + line.text);

test('a new line is added, the others are the same', () => {
  expect(shown('a\nb', 'a\nx\nb')).toEqual([' a', '+x', ' b']);
});

test('a changed line is removed before its successor is added', () => {
  expect(shown('a\nold\nb', 'a\nnew\nb')).toEqual([' a', '-old', '+new', ' b']);
});

test('everything is added to nothing, and removed from everything', () => {
  expect(shown('', 'a\nb')).toEqual(['+a', '+b']);
  expect(shown('a\nb', '')).toEqual(['-a', '-b']);
  expect(shown('', '')).toEqual([]);
});

test('empty lines and line ends do not count as changes', () => {
  expect(shown('a\r\n\r\nb  ', 'a\nb\n')).toEqual([' a', ' b']);
});

test('both texts can be read back from what is shown', () => {
  const before = 'a\nb\nc\na\nd';
  const after = 'b\na\na\ne\nd\nb';
  const lines = lineDiff(before, after);
  const side = (without: string): string => lines.filter((line) => line.change !== without).map((line) => line.text).join('\n');
  expect(side('added')).toBe(before);
  expect(side('removed')).toBe(after);
});
