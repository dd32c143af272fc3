/** The spoken side of a talk: microphone and loudspeaker while they are open, and how much of a reply was heard. */
import type { OpenSounds, Sounds, SoundsListener } from '../sound/audio.ts';
import type { Captured, Dry } from '../sound/messages.ts';
import type { Heard } from '../sound/playout.ts';
import type { ReplySound } from './wire.ts';

export interface VoiceListener {
  /** How much of a reply was heard, for the server: every quarter of a second, and whenever a reply stops. */
  heard(heard: Heard): void;
  frame(frame: Captured): void;
  /** What ran dry since the last time; at most every 5 s. */
  ranDry(dry: Dry): void;
  /** The microphone is gone, and there is no other. */
  microphoneGone(): void;
}

const TELL_HEARD_EVERY_MS = 250;
const TELL_DRY_EVERY_MS = 5000;
const NOTHING_DRY: Dry = { underruns: 0, gapMs: 0 };
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
  #dryTold = NOTHING_DRY;
  #dryToldAt = -Infinity;

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
    this.tellHeard();
    this.#sounds?.close();
    this.#sounds = null;
    this.#forget();
    this.#dryTold = NOTHING_DRY;
    this.sounding = false;
  }

  /** Another session has begun, which numbers its replies afresh; both devices stay open. */
  renew(): void {
    this.#forget();
    this.#sounds?.loudspeaker.reset();
  }

  #forget(): void {
    this.#heard = null;
    this.#newest = -1;
  }

  play(sound: ReplySound): void {
    this.expect(sound.generation);
    this.#sounds?.loudspeaker.play(sound);
  }

  /** A reply of this generation was begun, perhaps without sound as yet. */
  expect(generation: number): void {
    this.#newest = Math.max(this.#newest, generation);
  }

  /** The person wants silence: the newest reply and those before it are over. */
  silence(): void {
    if (this.#newest < 0) return;
    this.tellHeard();
    this.#sounds?.loudspeaker.flush(this.#newest, { more: false });
  }

  /** The server has cut a reply and those before it off; what still comes of it is new. */
  hush(generation: number): void {
    this.tellHeard();
    this.#sounds?.loudspeaker.flush(generation, { more: true });
  }

  /** Plays a reply softly (`gain`, 0 to 1), or as loud as before (1). */
  duck(generation: number, gain: number): void {
    this.#sounds?.loudspeaker.duck(generation, gain);
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
    if (settled || performance.now() - this.#toldAt >= TELL_HEARD_EVERY_MS) this.tellHeard();
  }

  busyChanged(busy: boolean): void {
    this.sounding = busy;
    if (!busy) this.#quietUntil = performance.now() + ECHO_MS;
  }

  measured({ underruns, gapMs }: Dry): void {
    const told = this.#dryTold;
    if (underruns === told.underruns || performance.now() - this.#dryToldAt < TELL_DRY_EVERY_MS) return;
    this.#dryTold = { underruns, gapMs };
    this.#dryToldAt = performance.now();
    this.#listener.ranDry({ underruns: underruns - told.underruns, gapMs: gapMs - told.gapMs });
  }

  tellHeard(): void {
    if (!this.#heard) return;
    this.#toldAt = performance.now();
    this.#listener.heard(this.#heard);
  }
}
