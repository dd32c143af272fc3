/** Decides which sample leaves the loudspeaker next: a ring buffer with a prefill, numbered replies, and a silence that can come at any instant. Pure. */

const FIRST_SECONDS = 4;
const MOST_SECONDS = 120;

export interface PlayoutTimes {
  prefillMs: number;
  /** How much the prefill grows at each underrun, up to `mostPrefillMs`. */
  stepMs: number;
  mostPrefillMs: number;
  fadeMs: number;
  /** How long the way from full loudness to none takes, where a reply is ducked. */
  rampMs: number;
}

const TIMES: PlayoutTimes = { prefillMs: 200, stepMs: 40, mostPrefillMs: 400, fadeMs: 5, rampMs: 20 };

/** How far a reply has been played, in milliseconds since it began. */
export interface Heard {
  generation: number;
  ms: number;
}

interface Marker extends Heard {
  /** Count of samples ever written before this marker. */
  at: number;
}

/**
 * Time is counted in the samples that are pulled, so that nothing here waits and nothing here reads a clock.
 *
 *     idle ──push──> filling ──prefill reached, or nothing more came for as long──> playing ──empty──> idle
 *                                                                                    │
 *     any ──flush──> fading (5 ms) ──> idle, or on with a later reply <──────────────┘
 *
 * A flush closes a reply: what still comes of it is dropped. A flush with `more` leaves it open, for after a false alarm the server goes on
 * with what it had cut off, and that is new.
 */
export class Playout {
  /** How often a reply ran dry and went on. */
  underruns = 0;
  #gapSamples = 0;
  /** The largest sample played so far, 0 to 1. */
  peak = 0;
  playedSamples = 0;

  readonly #rateHz: number;
  readonly #times: PlayoutTimes;
  #prefillMs: number;
  #ring: Float32Array;
  #written = 0;
  #read = 0;
  #markers: Marker[] = [];
  #finished: Heard[] = [];
  #fade = new Float32Array(0);
  #playing = false;
  #waited = 0;
  #newest = -1;
  #floor = -1;
  #drained: number | null = null;
  /** Samples of silence since a reply ran dry; null where none did. */
  #dry: number | null = null;
  #duck: { generation: number; gain: number } | null = null;
  #gain = 1;

  constructor(rateHz: number, times: Partial<PlayoutTimes> = {}) {
    this.#rateHz = rateHz;
    this.#times = { ...TIMES, ...times };
    this.#prefillMs = this.#times.prefillMs;
    this.#ring = new Float32Array(FIRST_SECONDS * rateHz);
  }

  /** Whether a reply's sound is still wanted: not of a reply that was interrupted, nor of one older than the newest. */
  takes(generation: number): boolean {
    return generation > this.#floor && generation >= this.#newest;
  }

  get prefillMs(): number {
    return this.#prefillMs;
  }

  /** Whether sound is leaving or about to leave. */
  get busy(): boolean {
    return this.#read < this.#written || this.#fade.length > 0;
  }

  /** Whether the next pull is silent. */
  get silent(): boolean {
    return !this.#playing && this.#fade.length === 0;
  }

