// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Refused } from '../../src/talk/api.ts';
import { Line } from '../../src/talk/line.ts';
import type { Purpose, TransportListener } from '../../src/talk/transport.ts';
import type { ClientMessage, ServerEvent } from '../../src/talk/wire.ts';

interface Socket {
  wsUrl: string;
  purpose: Purpose;
  listener: TransportListener;
  sent: ClientMessage[];
  frames: { first: number; sequence: number }[];
  closed: false | 'done' | 'again';
}

/** A line, the sockets it opened, and what it told. */
class Bench {
  sockets: Socket[] = [];
  told: string[] = [];
  addresses: (string | Refused)[] = [];
  line: Line;

  constructor() {
    this.line = new Line(
      'first',
      {
        openTransport: (wsUrl, { purpose, listener }) => this.#open(wsUrl, purpose, listener),
        address: async () => {
          const next = this.addresses.shift() ?? 'next';
          if (next instanceof Refused) throw next;
          return next;
        },
      },
      {
        event: (event) => void this.told.push(event.type === 'transcript' ? event.text : event.type),
        sound: () => void this.told.push('sound'),
        lost: () => void this.told.push('LOST'),
        back: ({ renewed }) => void this.told.push(renewed ? 'RENEWED' : 'BACK'),
        closed: (code) => void this.told.push(`CLOSED ${code}`),
        refused: () => void this.told.push('REFUSED'),
      },
    );
  }

  get socket(): Socket {
    return this.sockets.at(-1)!;
  }

  tell(sequence: number | null, event: ServerEvent): void {
    this.socket.listener.event({ event, sequence });
  }

  said(sequence: number, text: string): void {
    this.tell(sequence, { type: 'transcript', text, final: true, turn: sequence, id: '' });
  }

  ready(resumableForS = 120): void {
    this.socket.listener.opened();
    this.tell(1, { type: 'ready', sessionId: 's', secret: 'key', resumableForS, conversationId: 'c', agentName: 'A', channel: 'voice', binary: true, recording: false });
  }

  resumed(missed = 0): void {
    this.socket.listener.opened();
    this.tell(null, { type: 'resumed', missed, state: 'listening' });
  }

  /** Loses the socket and lets the longest wait pass that the next attempt can have. */
  async lose(code = 1006, waitMs = 8000): Promise<void> {
    this.socket.listener.closed(code, '');
    await vi.advanceTimersByTimeAsync(waitMs);
  }

  #open(wsUrl: string, purpose: Purpose, listener: TransportListener) {
    const socket: Socket = { wsUrl, purpose, listener, sent: [], frames: [], closed: false };
    this.sockets.push(socket);
    return {
      send: (message: ClientMessage) => void socket.sent.push(message),
      sendSound: (samples: Int16Array, { sequence }: { sequence: number }) => void socket.frames.push({ first: samples[0]!, sequence }),
      close: (options?: { again: boolean }) => void (socket.closed = options?.again ? 'again' : 'done'),
    };
  }
}

let bench: Bench;
beforeEach(() => {
  vi.useFakeTimers();
  bench = new Bench();
});
afterEach(() => {
  bench.line.close();
  vi.useRealTimers();
});

const text = (id: string): ClientMessage => ({ type: 'text', text: `words of ${id}`, id });
const frame = (first: number) => ({ samples: Int16Array.of(first), captured: 0 });

