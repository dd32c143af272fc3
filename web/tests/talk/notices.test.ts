import { expect, test } from 'vitest';
import { DRAINING, noticeOf } from '../../src/talk/notices.ts';
import { dryReport } from '../../src/talk/wire.ts';

test.each([
  [{ underruns: 3, gapMs: 120.5 }, { underruns: 3, gapMs: 120.5 }],
  [{ underruns: -1, gapMs: -5 }, { underruns: 0, gapMs: 0 }],
  [{ underruns: 1e9, gapMs: 1e12 }, { underruns: 10_000, gapMs: 600_000 }],
  [{ underruns: Number.NaN, gapMs: Number.POSITIVE_INFINITY }, { underruns: 0, gapMs: 600_000 }],
  [{ underruns: 2.4, gapMs: 0 }, { underruns: 2, gapMs: 0 }],
])('whatever was measured (%j), the server takes the report', (measured, told) => {
  expect(dryReport(measured)).toEqual({ type: 'metrics', ...told });
});

test('that the recording stopped is said calmly, and that something failed is not', () => {
  expect(noticeOf({ type: 'error', code: 'recording_stopped', message: 'x' })).toMatchObject({ calm: true, title: 'The recording has stopped.' });
  expect(noticeOf({ type: 'error', code: 'provider_unavailable', message: 'The voice is gone.' })).toEqual({ title: 'The voice is gone.' });
});

test('a server that is about to stop says so in words of the page, which can be taken back once it is there again', () => {
  expect(noticeOf({ type: 'draining', withinS: 5 })).toBe(DRAINING);
});
