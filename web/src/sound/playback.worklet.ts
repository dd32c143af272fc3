/** Plays a reply on the audio thread: resamples it to the device's rate, lets `Playout` decide, and tells the page how far it came. */
import { loudness, toFloats } from './frames.ts';
import { PLAYBACK, type FromPlayback, type ToPlayback } from './messages.ts';
import { Playout } from './playout.ts';
import { Resampler } from './resampler.ts';

const REPORT_S = 0.02;

class Playback extends AudioWorkletProcessor {
  readonly #playout = new Playout(sampleRate);
  #resampler: Resampler | null = null;
  #resampling = '';
  #reportedAt = 0;
  #askedAt: number | null = null;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToPlayback>): void => {
      if (data.type === 'sound') this.#keep(data.sound);
      else this.#flush(data.generation, data.askedAt);
    };
  }

  override process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [first, ...others] = outputs[0] ?? [];
    if (!first) return true;
    this.#playout.pull(first);
    for (const channel of others) channel.set(first);
    for (const heard of this.#playout.takeFinished()) this.#tell({ type: 'finished', heard });
    if (this.#askedAt !== null && this.#playout.silent) this.#tellSilence(this.#askedAt, first.length);
    if (currentTime - this.#reportedAt >= REPORT_S) this.#report(first);
    return true;
  }

  #keep({ generation, position, rateHz, samples }: Extract<ToPlayback, { type: 'sound' }>['sound']): void {
    if (!this.#playout.takes(generation)) return;
    const resampling = `${generation}/${rateHz}`;
    if (this.#resampler === null || this.#resampling !== resampling) {
      this.#resampler = new Resampler(rateHz, sampleRate);
      this.#resampling = resampling;
    }
    this.#playout.push(this.#resampler.push(toFloats(samples)), { generation, ms: (position / rateHz) * 1000 });
  }

  #flush(generation: number, askedAt: number): void {
    if (!this.#playout.silent) this.#askedAt = askedAt;
    this.#tell({ type: 'flushed', heard: this.#playout.flush(generation) });
  }

  #tellSilence(askedAt: number, samples: number): void {
    this.#askedAt = null;
    this.#tell({ type: 'silent', ms: (currentTime + samples / sampleRate - askedAt) * 1000 });
  }

  #report(played: Float32Array): void {
    this.#reportedAt = currentTime;
    this.#tell({
      type: 'progress',
      heard: this.#playout.heard,
      busy: this.#playout.busy,
      level: loudness(played),
      peak: this.#playout.peak,
      playedMs: (this.#playout.playedSamples / sampleRate) * 1000,
      underruns: this.#playout.underruns,
    });
  }

  #tell(message: FromPlayback): void {
    this.port.postMessage(message);
  }
}

registerProcessor(PLAYBACK, Playback);