describe('a socket that is lost', () => {
  test('is replaced, and the session goes on after the last message that arrived', async () => {
    bench.ready();
    bench.said(2, 'a');
    await bench.lose();
    expect(bench.sockets.map(({ wsUrl, purpose }) => [wsUrl, purpose])).toEqual([['first', 'begin'], ['next', 'resume']]);
    bench.resumed(2);
    expect(bench.socket.sent).toEqual([{ type: 'resume', sessionId: 's', secret: 'key', sequence: 2 }]);
    bench.said(3, 'b');
    bench.said(4, 'c');
    expect(bench.told).toEqual(['ready', 'a', 'LOST', 'BACK', 'resumed', 'b', 'c']);
  });

  test('does not make a message come twice, whatever is told again', async () => {
    bench.ready();
    bench.said(2, 'a');
    bench.said(3, 'b');
    await bench.lose();
    bench.resumed(1);
    for (const [sequence, words] of [[2, 'a'], [3, 'b'], [4, 'c'], [4, 'c'], [5, 'd']] as const) bench.said(sequence, words);
    expect(bench.told.filter((told) => told.length === 1)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('is not replaced before the first word of the server: nothing was begun', async () => {
    await bench.lose();
    expect(bench.told).toEqual(['CLOSED 1006']);
    expect(bench.sockets).toHaveLength(1);
  });

  test.each([1000, 1008, 4001, 4401, 4404, 4409])('on purpose (%i) is not replaced', async (code) => {
    bench.ready();
    await bench.lose(code);
    expect(bench.told.at(-1)).toBe(`CLOSED ${code}`);
    expect(bench.sockets).toHaveLength(1);
  });

  test('because the server restarts is replaced, although its code says that all is done', async () => {
    bench.ready();
    bench.tell(2, { type: 'complete', conversationId: 'c', reason: 'shutdown' });
    await bench.lose(1000);
    expect(bench.sockets.map(({ purpose }) => purpose)).toEqual(['begin', 'resume']);
    await bench.lose(1000);
    expect(bench.told.at(-1)).toBe('CLOSED 1000');
  });

  test('is replaced more and more slowly, and given up in the end', async () => {
    bench.ready();
    bench.socket.listener.closed(1006, '');
    const attempts: number[] = [];
    const begun = performance.now();
    while (!bench.told.includes('CLOSED 1006') && performance.now() - begun < 400_000) {
      const known = bench.sockets.length;
      await vi.advanceTimersByTimeAsync(50);
      if (bench.sockets.length === known) continue;
      attempts.push(performance.now() - begun);
      bench.socket.listener.closed(1006, '');
    }
    const waits = attempts.map((at, index) => at - (attempts[index - 1] ?? 0));
    expect(waits[0]).toBeLessThanOrEqual(550);
    expect(Math.max(...waits)).toBeLessThanOrEqual(8050);
    expect(Math.min(...waits.slice(5))).toBeGreaterThanOrEqual(3950);
    expect(bench.told).toEqual(['ready', 'LOST', 'CLOSED 1006']);
    expect(performance.now() - begun).toBeGreaterThan(120_000);
  });

  test('that answers nothing is not waited for', async () => {
    bench.ready();
    await bench.lose();
    const [, silent] = bench.sockets;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(silent!.closed).toBe('again');
    expect(bench.sockets.length).toBeGreaterThan(2);
  });

  test('is waited for as long as it is in the queue', async () => {
    bench.ready(0);
    await bench.lose();
    bench.tell(1, { type: 'queue', position: 2 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(bench.sockets).toHaveLength(2);
    expect(bench.told.at(-1)).toBe('queue');
  });
});

describe('a session that is gone', () => {
  test('is followed by a new one of the same conversation, without a greeting and counted afresh', async () => {
    bench.ready();
    bench.said(2, 'a');
    bench.said(3, 'b');
    await bench.lose();
    bench.tell(null, { type: 'error', message: 'Unknown session.', code: 'unknown' });
    await bench.lose(4404, 0);
    expect(bench.socket.purpose).toBe('renew');
    bench.ready();
    bench.said(2, 'c');
    expect(bench.told).toEqual(['ready', 'a', 'b', 'LOST', 'RENEWED', 'ready', 'c']);
    expect(bench.socket.sent).toEqual([]);
  });

  test('is not asked for when its time is over', async () => {
    bench.ready(1);
    bench.addresses = [new Refused(0, ''), new Refused(503, ''), 'next'];
    await bench.lose(1006, 5000);
    expect(bench.sockets.map(({ purpose }) => purpose)).toEqual(['begin', 'renew']);
  });

  test('with its conversation is said to be', async () => {
    bench.ready();
    await bench.lose();
    await bench.lose(4404, 0);
    await bench.lose(4404, 0);
    expect(bench.told.at(-1)).toBe('CLOSED 4404');
  });

  test('and whose server gives no more addresses is refused', async () => {
    bench.ready();
    bench.addresses = [new Refused(404, '')];
    await bench.lose();
    expect(bench.told).toEqual(['ready', 'LOST', 'REFUSED']);
  });
});

describe('what was typed', () => {
  test('is said again until the server confirms it, in its order', async () => {
    bench.ready();
    for (const id of ['1', '2', '3']) bench.line.send(text(id));
    bench.tell(2, { type: 'transcript', text: 'x', final: true, turn: 1, id: '1' });
    await bench.lose();
    bench.line.send(text('4'));
    bench.resumed(1);
    const again = (): string[] => bench.socket.sent.flatMap((message) => (message.type === 'text' ? [message.id] : []));
    expect(again()).toEqual(['2', '3', '4']);
    bench.tell(3, { type: 'ack', id: '2' });
    bench.tell(4, { type: 'transcript', text: 'x', final: true, turn: 2, id: '4' });
    await bench.lose();
    bench.resumed();
    expect(again()).toEqual(['3']);
  });

  test('reaches the session that follows one that is gone', async () => {
    bench.ready(0);
    await bench.lose();
    bench.line.send(text('1'));
    bench.ready();
    expect(bench.socket.sent).toEqual([text('1')]);
  });
});

describe('a wish to be silent', () => {
  test('is said again when no answer came with what was missed', async () => {
    bench.ready();
    bench.line.send({ type: 'interrupt' });
    await bench.lose();
    bench.resumed(1);
    expect(bench.socket.sent).not.toContainEqual({ type: 'interrupt' });
    bench.said(2, 'a');
    expect(bench.socket.sent).toContainEqual({ type: 'interrupt' });
  });

  test('is not said again when the answer was missed', async () => {
    bench.ready();
    bench.line.send({ type: 'interrupt' });
    await bench.lose();
    bench.resumed(1);
    bench.tell(2, { type: 'interrupted', generation: 1 });
    bench.said(3, 'a');
    expect(bench.socket.sent.some(({ type }) => type === 'interrupt')).toBe(false);
  });
});

test('the last second of the microphone comes late, what was before it not at all, and frames keep their count', async () => {
  bench.ready();
  bench.line.sendSound(frame(0));
  await bench.lose();
  for (let index = 1; index <= 80; index++) bench.line.sendSound(frame(index));
  bench.resumed();
  bench.line.sendSound(frame(81));
  const { frames } = bench.socket;
  expect(frames.map(({ first }) => first)).toEqual(Array.from({ length: 51 }, (_, index) => 31 + index));
  expect(frames.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 51 }, (_, index) => 1 + index));
});

test('the server is told now and then what it need not keep', async () => {
  bench.ready();
  for (let sequence = 2; sequence <= 45; sequence++) bench.said(sequence, 'a');
  expect(bench.socket.sent).toEqual([{ type: 'ack', sequence: 20 }, { type: 'ack', sequence: 40 }]);
  await vi.advanceTimersByTimeAsync(5000);
  bench.said(46, 'a');
  expect(bench.socket.sent.at(-1)).toEqual({ type: 'ack', sequence: 46 });
});

describe('signs of life', () => {
  test('the network is back: the line does not wait any longer', async () => {
    bench.ready();
    await bench.lose(1006, 0);
    window.dispatchEvent(new Event('online'));
    await vi.advanceTimersByTimeAsync(0);
    expect(bench.socket.purpose).toBe('resume');
    await vi.advanceTimersByTimeAsync(9000);
    expect(bench.sockets).toHaveLength(2);
  });

  test('the network is back: a socket that may be dead makes room for one that is not', async () => {
    bench.ready();
    window.dispatchEvent(new Event('online'));
    await vi.advanceTimersByTimeAsync(0);
    expect(bench.sockets.map(({ purpose, closed }) => [purpose, closed])).toEqual([['begin', 'again'], ['resume', false]]);
  });

  test('the person is back: the line does not wait any longer', async () => {
    bench.ready();
    await bench.lose(1006, 0);
    document.dispatchEvent(new Event('visibilitychange'));
    await vi.advanceTimersByTimeAsync(0);
    expect(bench.sockets).toHaveLength(2);
  });

  test('nothing of all this wakes a line that was closed', async () => {
    bench.ready();
    bench.line.close();
    expect(bench.socket.closed).toBe('done');
    window.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(bench.sockets).toHaveLength(1);
  });
});
