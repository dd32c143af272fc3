/** How a conversation travels: a small seam, so that another way than a WebSocket costs one class. */
import { BadMessage, decodeSound, encodeSound, parseEvent, type ClientMessage, type Numbered, type ReplySound } from './wire.ts';

/** What a socket is for: a new session, the one that lost its socket, or another one that begins without a greeting. */
export type Purpose = 'begin' | 'resume' | 'renew';

export interface TransportListener {
  /** Messages are taken from now on. */
  opened(): void;
  event(message: Numbered): void;
  sound(sound: ReplySound): void;
  /** Comes once, also when the connection could never be made. */
  closed(code: number, reason: string): void;
}

export interface Transport {
  send(message: ClientMessage): void;
  /** Sends a frame of the microphone; frames are left out while the connection is too slow for them. */
  sendSound(samples: Int16Array, header: { sequence: number; captured: number }): void;
  /** `listener.closed` does not come then. `again`: the session goes on, on another socket. */
  close(options?: { again: boolean }): void;
}

export type OpenTransport = (wsUrl: string, options: { purpose: Purpose; listener: TransportListener }) => Transport;

/** Two seconds of sound: more than this waiting means that the connection does not keep up. */
const MOST_WAITING_BYTES = 64_000;
/** A connection that takes nothing for this long is lost, although nobody has said so. */
const STALLED_MS = 5000;
/** Close codes: of a socket that is not needed any more, of one that makes room for the next, and of one that went away without a word. */
const DONE = 1000;
const MAKES_ROOM = 4900;
const GONE = 1006;

export const openWebSocket: OpenTransport = (wsUrl, { purpose, listener }) =>
  new WebSocketTransport(socketAddress(wsUrl, { page: window.location.href, purpose }), listener);

/** The address to connect to: of this page's server, encrypted where the page is, with binary sound and numbered messages. */
export function socketAddress(wsUrl: string, { page, purpose }: { page: string; purpose: Purpose }): string {
  const address = new URL(wsUrl, page);
  const secure = address.protocol === 'wss:' || address.protocol === 'https:' || new URL(page).protocol === 'https:';
  address.protocol = secure ? 'wss:' : 'ws:';
  address.searchParams.set('binary', '1');
  address.searchParams.set('sequence', '1');
  if (purpose === 'resume') address.searchParams.set('resume', '1');
  if (purpose === 'renew') address.searchParams.set('greet', '0');
  return address.href;
}

class WebSocketTransport implements Transport {
  readonly #socket: WebSocket;
  readonly #listener: TransportListener;
  #stalledSince: number | null = null;

  constructor(address: string, listener: TransportListener) {
    this.#listener = listener;
    this.#socket = new WebSocket(address);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = (): void => listener.opened();
    this.#socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>): void => this.#take(data);
    this.#socket.onclose = ({ code, reason }): void => listener.closed(code, reason);
  }

  send(message: ClientMessage): void {
    if (this.#open) this.#socket.send(JSON.stringify(message));
  }

  sendSound(samples: Int16Array, header: { sequence: number; captured: number }): void {
    if (!this.#open) return;
    if (this.#socket.bufferedAmount > MOST_WAITING_BYTES) return this.#stall();
    this.#stalledSince = null;
    this.#socket.send(encodeSound(samples, header));
  }

  close({ again }: { again: boolean } = { again: false }): void {
    this.#socket.onopen = null;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(again ? MAKES_ROOM : DONE);
  }

  #stall(): void {
    this.#stalledSince ??= performance.now();
    if (performance.now() - this.#stalledSince < STALLED_MS) return;
    this.close({ again: true });
    this.#listener.closed(GONE, '');
  }

  get #open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** A frame that is none is left out: the next one may be whole, and the person can do nothing about it. */
  #take(frame: string | ArrayBuffer): void {
    try {
      if (typeof frame === 'string') this.#listener.event(parseEvent(frame));
      else this.#listener.sound(decodeSound(frame));
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error;
      console.warn(error.message);
    }
  }
}
