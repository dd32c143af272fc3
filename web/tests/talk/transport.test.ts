import { expect, test } from 'vitest';
import { wordsForClosing } from '../../src/talk/closing.ts';
import { socketAddress } from '../../src/talk/transport.ts';

test.each([
  ['ws://127.0.0.1:8700/voice-conversation?conversationDetailId=c', 'http://127.0.0.1:8700/', 'ws://127.0.0.1:8700/voice-conversation?conversationDetailId=c&binary=1'],
  ['/voice-conversation?conversationDetailId=c&ticket=t', 'https://voice.example/', 'wss://voice.example/voice-conversation?conversationDetailId=c&ticket=t&binary=1'],
  ['ws://voice.example/voice-conversation', 'https://voice.example/', 'wss://voice.example/voice-conversation?binary=1'],
])('%s on %s is reached at %s', (wsUrl, page, address) => {
  expect(socketAddress(wsUrl, page)).toBe(address);
});

test.each([1006, 1008, 1013, 4000, 4001, 4404])('closing with %i is explained in plain words', (code) => {
  const { title, advice } = wordsForClosing(code);
  expect(title).toMatch(/\.$/);
  expect(advice.length).toBeGreaterThan(20);
  expect(title + advice).not.toMatch(/\d{4}|socket/i);
});

test('every reason that can be named has words of its own', () => {
  const titles = [1008, 1013, 4000, 4001, 4404, 1006].map((code) => wordsForClosing(code).title);
  expect(new Set(titles).size).toBe(titles.length);
  expect(wordsForClosing(4404).canGoOn).toBe(false);
  expect(wordsForClosing(1006).canGoOn).toBe(true);
});
