/** What the page and the audio thread tell each other. */
import type { ReplySound } from '../talk/wire.ts';
import type { Heard } from './playout.ts';

/** One frame of the microphone: 320 samples at 16 kHz, and when it was captured in the context's own sample count. */
export interface Captured {
  samples: Int16Array;
  captured: number;
}

export type ToPlayback =
  | { type: 'sound'; sound: ReplySound }
  /** `askedAt` is the context's time at the request, so that the delay until silence can be told. `more`: the reply may go on. */
  | { type: 'flush'; generation: number; more: boolean; askedAt: number }
  | { type: 'duck'; generation: number; gain: number }
  /** The numbers of the replies begin again. */
  | { type: 'reset' };

/** How often, and for how long in all, replies ran dry since the loudspeaker was opened. */
export interface Dry {
  underruns: number;
  gapMs: number;
}

export type FromPlayback =
  | { type: 'progress'; heard: Heard | null; busy: boolean; level: number; peak: number; playedMs: number; dry: Dry }
  | { type: 'finished'; heard: Heard }
  | { type: 'flushed'; heard: Heard | null }
  | { type: 'silent'; ms: number; samples: number };

export const CAPTURE = 'voicemind-capture';
export const PLAYBACK = 'voicemind-playback';
