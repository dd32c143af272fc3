import { describe, expect, test } from 'vitest';
import { Playout } from '../../src/sound/playout.ts';

/** One sample a millisecond makes times easy to read. */
const RATE = 1000;

function sound(ms: number, value = 0.5): Float32Array {
  return new Float32Array(ms).fill(value);
}

function pulled(playout: Playout, ms: number): number[] {
  const output: number[] = [];
  while (output.length < ms) {
    const quantum = new Float32Array(Math.min(10, ms - output.length));
    playout.pull(quantum);
    output.push(...quantum);
  }
  return output;
}

const loud = (samples: number[]): number => samples.filter((sample) => sample !== 0).length;

describe('prefill', () => {
  test('nothing sounds until 200 ms wait', () => {
    const playout = new Playout(RATE);
    playout.push(sound(190), { generation: 1, ms: 0 });
    expect(loud(pulled(playout, 100))).toBe(0);
    playout.push(sound(10), { generation: 1, ms: 190 });
    expect(loud(pulled(playout, 50))).toBe(50);
  });

  test('a reply shorter than the prefill sounds all the same', () => {
    const playout = new Playout(RATE);
    playout.push(sound(60), { generation: 1, ms: 0 });
    expect(loud(pulled(playout, 190))).toBe(0);
    expect(loud(pulled(playout, 200))).toBe(60);
    expect(playout.underruns).toBe(0);
  });

  test('samples come out once, in order, and across the end of the ring', () => {
    const playout = new Playout(RATE);
    const heard: number[] = [];
    for (let piece = 0; piece < 60; piece++) {
      playout.push(Float32Array.from({ length: 250 }, (_, index) => (piece * 250 + index + 1) / 32_768), { generation: 1, ms: piece * 250 });
      heard.push(...pulled(playout, 240));
    }
    heard.push(...pulled(playout, 1000));
    const wanted = Array.from({ length: 60 * 250 }, (_, index) => index + 1);
    expect(heard.filter((sample) => sample !== 0).map((sample) => Math.round(sample * 32_768))).toEqual(wanted);
  });

  test('a server that sends far ahead is kept up to two minutes', () => {
    const playout = new Playout(RATE);
    for (let piece = 0; piece < 100; piece++) expect(playout.push(sound(1000), { generation: 1, ms: piece * 1000 })).toBe(true);
    expect(playout.push(sound(30_000), { generation: 1, ms: 100_000 })).toBe(false);
    expect(loud(pulled(playout, 101_000))).toBe(100_000);
  });
});

describe('underrun', () => {
  test('each one is counted and adds 40 ms of prefill, up to 400', () => {
    const playout = new Playout(RATE);
    const prefills = [];
    for (let piece = 0; piece < 8; piece++) {
      playout.push(sound(400), { generation: 1, ms: piece * 400 });
      pulled(playout, 900);
      prefills.push(playout.prefillMs);
    }
    expect(prefills).toEqual([200, 240, 280, 320, 360, 400, 400, 400]);
    expect(playout.underruns).toBe(7);
  });

  test('the end of a reply is none', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 1, ms: 0 });
    pulled(playout, 500);
    playout.push(sound(300), { generation: 2, ms: 0 });
    pulled(playout, 500);
    expect(playout.underruns).toBe(0);
  });
});

describe('what was heard', () => {
  test('is told in milliseconds since the reply began', () => {
    const playout = new Playout(RATE);
    expect(playout.heard).toBeNull();
    playout.push(sound(300), { generation: 4, ms: 0 });
    playout.push(sound(300), { generation: 4, ms: 300 });
    pulled(playout, 350);
    expect(playout.heard).toEqual({ generation: 4, ms: 350 });
  });

  test('follows the position that the server names', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 4, ms: 2000 });
    pulled(playout, 120);
    expect(playout.heard).toEqual({ generation: 4, ms: 2120 });
  });

  test('of a reply that ended is told in full, also when another one follows at once', () => {
    const playout = new Playout(RATE);
    playout.push(sound(305), { generation: 1, ms: 0 });
    playout.push(sound(200), { generation: 2, ms: 0 });
    pulled(playout, 400);
    expect(playout.takeFinished()).toEqual([{ generation: 1, ms: 305 }]);
    pulled(playout, 400);
    expect(playout.takeFinished()).toEqual([{ generation: 2, ms: 200 }]);
    expect(playout.takeFinished()).toEqual([]);
  });
});

