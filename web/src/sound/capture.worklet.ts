/** Turns what the microphone hears into 16 kHz frames on the audio thread, whatever the device's own rate is. */
import { Framer, INPUT_HZ } from './frames.ts';
import { CAPTURE, type Captured } from './messages.ts';
import { Resampler } from './resampler.ts';

class Capture extends AudioWorkletProcessor {
  readonly #resampler = new Resampler(sampleRate, INPUT_HZ);
  readonly #framer = new Framer();

  override process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? [];
    if (channels.length === 0) return true;
    for (const samples of this.#framer.push(this.#resampler.push(mono(channels)))) {
      const frame: Captured = { samples, captured: currentFrame };
      this.port.postMessage(frame, [samples.buffer]);
    }
    return true;
  }
}

function mono(channels: Float32Array[]): Float32Array {
  const [first] = channels as [Float32Array];
  if (channels.length === 1) return first;
  return first.map((_, index) => channels.reduce((sum, channel) => sum + channel[index]!, 0) / channels.length);
}

registerProcessor(CAPTURE, Capture);
