/** Changes the rate of a stream of samples, because no device and no voice can be made to agree on one. Pure. */

const ZERO_CROSSINGS = 24;
const ROLL_OFF = 0.92;
const KAISER_BETA = 7;
const MOST_PHASES = 512;

/**
 * A streaming windowed-sinc resampler (Kaiser window, about 70 dB of stop band).
 *
 * Positions are exact: the output position is a whole number of `1 / up` input samples, where `up / down` is the reduced ratio of the
 * rates, so that hours of sound do not drift. The low-pass closes at 0.46 of the lower rate.
 */
export class Resampler {
  readonly #up: number;
  readonly #down: number;
  readonly #half: number;
  readonly #phases: number;
  readonly #kernels: Float32Array[];
  #history: Float32Array;
  /** Position of the next output sample, in `1 / up` input samples from the start of `#history`. */
  #next: number;

  constructor(fromHz: number, toHz: number) {
    if (!(fromHz > 0 && toHz > 0)) throw new RangeError(`Rates must be positive: ${fromHz} Hz to ${toHz} Hz.`);
    const divisor = greatestCommonDivisor(Math.round(fromHz), Math.round(toHz));
    this.#up = Math.round(toHz) / divisor;
    this.#down = Math.round(fromHz) / divisor;
    const cutoff = Math.min(1, this.#up / this.#down) * ROLL_OFF;
    this.#half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#phases = Math.min(this.#up, MOST_PHASES);
    this.#kernels = Array.from({ length: this.#phases }, (_, phase) => kernel(phase / this.#phases, this.#half, cutoff));
    this.#history = new Float32Array(this.#half);
    this.#next = this.#half * this.#up;
  }

  /** Forgets what went before, where what comes next does not follow it. */
  reset(): void {
    this.#history = new Float32Array(this.#half);
    this.#next = this.#half * this.#up;
  }

  /** The samples that can be computed now; about 1.5 ms of sound stays inside until more comes. */
  push(input: Float32Array): Float32Array {
    if (this.#up === this.#down) return input;
    const held = new Float32Array(this.#history.length + input.length);
    held.set(this.#history);
    held.set(input, this.#history.length);

    const last = (held.length - this.#half) * this.#up;
    const count = Math.max(0, Math.ceil((last - this.#next) / this.#down));
    const output = new Float32Array(count);
    for (let index = 0; index < count; index++) {
      output[index] = this.#sample(held, this.#next);
      this.#next += this.#down;
    }

    const used = Math.max(0, Math.floor(this.#next / this.#up) - this.#half);
    this.#history = held.slice(used);
    this.#next -= used * this.#up;
    return output;
  }

  #sample(held: Float32Array, position: number): number {
    const whole = Math.floor(position / this.#up);
    const phase = Math.floor(((position - whole * this.#up) * this.#phases) / this.#up);
    const weights = this.#kernels[phase]!;
    const first = whole - this.#half + 1;
    let sum = 0;
    for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * held[first + tap]!;
    return sum;
  }
}

/** Weights of the `2 * half` input samples around a position that lies `fraction` behind the sample before it; they add up to one. */
function kernel(fraction: number, half: number, cutoff: number): Float32Array {
  const weights = new Float32Array(2 * half);
  let total = 0;
  for (let tap = 0; tap < weights.length; tap++) {
    const distance = tap - half + 1 - fraction;
    weights[tap] = sinc(distance * cutoff) * kaiser(distance / half);
    total += weights[tap]!;
  }
  return weights.map((weight) => weight / total);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x: number): number {
  return Math.abs(x) >= 1 ? 0 : bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

/** The modified Bessel function of the first kind and order zero, by its power series. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let order = 1; term > sum * 1e-10; order++) {
    term *= (x / (2 * order)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
