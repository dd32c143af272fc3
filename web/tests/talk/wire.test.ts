import { describe, expect, test } from 'vitest';
import { BadMessage, decodeSound, encodeSound, parseEvent, type ServerEvent } from '../../src/talk/wire.ts';

const event = (type: string, data: object): string => JSON.stringify({ type, data, timestamp: 1 });
const read = (type: string, data: object): ServerEvent => parseEvent(event(type, data)).event;

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
    const ready = { sessionId: 's', conversationId: 'c', conversationDetailId: 'c', agentId: 'a', agentName: 'Ada', channel: 'voice', inputRate: 16_000, outputRate: 24_000, encoding: 'pcm_s16le', binary: true, secret: 'key', resumableForS: 120 };
    expect(read('ready', ready)).toEqual({ type: 'ready', sessionId: 's', secret: 'key', resumableForS: 120, conversationId: 'c', agentName: 'Ada', channel: 'voice', binary: true, recording: false });
    expect(read('state', { state: 'thinking' })).toEqual({ type: 'state', state: 'thinking' });
    expect(read('transcript', { text: 'Hi', final: true, turn: 3 })).toEqual({ type: 'transcript', text: 'Hi', final: true, turn: 3, id: '' });
    expect(read('transcript', { text: 'H', final: false })).toMatchObject({ final: false, turn: null });
    expect(read('agent_response', { text: 'Yes', final: false, generation: 2 })).toEqual({ type: 'agent_response', text: 'Yes', final: false, generation: 2, interrupted: false, turn: null });
    expect(read('interrupted', { generation: 2 })).toEqual({ type: 'interrupted', generation: 2 });
    expect(read('ducked', { generation: 2, gain: 0.3 })).toEqual({ type: 'ducked', generation: 2, gain: 0.3 });
    const heard = { generation: 2, turn: 4, text: 'One', unheard: 'two', interrupted: true };
    expect(read('heard', heard)).toEqual({ type: 'heard', generation: 2, text: 'One', unheard: 'two', interrupted: true });
    const call = { callId: 'c', toolName: 'search', arguments: '{}', status: 'ok', ms: 12 };
    expect(read('tool_call', call)).toEqual({ type: 'tool_call', callId: 'c', toolName: 'search', status: 'ok', ms: 12 });
    expect(read('metrics', { generation: 2, timingsMs: { endpoint: 300 } })).toEqual({ type: 'metrics', generation: 2, timingsMs: { endpoint: 300 } });
    expect(read('ack', { id: 'm1' })).toEqual({ type: 'ack', id: 'm1' });
    expect(read('queue', { position: 3, waitedS: 1.5 })).toEqual({ type: 'queue', position: 3 });
    expect(read('resumed', { sessionId: 's', conversationId: 'c', missed: 4, state: 'speaking' })).toEqual({ type: 'resumed', missed: 4, state: 'speaking' });
    expect(read('draining', { withinS: 20 })).toEqual({ type: 'draining', withinS: 20 });
    expect(read('error', { message: 'Oh', code: 'x' })).toEqual({ type: 'error', message: 'Oh', code: 'x' });
    expect(read('complete', { conversationId: 'c', reason: 'ended', turns: 2 })).toEqual({ type: 'complete', conversationId: 'c', reason: 'ended' });
  });

  test('with sound in base64 is a piece of a reply too', () => {
    const chunk = read('audio_chunk', { audioBase64: btoa('\x01\x00\xff\xff'), rate: 16_000, generation: 1, positionMs: 20 });
    expect(chunk).toEqual({ type: 'audio_chunk', generation: 1, position: 320, rateHz: 16_000, samples: Int16Array.of(1, -1) });
  });

  test('has its number where the server counts', () => {
    expect(parseEvent('{"type":"ack","data":{"id":"m"},"timestamp":1,"sequence":7}').sequence).toBe(7);
    expect(parseEvent(event('ack', { id: 'm' })).sequence).toBeNull();
  });

  test.each(['weather', 'toString', 'constructor', '__proto__'])('of a newer server is left alone: %s', (name) => {
    expect(read(name, {})).toEqual({ type: 'other', name });
  });

  test.each(['', 'nonsense', 'null', '[]', '{}', '{"type":"state"}', '{"type":"state","data":{"state":"dreaming"}}', '{"type":"transcript","data":{"text":5}}', '{"type":"interrupted","data":{}}'])(
    'that is none is refused without being repeated: %s',
    (bad) => {
      expect(() => parseEvent(bad)).toThrow(BadMessage);
    },
  );
});
