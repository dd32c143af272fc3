import { describe, expect, test } from 'vitest';
import { Resampler } from '../../src/sound/resampler.ts';

function tone(hz: number, { rate, seconds = 0.5 }: { rate: number; seconds?: number }): Float32Array {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, index) => 0.8 * Math.sin((2 * Math.PI * hz * index) / rate));
}

function streamed(samples: Float32Array, { from, to, piece = 128 }: { from: number; to: number; piece?: number }): Float32Array {
  const resampler = new Resampler(from, to);
  const output: number[] = [];
  for (let at = 0; at < samples.length; at += piece) output.push(...resampler.push(samples.slice(at, at + piece)));
  return Float32Array.from(output);
}

/** The amplitude of one frequency, by correlation with it, away from the edges. */
function amplitude(samples: Float32Array, { hz, rate }: { hz: number; rate: number }): number {
  const inner = samples.slice(1000, -1000);
  let sine = 0;
  let cosine = 0;
  inner.forEach((sample, index) => {
    sine += sample * Math.sin((2 * Math.PI * hz * index) / rate);
    cosine += sample * Math.cos((2 * Math.PI * hz * index) / rate);
  });
  return (2 * Math.hypot(sine, cosine)) / inner.length;
}

const rms = (samples: Float32Array): number => Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);

describe.each([44_100, 48_000, 96_000])('a microphone at %i Hz', (from) => {
  test('keeps a tone of 1 kHz', () => {
    const output = streamed(tone(1000, { rate: from }), { from, to: 16_000 });
    expect(amplitude(output, { hz: 1000, rate: 16_000 })).toBeCloseTo(0.8, 2);
  });

  test('keeps the upper sounds of speech', () => {
    const output = streamed(tone(6000, { rate: from }), { from, to: 16_000 });
    expect(amplitude(output, { hz: 6000, rate: 16_000 })).toBeGreaterThan(0.75);
  });

  test('removes a tone of 12 kHz instead of folding it down to 4 kHz', () => {
    const output = streamed(tone(12_000, { rate: from }), { from, to: 16_000 });
    expect(rms(output.slice(1000, -1000))).toBeLessThan(0.8 * 0.001);
  });

  test('makes as many samples as the time asks for', () => {
    const output = streamed(tone(440, { rate: from, seconds: 3 }), { from, to: 16_000 });
    expect(Math.abs(output.length - 48_000)).toBeLessThan(40);
  });
});

test.each([
  [24_000, 44_100],
  [22_050, 48_000],
  [16_000, 48_000],
])('a reply at %i Hz sounds the same at %i Hz, and nothing is added', (from, to) => {
  const output = streamed(tone(1000, { rate: from }), { from, to, piece: 480 });
  expect(amplitude(output, { hz: 1000, rate: to })).toBeCloseTo(0.8, 2);
  expect(rms(output.slice(1000, -1000))).toBeCloseTo(0.8 / Math.SQRT2, 2);
});

test('the size of the pieces changes nothing', () => {
  const samples = tone(700, { rate: 44_100, seconds: 0.2 });
  const small = streamed(samples, { from: 44_100, to: 16_000, piece: 7 });
  const large = streamed(samples, { from: 44_100, to: 16_000, piece: 4096 });
  expect(Array.from(small)).toEqual(Array.from(large));
});

test('equal rates leave the samples as they are', () => {
  const samples = tone(300, { rate: 16_000, seconds: 0.01 });
  expect(new Resampler(16_000, 16_000).push(samples)).toBe(samples);
});

test('a rate of zero is refused', () => {
  expect(() => new Resampler(0, 16_000)).toThrow(RangeError);
});
