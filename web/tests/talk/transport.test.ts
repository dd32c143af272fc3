import { expect, test } from 'vitest';
import { Refused } from '../../src/talk/api.ts';
import { isFinal, wordsForClosing, wordsForRefusal } from '../../src/talk/closing.ts';
import { socketAddress, type Purpose } from '../../src/talk/transport.ts';

test.each([
  ['ws://127.0.0.1:8700/voice-conversation?conversationDetailId=c', 'http://127.0.0.1:8700/', 'ws://127.0.0.1:8700/voice-conversation?conversationDetailId=c&binary=1&sequence=1'],
  ['/voice-conversation?conversationDetailId=c&ticket=t', 'https://voice.example/', 'wss://voice.example/voice-conversation?conversationDetailId=c&ticket=t&binary=1&sequence=1'],
  ['ws://voice.example/voice-conversation', 'https://voice.example/', 'wss://voice.example/voice-conversation?binary=1&sequence=1'],
])('%s on %s is reached at %s', (wsUrl, page, address) => {
  expect(socketAddress(wsUrl, { page, purpose: 'begin' })).toBe(address);
});

test('the address says that a session goes on, or that nobody is to be greeted again', () => {
  const address = (purpose: Purpose): string => socketAddress('/voice-conversation?greet=1', { page: 'http://localhost/', purpose });
  expect(new URL(address('resume')).searchParams.get('resume')).toBe('1');
  expect(new URL(address('renew')).searchParams.get('greet')).toBe('0');
  expect(new URL(address('begin')).searchParams.get('greet')).toBe('1');
});

test.each([1000, 1008, 4000, 4001, 4401, 4404, 4409])('after %i nothing is tried again', (code) => {
  expect(isFinal(code)).toBe(true);
});

test.each([1001, 1005, 1006, 1011, 1012, 1013])('after %i it is', (code) => {
  expect(isFinal(code)).toBe(false);
});

test('a server that gives no more addresses says why', () => {
  expect(wordsForRefusal(new Refused(404, 'x')).canGoOn).toBe(false);
  expect(wordsForRefusal(new Refused(401, 'x'))).toEqual(wordsForClosing(4401));
  expect(wordsForRefusal(new Refused(400, 'No such agent.')).title).toBe('No such agent.');
});

test.each([1006, 1008, 1013, 4000, 4001, 4401, 4404, 4409])('closing with %i is explained in plain words', (code) => {
  const { title, advice } = wordsForClosing(code);
  expect(title).toMatch(/\.$/);
  expect(advice.length).toBeGreaterThan(20);
  expect(title + advice).not.toMatch(/\d{4}|socket/i);
});

test('every reason that can be named has words of its own', () => {
  const titles = [1008, 1013, 4000, 4001, 4401, 4404, 4409, 1006].map((code) => wordsForClosing(code).title);
  expect(new Set(titles).size).toBe(titles.length);
  expect(wordsForClosing(4404).canGoOn).toBe(false);
  expect(wordsForClosing(1006).canGoOn).toBe(true);
});