  /** Keeps samples of a reply that begin `ms` after its start. False when they are not wanted, or when two minutes wait already. */
  push(samples: Float32Array, { generation, ms }: Heard): boolean {
    if (!this.takes(generation) || !this.#hasRoom(samples.length)) return false;
    if (samples.length === 0) return true;
    if (this.#drained === generation) this.#prefillMs = Math.min(this.#times.mostPrefillMs, this.#prefillMs + this.#times.stepMs);
    else if (this.#drained !== null) this.#dry = null;
    this.#drained = null;
    this.#newest = generation;
    this.#markers.push({ at: this.#written, generation, ms });
    const start = this.#written % this.#ring.length;
    const first = Math.min(samples.length, this.#ring.length - start);
    this.#ring.set(samples.subarray(0, first), start);
    this.#ring.set(samples.subarray(first), 0);
    this.#written += samples.length;
    this.#waited = 0;
    return true;
  }

  /** Fills `output` with what is played next. */
  pull(output: Float32Array): void {
    output.fill(0);
    const offset = this.#pullFade(output);
    if (!this.#playing) this.#wait(output.length);
    if (this.#playing) {
      const count = Math.min(output.length - offset, this.#written - this.#read);
      this.#render(output.subarray(offset, offset + count));
      this.#read += count;
      this.playedSamples += count;
      this.#passMarkers();
      if (this.#read === this.#written) this.#drain();
    }
    for (const sample of output) this.peak = Math.max(this.peak, Math.abs(sample));
  }

  /** Plays a reply softly, or with a gain of 1 as loud as before; another reply is as loud as ever. */
  duck(generation: number, gain: number): void {
    this.#duck = gain < 1 ? { generation, gain: Math.max(0, gain) } : null;
  }

  /** How long replies were silent in all where they had run dry. */
  get gapMs(): number {
    return (this.#gapSamples / this.#rateHz) * 1000;
  }

  /** How far the reply that sounds now, or sounded last, has been played. */
  get heard(): Heard | null {
    const marker = this.#markers[0];
    if (!marker) return null;
    return { generation: marker.generation, ms: marker.ms + ((this.#read - marker.at) / this.#rateHz) * 1000 };
  }

  /** Replies, and pieces of replies, that ran out since the last call. */
  takeFinished(): Heard[] {
    const finished = this.#finished;
    this.#finished = [];
    return finished;
  }

  /** Silences this reply and all before it, with a short fade. Says how much of the reply was played; null when a later one sounds already. */
  flush(generation: number, { more = false } = {}): Heard | null {
    const heard = this.#heardOf(generation);
    const later = this.#markers.findIndex((marker) => marker.generation > generation);
    const end = later < 0 ? this.#written : this.#markers[later]!.at;
    if (more && this.#floor === generation) this.#floor = generation - 1;
    this.#floor = Math.max(this.#floor, more ? generation - 1 : generation);
    this.#drained = this.#dry = this.#duck = null;
    if (end <= this.#read) return heard;
    if (this.#playing) this.#fadeUntil(end);
    this.#read = end;
    this.#markers = later < 0 ? [] : this.#markers.slice(later);
    if (this.#read === this.#written) this.#playing = false;
    return heard;
  }

  /** Silences everything and forgets the numbers of the replies: a new session counts from the start. */
  reset(): void {
    this.flush(this.#newest);
    this.#newest = this.#floor = -1;
    this.#markers = [];
  }

  #render(output: Float32Array): void {
    const wanted = this.#duck?.generation === this.#markers[0]?.generation ? (this.#duck?.gain ?? 1) : 1;
    const step = 1000 / (this.#times.rampMs * this.#rateHz);
    for (let index = 0; index < output.length; index++) {
      this.#gain = this.#gain < wanted ? Math.min(wanted, this.#gain + step) : Math.max(wanted, this.#gain - step);
      output[index] = this.#ring[(this.#read + index) % this.#ring.length]! * this.#gain;
    }
  }

  #heardOf(generation: number): Heard | null {
    const heard = this.heard;
    if (!heard || heard.generation < generation) return { generation, ms: 0 };
    return heard.generation === generation ? heard : null;
  }

  #fadeUntil(end: number): void {
    const length = Math.min(Math.round((this.#times.fadeMs / 1000) * this.#rateHz), end - this.#read);
    this.#fade = new Float32Array(length);
    for (let index = 0; index < length; index++) {
      this.#fade[index] = this.#ring[(this.#read + index) % this.#ring.length]! * this.#gain * (1 - (index + 1) / length);
    }
  }

  #pullFade(output: Float32Array): number {
    const count = Math.min(output.length, this.#fade.length);
    output.set(this.#fade.subarray(0, count));
    this.#fade = this.#fade.slice(count);
    return count;
  }

  #wait(samples: number): void {
    const held = this.#written - this.#read;
    if (this.#dry !== null) this.#dry += samples;
    if (held === 0) return;
    this.#waited += samples;
    const enough = (this.#prefillMs / 1000) * this.#rateHz;
    this.#playing = held >= enough || this.#waited >= enough;
    if (this.#playing && this.#dry !== null) this.#underrun(this.#dry - samples);
  }

  #passMarkers(): void {
    while (this.#markers.length > 1 && this.#markers[1]!.at < this.#read) {
      const [passed, next] = this.#markers as [Marker, Marker];
      if (passed.generation !== next.generation) {
        this.#finished.push({ generation: passed.generation, ms: passed.ms + ((next.at - passed.at) / this.#rateHz) * 1000 });
      }
      this.#markers.shift();
    }
  }

  #drain(): void {
    this.#playing = false;
    this.#markers = this.#markers.slice(-1);
    const heard = this.heard;
    if (heard) this.#finished.push(heard);
    this.#drained = heard?.generation ?? null;
    this.#dry = 0;
  }

  #underrun(samples: number): void {
    this.underruns++;
    this.#gapSamples += samples;
    this.#dry = null;
  }

  #hasRoom(samples: number): boolean {
    const needed = this.#written - this.#read + samples;
    if (needed <= this.#ring.length) return true;
    if (needed > MOST_SECONDS * this.#rateHz) return false;
    const larger = new Float32Array(Math.min(MOST_SECONDS * this.#rateHz, Math.max(needed, 2 * this.#ring.length)));
    for (let at = this.#read; at < this.#written; at++) larger[at % larger.length] = this.#ring[at % this.#ring.length]!;
    this.#ring = larger;
    return true;
  }
}
