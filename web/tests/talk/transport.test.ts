import { afterEach, describe, expect, test, vi } from 'vitest';
import { Refused } from '../../src/talk/api.ts';
import { isFinal, wordsForClosing, wordsForRefusal } from '../../src/talk/closing.ts';
import { openWebSocket, socketAddress, type Purpose } from '../../src/talk/transport.ts';

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

describe('a socket', () => {
  class FakeSocket {
    static readonly OPEN = 1;
    static last: FakeSocket;
    readyState = 1;
    bufferedAmount = 0;
    binaryType = '';
    sent: (string | ArrayBuffer)[] = [];
    closedWith: number | null = null;
    onopen: (() => void) | null = null;
    onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null;
    onclose: ((event: { code: number; reason: string }) => void) | null = null;

    constructor(readonly url: string) {
      FakeSocket.last = this;
    }

    send(message: string | ArrayBuffer): void {
      this.sent.push(message);
    }

    close(code: number): void {
      this.closedWith = code;
    }
  }

  const told: string[] = [];
  const open = () => {
    told.length = 0;
    vi.useFakeTimers({ toFake: ['performance'] });
    vi.stubGlobal('WebSocket', FakeSocket);
    vi.stubGlobal('window', { location: { href: 'http://localhost/' } });
    return openWebSocket('/voice-conversation', {
      purpose: 'begin',
      listener: {
        opened: () => void told.push('opened'),
        event: ({ event, sequence }) => void told.push(`${event.type} ${sequence}`),
        sound: () => void told.push('sound'),
        closed: (code) => void told.push(`closed ${code}`),
      },
    });
  };
  const frame = (transport: ReturnType<typeof open>): void => transport.sendSound(new Int16Array(320), { sequence: 0, captured: 0 });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  test('tells of messages, and leaves out what is none', () => {
    open();
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    FakeSocket.last.onopen!();
    for (const data of ['{"type":"ack","data":{"id":"m"},"sequence":3}', 'nonsense', new ArrayBuffer(3)]) FakeSocket.last.onmessage!({ data });
    FakeSocket.last.onclose!({ code: 1006, reason: '' });
    expect(told).toEqual(['opened', 'ack 3', 'closed 1006']);
  });

  test('that takes no more sound leaves frames out, and is lost after five seconds of that', () => {
    const transport = open();
    frame(transport);
    FakeSocket.last.bufferedAmount = 100_000;
    frame(transport);
    vi.advanceTimersByTime(4900);
    frame(transport);
    expect([FakeSocket.last.sent.length, told, FakeSocket.last.closedWith]).toEqual([1, [], null]);
    vi.advanceTimersByTime(200);
    frame(transport);
    expect([FakeSocket.last.sent.length, told]).toEqual([1, ['closed 1006']]);
  });

  test('that was only slow for a moment is kept', () => {
    const transport = open();
    FakeSocket.last.bufferedAmount = 100_000;
    frame(transport);
    FakeSocket.last.bufferedAmount = 0;
    frame(transport);
    vi.advanceTimersByTime(6000);
    FakeSocket.last.bufferedAmount = 100_000;
    frame(transport);
    expect(told).toEqual([]);
  });

  test('that makes room for another one does not say that the conversation is over', () => {
    const transport = open();
    transport.close({ again: true });
    expect(FakeSocket.last.closedWith).not.toBe(1000);
    expect(FakeSocket.last.onclose).toBeNull();
    open().close();
    expect(FakeSocket.last.closedWith).toBe(1000);
  });
});
