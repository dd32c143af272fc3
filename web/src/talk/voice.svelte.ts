/** The spoken side of a talk: microphone and loudspeaker while they are open, and how much of a reply was heard. */
import type { OpenSounds, Sounds, SoundsListener } from '../sound/audio.ts';
import type { Captured } from '../sound/messages.ts';
import type { Heard } from '../sound/playout.ts';
import type { ReplySound } from './wire.ts';

export interface VoiceListener {
  /** How much of a reply was heard, for the server: every quarter of a second, and whenever a reply stops. */
  heard(heard: Heard): void;
  frame(frame: Captured): void;
  /** The microphone is gone, and there is no other. */
  microphoneGone(): void;
}

const TELL_HEARD_EVERY_MS = 250;
/** How long a room goes on sounding after the loudspeaker has stopped. */
const ECHO_MS = 250;

export class Voice implements SoundsListener {
  /** Without headphones: the microphone is silent while the agent speaks. */
  halfDuplex = $state(false);
  /** Whether a reply sounds or is about to. */
  sounding = $state(false);
  #muted = $state(false);

  readonly #openSounds: OpenSounds;
  readonly #listener: VoiceListener;
  #sounds: Sounds | null = null;
  /** Counts openings and closings, so that a device that comes too late is let go at once. */
  #opening = 0;
  #newest = -1;
  #heard: Heard | null = null;
  #toldAt = -Infinity;
  #quietUntil = 0;

  constructor(openSounds: OpenSounds, listener: VoiceListener) {
    this.#openSounds = openSounds;
    this.#listener = listener;
  }

  get muted(): boolean {
    return this.#muted;
  }

  set muted(muted: boolean) {
    this.#muted = muted;
    if (this.#sounds) this.#sounds.microphone.muted = muted;
  }

  /** How loud both sides are now, 0 to 1; read it at every animation frame. */
  levels(): { user: number; agent: number } {
    return { user: this.#sounds?.microphone.level ?? 0, agent: this.#sounds?.loudspeaker.level ?? 0 };
  }

  /** Must be called in a click. Throws NoMicrophone. */
  async open(): Promise<void> {
    const opening = ++this.#opening;
    const sounds = await this.#openSounds(this);
    if (opening !== this.#opening) {
      sounds.close();
      return;
    }
    this.#sounds = sounds;
    sounds.microphone.muted = this.#muted;
  }

  /** Lets both devices go; the server is told before how much was heard. */
  close(): void {
    this.#opening++;
    this.#tellHeard();
    this.#sounds?.close();
    this.#sounds = null;
    this.#heard = null;
    this.#newest = -1;
    this.sounding = false;
  }

  play(sound: ReplySound): void {
    this.expect(sound.generation);
    this.#sounds?.loudspeaker.play(sound);
  }

  /** A reply of this generation was begun, perhaps without sound as yet. */
  expect(generation: number): void {
    this.#newest = Math.max(this.#newest, generation);
  }

  /** Silences what is being said, or the reply of one generation and those before it. */
  hush(generation = this.#newest): void {
    this.#tellHeard();
    this.#sounds?.loudspeaker.flush(generation);
  }

  frame({ samples, captured }: Captured): void {
    if (this.halfDuplex && (this.sounding || performance.now() < this.#quietUntil)) samples.fill(0);
    this.#listener.frame({ samples, captured });
  }

  /** The device went away: another one may have taken its place. */
  lost(): void {
    this.#sounds?.reopenMicrophone().catch(() => this.#listener.microphoneGone());
  }

  played(heard: Heard, { settled }: { settled: boolean }): void {
    // A reply was never heard less than was told already: the device's delay is only an estimate.
    const told = this.#heard?.generation === heard.generation ? this.#heard.ms : 0;
    this.#heard = { ...heard, ms: Math.max(told, heard.ms) };
    if (settled || performance.now() - this.#toldAt >= TELL_HEARD_EVERY_MS) this.#tellHeard();
  }

  busyChanged(busy: boolean): void {
    this.sounding = busy;
    if (!busy) this.#quietUntil = performance.now() + ECHO_MS;
  }

  #tellHeard(): void {
    if (!this.#heard) return;
    this.#toldAt = performance.now();
    this.#listener.heard(this.#heard);
  }
}
