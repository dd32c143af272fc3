/** Cuts the microphone's samples into the frames that travel to the server. Pure. */

/** What the server listens at. */
export const INPUT_HZ = 16_000;
/** 20 ms. */
export const FRAME_SAMPLES = 320;

/** Collects samples between -1 and 1 and gives them back as whole frames of signed 16-bit samples; louder ones are clipped. */
export class Framer {
  #frame = new Int16Array(FRAME_SAMPLES);
  #filled = 0;

  push(samples: Float32Array): Int16Array[] {
    const frames: Int16Array[] = [];
    for (const sample of samples) {
      this.#frame[this.#filled++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32_767);
      if (this.#filled === FRAME_SAMPLES) {
        frames.push(this.#frame);
        this.#frame = new Int16Array(FRAME_SAMPLES);
        this.#filled = 0;
      }
    }
    return frames;
  }
}

/** Signed 16-bit samples as numbers between -1 and 1. */
export function toFloats(samples: Int16Array): Float32Array {
  const floats = new Float32Array(samples.length);
  for (let index = 0; index < samples.length; index++) floats[index] = samples[index]! / 32_768;
  return floats;
}

/** How loud samples are, 0 to 1, on a scale that looks even to the eye: -60 dB is 0, full scale is 1. */
export function loudness(samples: Int16Array | Float32Array): number {
  const scale = samples instanceof Int16Array ? 32_768 : 1;
  let sum = 0;
  for (const sample of samples) sum += (sample / scale) ** 2;
  if (sum === 0) return 0;
  const decibels = 10 * Math.log10(sum / samples.length);
  return Math.max(0, Math.min(1, 1 + decibels / 60));
}