describe('flush', () => {
  test('is silent after a fade of 5 ms without a jump', () => {
    const playout = new Playout(RATE);
    playout.push(sound(1000), { generation: 1, ms: 0 });
    pulled(playout, 300);
    expect(playout.flush(1)).toEqual({ generation: 1, ms: 300 });
    const after = pulled(playout, 100);
    expect(loud(after)).toBe(4);
    expect(after.slice(0, 5).map((sample) => Number(sample.toFixed(2)))).toEqual([0.4, 0.3, 0.2, 0.1, 0]);
    expect(playout.busy).toBe(false);
  });

  test('drops what still comes of the interrupted reply and of older ones', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 2, ms: 0 });
    playout.flush(2);
    expect(playout.push(sound(300), { generation: 2, ms: 300 })).toBe(false);
    expect(playout.push(sound(300), { generation: 1, ms: 0 })).toBe(false);
    expect(playout.push(sound(300), { generation: 3, ms: 0 })).toBe(true);
    expect(loud(pulled(playout, 1000))).toBe(300);
  });

  test('a reply that was never begun was heard for 0 ms', () => {
    const playout = new Playout(RATE);
    playout.push(sound(100), { generation: 1, ms: 0 });
    pulled(playout, 400);
    expect(playout.flush(2)).toEqual({ generation: 2, ms: 0 });
  });

  test('leaves a later reply that waits already', () => {
    const playout = new Playout(RATE);
    playout.push(sound(500, 0.2), { generation: 1, ms: 0 });
    playout.push(sound(300, 0.7), { generation: 2, ms: 0 });
    pulled(playout, 250);
    playout.flush(1);
    const after = pulled(playout, 1000).map((sample) => Number(sample.toFixed(1)));
    expect(after.filter((sample) => sample === 0.7)).toHaveLength(300);
    expect(playout.heard).toEqual({ generation: 2, ms: 300 });
  });

  test('of an old reply does not touch the one that sounds', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 5, ms: 0 });
    pulled(playout, 100);
    expect(playout.flush(4)).toBeNull();
    expect(loud(pulled(playout, 400))).toBe(200);
  });

  test('sound of an older reply than the newest is dropped', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 5, ms: 0 });
    expect(playout.push(sound(300), { generation: 4, ms: 0 })).toBe(false);
  });
});

describe('a false alarm', () => {
  /** Samples that say where in the reply they come from. */
  const part = (from: number, ms: number): Float32Array => Float32Array.from({ length: ms }, (_, index) => (from + index + 1) / 8192);
  const positions = (samples: number[]): number[] => samples.filter((sample) => sample !== 0).map((sample) => Math.round(sample * 8192) - 1);

  test('goes on where it was cut, and what was dropped is not heard twice', () => {
    const playout = new Playout(RATE, { fadeMs: 0 });
    playout.push(part(0, 600), { generation: 1, ms: 0 });
    const before = positions(pulled(playout, 300));
    expect(playout.flush(1, { more: true })).toEqual({ generation: 1, ms: 300 });
    expect(positions(pulled(playout, 100))).toEqual([]);
    playout.push(part(300, 300), { generation: 1, ms: 300 });
    const after = positions(pulled(playout, 600));
    expect([...before, ...after]).toEqual(Array.from({ length: 600 }, (_, index) => index));
    expect(playout.heard).toEqual({ generation: 1, ms: 600 });
    expect(playout.underruns).toBe(0);
  });

  test('what comes between the tap and the answer of the server is dropped, what comes after it is new', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 1, ms: 0 });
    playout.flush(1);
    expect(playout.push(sound(100), { generation: 1, ms: 300 })).toBe(false);
    playout.flush(1, { more: true });
    expect(playout.push(sound(100), { generation: 1, ms: 100 })).toBe(true);
    expect(playout.push(sound(100), { generation: 0, ms: 0 })).toBe(false);
  });

  test('of an old reply does not bring back what was silenced later', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 2, ms: 0 });
    playout.flush(2);
    playout.flush(1, { more: true });
    expect(playout.push(sound(100), { generation: 2, ms: 300 })).toBe(false);
  });
});

