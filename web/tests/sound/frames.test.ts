import { expect, test } from 'vitest';
import { FRAME_SAMPLES, Framer, loudness, toFloats } from '../../src/sound/frames.ts';

test('pieces of any size become whole frames of 20 ms in order', () => {
  const framer = new Framer();
  const ramp = Float32Array.from({ length: 1000 }, (_, index) => index / 32_767);
  const frames = [];
  for (let at = 0; at < ramp.length; at += 43) frames.push(...framer.push(ramp.slice(at, at + 43)));
  expect(frames.map((frame) => frame.length)).toEqual([FRAME_SAMPLES, FRAME_SAMPLES, FRAME_SAMPLES]);
  expect(frames.flatMap((frame) => Array.from(frame))).toEqual(Array.from({ length: 960 }, (_, index) => index));
});

test('samples that are too loud are clipped, not wrapped', () => {
  const [frame] = new Framer().push(new Float32Array(FRAME_SAMPLES).fill(1.7));
  expect(Math.max(...frame!)).toBe(32_767);
  const [low] = new Framer().push(new Float32Array(FRAME_SAMPLES).fill(-3));
  expect(Math.min(...low!)).toBe(-32_767);
});

test('loudness is 0 for silence, 1 for full scale, and half way at -30 dB', () => {
  expect(loudness(new Float32Array(100))).toBe(0);
  expect(loudness(new Float32Array(0))).toBe(0);
  expect(loudness(new Float32Array(100).fill(1))).toBe(1);
  expect(loudness(toFloats(new Int16Array(100).fill(Math.round(32_768 * 10 ** (-30 / 20)))))).toBeCloseTo(0.5, 2);
});
