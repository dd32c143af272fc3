/** The microphone: asked for only when somebody wants to speak, and let go when the conversation ends. */
import { loudness } from './frames.ts';
import { CAPTURE, type Captured } from './messages.ts';
import captureUrl from './capture.worklet.ts?worker&url';

export type MicrophoneProblem = 'denied' | 'missing' | 'busy' | 'insecure' | 'failed';

/** The microphone cannot be had; `problem` says what a person can do about it. */
export class NoMicrophone extends Error {
  override name = 'NoMicrophone';
  readonly problem: MicrophoneProblem;

  constructor(problem: MicrophoneProblem, options?: ErrorOptions) {
    super(`The microphone is not available: ${problem}.`, options);
    this.problem = problem;
  }
}

export interface Microphone {
  muted: boolean;
  /** How loud it is, 0 to 1. */
  readonly level: number;
  /** Lets the device go. */
  close(): void;
}

export interface MicrophoneListener {
  frame(frame: Captured): void;
  /** The device went away, or the person took the permission back. */
  lost(): void;
}

/** Asks for the microphone and starts to listen; the caller closes it. Throws NoMicrophone. */
export async function openMicrophone(context: AudioContext, listener: MicrophoneListener): Promise<Microphone> {
  const stream = await askForMicrophone();
  try {
    await context.audioWorklet.addModule(captureUrl);
    return new WorkletMicrophone(context, { stream, listener });
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    throw new NoMicrophone('failed', { cause: error });
  }
}

async function askForMicrophone(): Promise<MediaStream> {
  if (!window.isSecureContext || !navigator.mediaDevices) throw new NoMicrophone('insecure');
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (error) {
    throw new NoMicrophone(problemOf(error), { cause: error });
  }
}

function problemOf(error: unknown): MicrophoneProblem {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'failed';
  }
}

class WorkletMicrophone implements Microphone {
  level = 0;
  readonly #stream: MediaStream;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #node: AudioWorkletNode;

  constructor(context: AudioContext, { stream, listener }: { stream: MediaStream; listener: MicrophoneListener }) {
    this.#stream = stream;
    this.#source = context.createMediaStreamSource(stream);
    this.#node = new AudioWorkletNode(context, CAPTURE, { outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }: MessageEvent<Captured>): void => {
      this.level = loudness(data.samples);
      listener.frame(data);
    };
    for (const track of stream.getTracks()) track.onended = (): void => listener.lost();
    // The output is silence; not every browser runs a node that leads nowhere.
    this.#source.connect(this.#node).connect(context.destination);
  }

  get muted(): boolean {
    return this.#stream.getAudioTracks().every((track) => !track.enabled);
  }

  /** A muted track delivers silence, so that the server's sense of time goes on. */
  set muted(muted: boolean) {
    for (const track of this.#stream.getAudioTracks()) track.enabled = !muted;
  }

  close(): void {
    this.#node.port.onmessage = null;
    this.#source.disconnect();
    this.#node.disconnect();
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.level = 0;
  }
}
