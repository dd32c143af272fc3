/** The page's side of the loudspeaker: hands replies to the audio thread and knows what was heard of them. */
import type { ReplySound } from '../talk/wire.ts';
import { PLAYBACK, type Dry, type FromPlayback, type ToPlayback } from './messages.ts';
import type { Heard } from './playout.ts';
import playbackUrl from './playback.worklet.ts?worker&url';

/** Figures for diagnosis, as `window.__voicemind`: what the loudspeaker did since the page was loaded. Nothing in the page depends on them. */
export interface Figures {
  /** The largest sample played, 0 to 1. */
  playedPeak: number;
  playedMs: number;
  /** How often a reply ran dry before it was over. */
  underruns: number;
  /** From the last request to be silent until the last sample that was not; null before the first. */
  interruptedToSilentMs: number | null;
  /** How many samples of that left after the audio thread had heard of the request, the fade included; null before the first. */
  samplesUntilSilent: number | null;
}

const figures: Figures = { playedPeak: 0, playedMs: 0, underruns: 0, interruptedToSilentMs: null, samplesUntilSilent: null };
window.__voicemind = figures;

declare global {
  interface Window {
    __voicemind?: Figures;
  }
}

export interface Loudspeaker {
  /** Whether a reply sounds or is about to. */
  readonly busy: boolean;
  /** How loud it is, 0 to 1. */
  readonly level: number;
  play(sound: ReplySound): void;
  /** Silences this reply and those before it; what still comes of them is dropped, unless this one may go on (`more`). */
  flush(generation: number, options: { more: boolean }): void;
  /** Plays a reply softly (`gain`, 0 to 1), or as loud as before (1). */
  duck(generation: number, gain: number): void;
  /** Silences everything; the numbers of the replies begin again. */
  reset(): void;
  close(): void;
}

export interface LoudspeakerListener {
  /** How far a reply has been played. `settled`: it ran out or was silenced, so this is worth telling at once. */
  played(heard: Heard, options: { settled: boolean }): void;
  busyChanged(busy: boolean): void;
  /** How often replies have run dry by now; comes all the time. */
  measured(dry: Dry): void;
}

/** Opens the loudspeaker on a context; the caller closes both. */
export async function openLoudspeaker(context: AudioContext, listener: LoudspeakerListener): Promise<Loudspeaker> {
  await context.audioWorklet.addModule(playbackUrl);
  return new WorkletLoudspeaker(context, listener);
}

class WorkletLoudspeaker implements Loudspeaker {
  busy = false;
  level = 0;
  readonly #context: AudioContext;
  readonly #node: AudioWorkletNode;
  readonly #listener: LoudspeakerListener;
  readonly #playedMsBefore: number;
  readonly #underrunsBefore: number;

  constructor(context: AudioContext, listener: LoudspeakerListener) {
    this.#context = context;
    this.#listener = listener;
    this.#playedMsBefore = figures.playedMs;
    this.#underrunsBefore = figures.underruns;
    this.#node = new AudioWorkletNode(context, PLAYBACK, { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }: MessageEvent<FromPlayback>): void => this.#take(data);
    this.#node.connect(context.destination);
  }

  play(sound: ReplySound): void {
    this.#tell({ type: 'sound', sound });
  }

  flush(generation: number, { more }: { more: boolean }): void {
    this.#tell({ type: 'flush', generation, more, askedAt: this.#context.currentTime });
  }

  duck(generation: number, gain: number): void {
    this.#tell({ type: 'duck', generation, gain });
  }

  reset(): void {
    this.#tell({ type: 'reset' });
  }

  close(): void {
    this.#node.port.onmessage = null;
    this.#node.disconnect();
    this.#setBusy(false);
    this.level = 0;
  }

  #tell(message: ToPlayback): void {
    this.#node.port.postMessage(message);
  }

  #take(message: FromPlayback): void {
    switch (message.type) {
      case 'progress':
        this.level = message.level;
        figures.playedPeak = Math.max(figures.playedPeak, message.peak);
        figures.playedMs = this.#playedMsBefore + message.playedMs;
        figures.underruns = this.#underrunsBefore + message.dry.underruns;
        this.#listener.measured(message.dry);
        if (message.heard && message.busy) this.#listener.played(this.#outside(message.heard), { settled: false });
        this.#setBusy(message.busy);
        break;
      case 'finished':
        this.#listener.played(message.heard, { settled: true });
        break;
      case 'flushed':
        if (message.heard) this.#listener.played(this.#outside(message.heard), { settled: true });
        this.#setBusy(false);
        break;
      case 'silent':
        figures.interruptedToSilentMs = message.ms;
        figures.samplesUntilSilent = message.samples;
        break;
    }
  }

  /** What has left the device lags behind what was handed to it. */
  #outside(heard: Heard): Heard {
    const latencyMs = (this.#context.outputLatency || this.#context.baseLatency || 0) * 1000;
    return { ...heard, ms: Math.max(0, heard.ms - latencyMs) };
  }

  #setBusy(busy: boolean): void {
    if (busy === this.busy) return;
    this.busy = busy;
    this.#listener.busyChanged(busy);
  }
}
