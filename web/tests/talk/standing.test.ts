import { expect, test } from 'vitest';
import { disconnected, nothingTold, standingAfter } from '../../src/talk/standing.ts';
import type { ServerEvent } from '../../src/talk/wire.ts';

const ready: ServerEvent = {
  type: 'ready',
  conversationId: 'c',
  agentName: 'Sage',
  channel: 'voice',
  binary: true,
  recording: true,
  sessionId: 's',
  secret: 'x',
  resumableForS: 120,
};
const after = (...events: ServerEvent[]) => events.reduce(standingAfter, nothingTold);

test('who has waited waits no longer once the talk begins', () => {
  expect(after({ type: 'queue', position: 3 }, { type: 'queue', position: 1 }).placeInQueue).toBe(1);
  expect(after({ type: 'queue', position: 1 }, ready).placeInQueue).toBeNull();
});

test('the talk counts as recorded until the server says that the recording stopped, whatever else fails', () => {
  const failed = after(ready, { type: 'error', code: 'provider_unavailable', message: 'x' });
  expect(failed.recording).toBe(true);
  expect(standingAfter(failed, { type: 'error', code: 'recording_stopped', message: 'x' }).recording).toBe(false);
});

test('what the agent does is what the server said last, also after the connection was lost', () => {
  expect(nothingTold.agent).toBeNull();
  expect(after({ type: 'state', state: 'waking' }, { type: 'state', state: 'thinking' }).agent).toBe('thinking');
  expect(after({ type: 'state', state: 'thinking' }, { type: 'resumed', missed: 2, state: 'speaking' }).agent).toBe('speaking');
});

test('what is said in the talk changes nothing here', () => {
  const before = after(ready);
  expect(standingAfter(before, { type: 'interrupted', generation: 1 })).toBe(before);
  expect(standingAfter(before, { type: 'draining', withinS: 5 })).toBe(before);
});

test('without a connection nothing is recorded and nobody waits, and what the agent did last is still there', () => {
  const before = after(ready, { type: 'queue', position: 2 }, { type: 'state', state: 'thinking' });
  expect(disconnected(before)).toEqual({ ...before, recording: false, placeInQueue: null });
});
