/** Plays a reply on the audio thread: resamples it to the device's rate, lets `Playout` decide, and tells the page how far it came. */
import { loudness, toFloats } from './frames.ts';
import { PLAYBACK, type FromPlayback, type ToPlayback } from './messages.ts';
import { Playout } from './playout.ts';
import { Resampler } from './resampler.ts';

const REPORT_S = 0.02;

class Playback extends AudioWorkletProcessor {
  readonly #playout = new Playout(sampleRate);
  #resampler: Resampler | null = null;
  #resampling = 0;
  /** What follows without a jump, as a reply and a position in it. */
  #follows = '';
  #reportedAt = 0;
  #askedAt: number | null = null;
  #flushedAt = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToPlayback>): void => {
      switch (data.type) {
        case 'sound':
          return this.#keep(data.sound);
        case 'flush':
          return this.#flush(data);
        case 'duck':
          return this.#playout.duck(data.generation, data.gain);
        case 'reset':
          return this.#playout.reset();
      }
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
    if (this.#resampler === null || this.#resampling !== rateHz) {
      this.#resampler = new Resampler(rateHz, sampleRate);
      this.#resampling = rateHz;
    } else if (this.#follows !== `${generation}/${position}`) this.#resampler.reset();
    this.#follows = `${generation}/${position + samples.length}`;
    this.#playout.push(this.#resampler.push(toFloats(samples)), { generation, ms: (position / rateHz) * 1000 });
  }

  #flush({ generation, more, askedAt }: Extract<ToPlayback, { type: 'flush' }>): void {
    if (!this.#playout.silent && this.#askedAt === null) {
      this.#askedAt = askedAt;
      this.#flushedAt = currentFrame;
    }
    this.#tell({ type: 'flushed', heard: this.#playout.flush(generation, { more }) });
  }

  #tellSilence(askedAt: number, samples: number): void {
    this.#askedAt = null;
    this.#tell({ type: 'silent', ms: (currentTime + samples / sampleRate - askedAt) * 1000, samples: currentFrame + samples - this.#flushedAt });
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
      dry: { underruns: this.#playout.underruns, gapMs: this.#playout.gapMs },
    });
  }

  #tell(message: FromPlayback): void {
    this.port.postMessage(message);
  }
}

registerProcessor(PLAYBACK, Playback);
