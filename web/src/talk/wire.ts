/** The protocol of `/voice-conversation` as the browser speaks it: the same layouts as `channels/browser/wire.py`. Pure. */

export const CLIENT_AUDIO = 1;
export const SERVER_AUDIO = 2;
const HEADER_BYTES = 16;

export type AgentState = 'waking' | 'listening' | 'thinking' | 'speaking';

export type ServerEvent =
  | { type: 'ready'; sessionId: string; conversationId: string; agentName: string; channel: string; binary: boolean }
  | { type: 'state'; state: AgentState }
  | { type: 'transcript'; text: string; final: boolean; turn: number | null }
  | { type: 'agent_response'; text: string; final: boolean; generation: number; interrupted: boolean; turn: number | null }
  | ({ type: 'audio_chunk' } & ReplySound)
  | { type: 'interrupted'; generation: number }
  | { type: 'error'; message: string; code: string }
  | { type: 'complete'; conversationId: string; reason: string }
  /** A type that this page does not know, such as one of a newer server. */
  | { type: 'other'; name: string };

export type ClientMessage =
  | { type: 'text'; text: string }
  | { type: 'interrupt' }
  | { type: 'end' }
  | { type: 'played'; generation: number; ms: number };

/** A piece of a reply: `position` counts samples since the reply began. */
export interface ReplySound {
  generation: number;
  position: number;
  rateHz: number;
  samples: Int16Array;
}

/** What came from the server is no message of this protocol. */
export class BadMessage extends Error {
  override name = 'BadMessage';
}

/** u32 kind = 1 · u32 sequence · f64 capture frame · samples, little endian. */
export function encodeSound(samples: Int16Array, { sequence, captured }: { sequence: number; captured: number }): ArrayBuffer {
  const frame = new ArrayBuffer(HEADER_BYTES + samples.length * 2);
  const view = new DataView(frame);
  view.setUint32(0, CLIENT_AUDIO, true);
  view.setUint32(4, sequence >>> 0, true);
  view.setFloat64(8, captured, true);
  samples.forEach((sample, index) => view.setInt16(HEADER_BYTES + index * 2, sample, true));
  return frame;
}

/** u32 kind = 2 · u32 generation · u32 position · u32 rate · samples, little endian. Throws BadMessage. */
export function decodeSound(frame: ArrayBuffer): ReplySound {
  if (frame.byteLength < HEADER_BYTES || frame.byteLength % 2) throw new BadMessage('This is no audio frame.');
  const view = new DataView(frame);
  const kind = view.getUint32(0, true);
  const rateHz = view.getUint32(12, true);
  if (kind !== SERVER_AUDIO) throw new BadMessage(`Binary frames of kind ${kind} are unknown.`);
  if (rateHz === 0) throw new BadMessage('An audio frame has no rate.');
  return { generation: view.getUint32(4, true), position: view.getUint32(8, true), rateHz, samples: samplesOf(view, HEADER_BYTES) };
}

/** One text frame of the server. Throws BadMessage when it is none. */
export function parseEvent(frame: string): ServerEvent {
  const message = parseObject(frame);
  const data = new Fields(message['data']);
  const type = message['type'];
  switch (type) {
    case 'ready':
      return {
        type,
        sessionId: data.text('sessionId'),
        conversationId: data.text('conversationId'),
        agentName: data.text('agentName'),
        channel: data.text('channel'),
        binary: data.claim('binary'),
      };
    case 'state':
      return { type, state: agentState(data.text('state')) };
    case 'transcript':
      return { type, text: data.text('text'), final: data.claim('final'), turn: data.maybeNumber('turn') };
    case 'agent_response':
      return {
        type,
        text: data.text('text'),
        final: data.claim('final'),
        generation: data.number('generation'),
        interrupted: data.claim('interrupted'),
        turn: data.maybeNumber('turn'),
      };
    case 'audio_chunk':
      return { type, ...chunk(data) };
    case 'interrupted':
      return { type, generation: data.number('generation') };
    case 'error':
      return { type, message: data.text('message'), code: data.text('code') };
    case 'complete':
      return { type, conversationId: data.text('conversationId'), reason: data.text('reason') };
    default:
      if (typeof type !== 'string') throw new BadMessage('A message has no type.');
      return { type: 'other', name: type };
  }
}

function chunk(data: Fields): ReplySound {
  const rateHz = data.number('rate');
  const bytes = Uint8Array.from(atob(data.text('audioBase64')), (character) => character.charCodeAt(0));
  return {
    generation: data.number('generation'),
    position: Math.round((data.number('positionMs') * rateHz) / 1000),
    rateHz,
    samples: samplesOf(new DataView(bytes.buffer), 0),
  };
}

function samplesOf(view: DataView, offset: number): Int16Array {
  const samples = new Int16Array(Math.floor((view.byteLength - offset) / 2));
  for (let index = 0; index < samples.length; index++) samples[index] = view.getInt16(offset + index * 2, true);
  return samples;
}

function agentState(name: string): AgentState {
  if (name === 'waking' || name === 'listening' || name === 'thinking' || name === 'speaking') return name;
  throw new BadMessage(`The state ${name} is unknown.`);
}

function parseObject(frame: string): Record<string, unknown> {
  try {
    const message: unknown = JSON.parse(frame);
    if (isObject(message)) return message;
  } catch {
    // Falls through to the one sentence below: what was sent is not repeated in errors.
  }
  throw new BadMessage('The server sent something that is no message of this protocol.');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The `data` of a message, read with its types checked; keys that the protocol gives a default may be missing. */
class Fields {
  readonly #fields: Record<string, unknown>;

  constructor(fields: unknown) {
    if (!isObject(fields)) throw new BadMessage('A message has no data.');
    this.#fields = fields;
  }

  text(key: string): string {
    const value = this.#fields[key];
    if (typeof value !== 'string') throw new BadMessage(`"${key}" is no text.`);
    return value;
  }

  number(key: string): number {
    const value = this.#fields[key];
    if (typeof value !== 'number') throw new BadMessage(`"${key}" is no number.`);
    return value;
  }

  maybeNumber(key: string): number | null {
    return this.#fields[key] == null ? null : this.number(key);
  }

  claim(key: string): boolean {
    return this.#fields[key] === true;
  }
}
