/** How a conversation travels: a small seam, so that another way than a WebSocket costs one class. */
import { BadMessage, decodeSound, encodeSound, parseEvent, type ClientMessage, type ReplySound, type ServerEvent } from './wire.ts';

export interface TransportListener {
  event(event: ServerEvent): void;
  sound(sound: ReplySound): void;
  /** Comes once, also when the connection could never be made. */
  closed(code: number, reason: string): void;
}

export interface Transport {
  send(message: ClientMessage): void;
  /** Sends a frame of the microphone; frames are left out while the connection is too slow for them. */
  sendSound(samples: Int16Array, captured: number): void;
  close(): void;
}

export type OpenTransport = (wsUrl: string, listener: TransportListener) => Transport;

/** Two seconds of sound: more than this waiting means that the connection does not keep up. */
const MOST_WAITING_BYTES = 64_000;

export const openWebSocket: OpenTransport = (wsUrl, listener) => new WebSocketTransport(wsUrl, listener);

/** The address to connect to: of this page's server, encrypted where the page is, with binary sound. */
export function socketAddress(wsUrl: string, page: string): string {
  const address = new URL(wsUrl, page);
  const secure = address.protocol === 'wss:' || address.protocol === 'https:' || new URL(page).protocol === 'https:';
  address.protocol = secure ? 'wss:' : 'ws:';
  address.searchParams.set('binary', '1');
  return address.href;
}

class WebSocketTransport implements Transport {
  readonly #socket: WebSocket;
  readonly #listener: TransportListener;
  #sequence = 0;

  constructor(wsUrl: string, listener: TransportListener) {
    this.#listener = listener;
    this.#socket = new WebSocket(socketAddress(wsUrl, window.location.href));
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>): void => this.#take(data);
    this.#socket.onclose = ({ code, reason }): void => listener.closed(code, reason);
  }

  send(message: ClientMessage): void {
    if (this.#open) this.#socket.send(JSON.stringify(message));
  }

  sendSound(samples: Int16Array, captured: number): void {
    const sequence = this.#sequence++;
    if (!this.#open || this.#socket.bufferedAmount > MOST_WAITING_BYTES) return;
    this.#socket.send(encodeSound(samples, { sequence, captured }));
  }

  close(): void {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
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
