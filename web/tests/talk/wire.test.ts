import { describe, expect, test } from 'vitest';
import { BadMessage, decodeSound, encodeSound, parseEvent } from '../../src/talk/wire.ts';

const event = (type: string, data: object): string => JSON.stringify({ type, data, timestamp: 1 });

test('a frame of the microphone has the layout of the protocol', () => {
  const frame = encodeSound(Int16Array.of(1, -2, 32_767), { sequence: 7, captured: 882.5 });
  const bytes = new Uint8Array(frame);
  expect(Array.from(bytes.slice(0, 8))).toEqual([1, 0, 0, 0, 7, 0, 0, 0]);
  expect(new DataView(frame).getFloat64(8, true)).toBe(882.5);
  expect(Array.from(bytes.slice(16))).toEqual([1, 0, 0xfe, 0xff, 0xff, 0x7f]);
});

describe('a frame of a reply', () => {
  const frame = (header: number[], bytes: number[]): ArrayBuffer => {
    const content = new Uint8Array(header.length * 4 + bytes.length);
    header.forEach((field, index) => new DataView(content.buffer).setUint32(index * 4, field, true));
    content.set(bytes, header.length * 4);
    return content.buffer;
  };

  test('is read with its generation, position and rate', () => {
    expect(decodeSound(frame([2, 3, 4800, 24_000], [0xff, 0x7f, 0x00, 0x80]))).toEqual({
      generation: 3,
      position: 4800,
      rateHz: 24_000,
      samples: Int16Array.of(32_767, -32_768),
    });
  });

  test.each([
    ['too short', frame([2, 3, 0], [])],
    ['of another kind', frame([9, 3, 0, 24_000], [0, 0])],
    ['half a sample', frame([2, 3, 0, 24_000], [0])],
    ['without a rate', frame([2, 3, 0, 0], [0, 0])],
  ])('%s is refused', (_, bad) => {
    expect(() => decodeSound(bad)).toThrow(BadMessage);
  });
});

describe('an event', () => {
  test('of every type of the protocol is read', () => {
    const ready = { sessionId: 's', conversationId: 'c', conversationDetailId: 'c', agentId: 'a', agentName: 'Ada', channel: 'voice', inputRate: 16_000, outputRate: 24_000, encoding: 'pcm_s16le', binary: true };
    expect(parseEvent(event('ready', ready))).toEqual({ type: 'ready', sessionId: 's', conversationId: 'c', agentName: 'Ada', channel: 'voice', binary: true });
    expect(parseEvent(event('state', { state: 'thinking' }))).toEqual({ type: 'state', state: 'thinking' });
    expect(parseEvent(event('transcript', { text: 'Hi', final: true, turn: 3 }))).toEqual({ type: 'transcript', text: 'Hi', final: true, turn: 3 });
    expect(parseEvent(event('transcript', { text: 'H', final: false }))).toMatchObject({ final: false, turn: null });
    expect(parseEvent(event('agent_response', { text: 'Yes', final: false, generation: 2 }))).toEqual({ type: 'agent_response', text: 'Yes', final: false, generation: 2, interrupted: false, turn: null });
    expect(parseEvent(event('interrupted', { generation: 2 }))).toEqual({ type: 'interrupted', generation: 2 });
    expect(parseEvent(event('error', { message: 'Oh', code: 'x' }))).toEqual({ type: 'error', message: 'Oh', code: 'x' });
    expect(parseEvent(event('complete', { conversationId: 'c', reason: 'ended', turns: 2 }))).toEqual({ type: 'complete', conversationId: 'c', reason: 'ended' });
  });

  test('with sound in base64 is a piece of a reply too', () => {
    const chunk = parseEvent(event('audio_chunk', { audioBase64: btoa('\x01\x00\xff\xff'), rate: 16_000, generation: 1, positionMs: 20 }));
    expect(chunk).toEqual({ type: 'audio_chunk', generation: 1, position: 320, rateHz: 16_000, samples: Int16Array.of(1, -1) });
  });

  test('of a newer server is left alone', () => {
    expect(parseEvent(event('tool_call', { toolName: 'search' }))).toEqual({ type: 'other', name: 'tool_call' });
  });

  test.each(['', 'nonsense', 'null', '[]', '{}', '{"type":"state"}', '{"type":"state","data":{"state":"dreaming"}}', '{"type":"transcript","data":{"text":5}}', '{"type":"interrupted","data":{}}'])(
    'that is none is refused without being repeated: %s',
    (bad) => {
      expect(() => parseEvent(bad)).toThrow(BadMessage);
    },
  );
});
