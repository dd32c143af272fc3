/** Everything that sounds or listens in one conversation, on one AudioContext, so that both sides share a clock. */
import { openLoudspeaker, type Loudspeaker, type LoudspeakerListener } from './loudspeaker.ts';
import { openMicrophone, type Microphone, type MicrophoneListener } from './microphone.ts';
import { keepAwake } from './wakeful.ts';

export interface Sounds {
  readonly microphone: Microphone;
  readonly loudspeaker: Loudspeaker;
  /** Asks for the microphone again after it was lost. Throws NoMicrophone. */
  reopenMicrophone(): Promise<void>;
  close(): void;
}

export type SoundsListener = LoudspeakerListener & MicrophoneListener;

export type OpenSounds = (listener: SoundsListener) => Promise<Sounds>;

/** Must be called in a click: only there do browsers let a page sound. The context runs at the device's own rate. Throws NoMicrophone. */
export const openSounds: OpenSounds = async (listener) => {
  const context = new AudioContext({ latencyHint: 'interactive' });
  const letGo = keepAwake(context);
  const close = (): void => {
    letGo();
    void context.close();
  };
  try {
    const microphone = await openMicrophone(context, listener);
    const loudspeaker = await openLoudspeaker(context, listener);
    return new OpenedSounds(context, { microphone, loudspeaker, listener, close });
  } catch (error) {
    close();
    throw error;
  }
};

interface Parts {
  microphone: Microphone;
  loudspeaker: Loudspeaker;
  listener: SoundsListener;
  close: () => void;
}

class OpenedSounds implements Sounds {
  microphone: Microphone;
  readonly loudspeaker: Loudspeaker;
  readonly #context: AudioContext;
  readonly #listener: SoundsListener;
  readonly #close: () => void;

  constructor(context: AudioContext, parts: Parts) {
    this.#context = context;
    this.microphone = parts.microphone;
    this.loudspeaker = parts.loudspeaker;
    this.#listener = parts.listener;
    this.#close = parts.close;
  }

  async reopenMicrophone(): Promise<void> {
    const { muted } = this.microphone;
    this.microphone.close();
    this.microphone = await openMicrophone(this.#context, this.#listener);
    this.microphone.muted = muted;
  }

  close(): void {
    this.microphone.close();
    this.loudspeaker.close();
    this.#close();
  }
}
