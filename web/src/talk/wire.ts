/** The protocol of `/voice-conversation` as the browser speaks it: the same layouts as `wire.py`, `events.py` and `frames.py` in `channels/browser`. Pure. */

export const CLIENT_AUDIO = 1;
export const SERVER_AUDIO = 2;
const HEADER_BYTES = 16;

export type AgentState = 'waking' | 'listening' | 'thinking' | 'speaking';

export type ToolStatus = 'running' | 'ok' | 'error';

export type ServerEvent =
  | ({ type: 'ready'; conversationId: string; agentName: string; channel: string; binary: boolean; recording: boolean } & SessionKey)
  | { type: 'state'; state: AgentState }
  /** `id` is that of the typed message; empty for what was spoken. */
  | { type: 'transcript'; text: string; final: boolean; turn: number | null; id: string }
  | { type: 'agent_response'; text: string; final: boolean; generation: number; interrupted: boolean; turn: number | null }
  | ({ type: 'audio_chunk' } & ReplySound)
  /** Nothing more of this reply's sound is on the way. After a false alarm it may go on: what then comes is new. */
  | { type: 'interrupted'; generation: number }
  | { type: 'ducked'; generation: number; gain: number }
  /** How a reply ended: what the person heard of it, and what they did not. */
  | { type: 'heard'; generation: number; text: string; unheard: string; interrupted: boolean }
  | { type: 'tool_call'; callId: string; toolName: string; status: ToolStatus; ms: number }
  /** Where the time of a reply went, in milliseconds since the person had finished. */
  | { type: 'metrics'; generation: number; timingsMs: Readonly<Record<string, number>> }
  /** The typed message with this id had arrived before. */
  | { type: 'ack'; id: string }
  | { type: 'queue'; position: number }
  /** The session goes on; `missed` messages follow. */
  | { type: 'resumed'; missed: number; state: AgentState }
  /** The server stops within so many seconds. */
  | { type: 'draining'; withinS: number }
  | { type: 'error'; message: string; code: string }
  | { type: 'complete'; conversationId: string; reason: string }
  /** A type that this page does not know, such as one of a newer server. */
  | { type: 'other'; name: string };

export type ClientMessage =
  | { type: 'text'; text: string; id: string }
  | { type: 'interrupt' }
  | { type: 'end' }
  | { type: 'played'; generation: number; ms: number }
  /** Everything up to this message has arrived. */
  | { type: 'ack'; sequence: number }
  /** The first message on a socket that goes on with a session, after this message of the server. */
  | { type: 'resume'; sessionId: string; secret: string; sequence: number }
  /** What ran dry since the last report. */
  | { type: 'metrics'; underruns: number; gapMs: number };

/** What it takes to go on with a session; `secret` is empty where the server does not offer that. */
export interface SessionKey {
  sessionId: string;
  secret: string;
  resumableForS: number;
}

/** One message of the server; `sequence` counts them, and is null where the server does not. */
export interface Numbered {
  event: ServerEvent;
  sequence: number | null;
}

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

/** What a `metrics` message may hold at most; more is refused. */
const MOST_UNDERRUNS = 10_000;
const MOST_GAP_MS = 600_000;

/** What ran dry, as the server takes it: whatever was measured, it is no reason to refuse the message. */
export function dryReport({ underruns, gapMs }: { underruns: number; gapMs: number }): Extract<ClientMessage, { type: 'metrics' }> {
  return { type: 'metrics', underruns: Math.round(within(underruns, MOST_UNDERRUNS)), gapMs: within(gapMs, MOST_GAP_MS) };
}

function within(value: number, most: number): number {
  return Number.isNaN(value) ? 0 : Math.min(Math.max(value, 0), most);
}

/** One text frame of the server. Throws BadMessage when it is none. */
export function parseEvent(frame: string): Numbered {
  const message = parseObject(frame);
  const { type, sequence } = message;
  if (typeof type !== 'string') throw new BadMessage('A message has no type.');
  const read = READERS[type as keyof typeof READERS] as ((data: Fields) => ServerEvent) | undefined;
  const event: ServerEvent = Object.hasOwn(READERS, type) && read ? read(new Fields(message['data'])) : { type: 'other', name: type };
  return { event, sequence: typeof sequence === 'number' ? sequence : null };
}

type Named = Exclude<ServerEvent['type'], 'other'>;

const READERS: { [Type in Named]: (data: Fields) => Extract<ServerEvent, { type: Type }> } = {
  ready: (data) => ({
    type: 'ready',
    sessionId: data.text('sessionId'),
    secret: data.textOr('secret', ''),
    resumableForS: data.numberOr('resumableForS', 0),
    conversationId: data.text('conversationId'),
    agentName: data.text('agentName'),
    channel: data.text('channel'),
    binary: data.claim('binary'),
    recording: data.claim('recording'),
  }),
  state: (data) => ({ type: 'state', state: agentState(data.text('state')) }),
  transcript: (data) => ({
    type: 'transcript',
    text: data.text('text'),
    final: data.claim('final'),
    turn: data.maybeNumber('turn'),
    id: data.textOr('id', ''),
  }),
  agent_response: (data) => ({
    type: 'agent_response',
    text: data.text('text'),
    final: data.claim('final'),
    generation: data.number('generation'),
    interrupted: data.claim('interrupted'),
    turn: data.maybeNumber('turn'),
  }),
  audio_chunk: (data) => ({ type: 'audio_chunk', ...chunk(data) }),
  interrupted: (data) => ({ type: 'interrupted', generation: data.number('generation') }),
  ducked: (data) => ({ type: 'ducked', generation: data.number('generation'), gain: data.number('gain') }),
  heard: (data) => ({
    type: 'heard',
    generation: data.number('generation'),
    text: data.text('text'),
    unheard: data.text('unheard'),
    interrupted: data.claim('interrupted'),
  }),
  tool_call: (data) => ({
    type: 'tool_call',
    callId: data.text('callId'),
    toolName: data.text('toolName'),
    status: toolStatus(data.text('status')),
    ms: data.numberOr('ms', 0),
  }),
  metrics: (data) => ({ type: 'metrics', generation: data.number('generation'), timingsMs: data.numbers('timingsMs') }),
  ack: (data) => ({ type: 'ack', id: data.text('id') }),
  queue: (data) => ({ type: 'queue', position: data.number('position') }),
  resumed: (data) => ({ type: 'resumed', missed: data.number('missed'), state: agentState(data.text('state')) }),
  draining: (data) => ({ type: 'draining', withinS: data.number('withinS') }),
  error: (data) => ({ type: 'error', message: data.text('message'), code: data.text('code') }),
  complete: (data) => ({ type: 'complete', conversationId: data.text('conversationId'), reason: data.text('reason') }),
};

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

function toolStatus(name: string): ToolStatus {
  if (name === 'running' || name === 'ok' || name === 'error') return name;
  throw new BadMessage(`The status ${name} is unknown.`);
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

  textOr(key: string, otherwise: string): string {
    return this.#fields[key] == null ? otherwise : this.text(key);
  }

  numberOr(key: string, otherwise: number): number {
    return this.#fields[key] == null ? otherwise : this.number(key);
  }

  numbers(key: string): Record<string, number> {
    const value = this.#fields[key];
    if (!isObject(value) || Object.values(value).some((part) => typeof part !== 'number')) throw new BadMessage(`"${key}" holds no numbers.`);
    return value as Record<string, number>;
  }

  claim(key: string): boolean {
    return this.#fields[key] === true;
  }
}