describe('ducking', () => {
  const rounded = (samples: number[]): number[] => samples.map((sample) => Number(sample.toFixed(3)));

  test('reaches its gain within 20 ms, without a jump, and comes back as gently', () => {
    const playout = new Playout(RATE);
    playout.push(sound(1000, 1), { generation: 1, ms: 0 });
    pulled(playout, 50);
    playout.duck(1, 0.3);
    const softer = rounded(pulled(playout, 30));
    expect(softer.slice(14)).toEqual(new Array(16).fill(0.3));
    for (let index = 1; index < softer.length; index++) expect(softer[index - 1]! - softer[index]!).toBeLessThanOrEqual(0.051);
    playout.duck(1, 1);
    expect(rounded(pulled(playout, 30)).slice(14)).toEqual(new Array(16).fill(1));
  });

  test('does not outlive its reply', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300, 1), { generation: 1, ms: 0 });
    playout.push(sound(300, 1), { generation: 2, ms: 0 });
    playout.duck(1, 0.3);
    expect(rounded(pulled(playout, 300)).slice(20)).toEqual(new Array(280).fill(0.3));
    expect(rounded(pulled(playout, 100)).slice(40)).toEqual(new Array(60).fill(1));
  });

  test('a reply that is silenced while it is soft fades from there', () => {
    const playout = new Playout(RATE);
    playout.push(sound(1000, 1), { generation: 1, ms: 0 });
    playout.duck(1, 0.5);
    pulled(playout, 50);
    playout.flush(1);
    expect(rounded(pulled(playout, 6))).toEqual([0.4, 0.3, 0.2, 0.1, 0, 0]);
  });
});

describe('a gap', () => {
  test('is as long as the silence between what came and what came late', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 1, ms: 0 });
    pulled(playout, 400);
    playout.push(sound(400), { generation: 1, ms: 300 });
    pulled(playout, 100);
    expect([playout.underruns, playout.gapMs]).toEqual([1, 100]);
  });

  test('before another reply is none', () => {
    const playout = new Playout(RATE);
    playout.push(sound(300), { generation: 1, ms: 0 });
    pulled(playout, 400);
    playout.push(sound(400), { generation: 2, ms: 0 });
    pulled(playout, 100);
    expect([playout.underruns, playout.gapMs]).toEqual([0, 0]);
  });
});

test('a new session numbers its replies from the start', () => {
  const playout = new Playout(RATE);
  playout.push(sound(500), { generation: 7, ms: 0 });
  pulled(playout, 250);
  playout.reset();
  expect(loud(pulled(playout, 100))).toBeLessThanOrEqual(5);
  expect(playout.push(sound(300), { generation: 1, ms: 0 })).toBe(true);
  expect(loud(pulled(playout, 600))).toBe(300);
});

test('the peak is the largest sample that was played, not that waits', () => {
  const playout = new Playout(RATE);
  playout.push(sound(200, -0.25), { generation: 1, ms: 0 });
  playout.push(sound(200, 0.75), { generation: 1, ms: 200 });
  pulled(playout, 150);
  expect(playout.peak).toBe(0.25);
  pulled(playout, 150);
  expect(playout.peak).toBe(0.75);
});
