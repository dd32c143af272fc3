/** The line to the server: one session over as many sockets as it takes, so that whoever speaks need not know that one was lost. */
import type { Captured } from '../sound/messages.ts';
import { Refused } from './api.ts';
import { Arrived } from './arrived.ts';
import { waitMs } from './backoff.ts';
import { isFinal } from './closing.ts';
import { Outbox } from './outbox.ts';
import type { OpenTransport, Purpose, Transport, TransportListener } from './transport.ts';
import type { ClientMessage, Numbered, ReplySound, ServerEvent, SessionKey } from './wire.ts';

export interface LineMeans {
  openTransport: OpenTransport;
  /** An address for one more socket of the same conversation. Throws Refused. */
  address: () => Promise<string>;
}

export interface LineListener {
  /** Each message of the server once, in its order. */
  event(event: ServerEvent): void;
  sound(sound: ReplySound): void;
  /** The socket was lost; the line tries by itself to get another one. */
  lost(): void;
  /** The session goes on; or another one does (`renewed`), which numbers its replies afresh. */
  back(how: { renewed: boolean }): void;
  /** Nothing more comes: the server closed the line, or could not be found again. */
  closed(code: number, reason: string): void;
  /** Nothing more comes: the server does not give an address any more. */
  refused(error: unknown): void;
}

/** A second of the microphone, which the server gets late rather than never. */
const MOST_FRAMES_KEPT = 50;
/** A socket that says nothing for this long after it was asked for is not waited for. */
const PATIENCE_WITH_SOCKET_MS = 10_000;
const PATIENCE_MS = 180_000;
/** A socket that lived as long as this was a good one: the next attempts are quick again. */
const STABLE_MS = 5000;
const PATIENCE_WITH_END_MS = 1500;
const LOST = 1006;
/** A session that cannot be gone on with: the server does not know it any more, or keeps too little of it. */
const GONE = new Set([4404, 4001]);

/**
 *     asking ──ready, resumed──> live ──lost──> waiting ──time, or a sign of the network──> asking
 *       └──────lost, refused────────────────────↗
 *
 * A socket that is lost before the first `ready` is not replaced: nothing was begun, so whoever began says so.
 */
export class Line implements TransportListener {
  readonly #means: LineMeans;
  readonly #listener: LineListener;
  readonly #outbox = new Outbox();
  #arrived = new Arrived(performance.now());
  #transport: Transport | null = null;
  #purpose: Purpose = 'begin';
  #session: SessionKey | null = null;
  #live = false;
  /** The server has said that it restarts: this socket is not the last one, whatever its close code. */
  #restarting = false;
  #over = false;
  #ended: (() => void) | null = null;
  #frames: Captured[] = [];
  #framesSent = 0;
  /** Messages of the time without a socket that are still to come. */
  #owed = 0;
  #attempt = 0;
  /** Counts attempts, so that the address of one that was given up is not used when it comes late. */
  #asking = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #liveSince = 0;
  #lostAt = 0;
  #troubledSince: number | null = null;

  constructor(wsUrl: string, means: LineMeans, listener: LineListener) {
    this.#means = means;
    this.#listener = listener;
    window.addEventListener('online', this.#networkIsBack);
    document.addEventListener('visibilitychange', this.#personIsBack);
    this.#connect(wsUrl, 'begin');
  }

  /** Sends now, or where that matters as soon as there is a socket again. */
  send(message: ClientMessage): void {
    this.#outbox.keep(message);
    if (this.#live) this.#transport?.send(message);
  }

  sendSound(frame: Captured): void {
    if (this.#live) return this.#pass(frame);
    this.#frames.push(frame);
    if (this.#frames.length > MOST_FRAMES_KEPT) this.#frames.shift();
  }

  /** Says that the conversation is over, and waits for the server's last word on it, or for the end of the socket; never for long. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      this.#ended = resolve;
      setTimeout(resolve, PATIENCE_WITH_END_MS);
      this.send({ type: 'end' });
    });
  }

  /** Ends the line; the listener hears nothing more. */
  close(): void {
    this.#over = true;
    this.#live = false;
    clearTimeout(this.#timer);
    window.removeEventListener('online', this.#networkIsBack);
    document.removeEventListener('visibilitychange', this.#personIsBack);
    this.#transport?.close();
    this.#transport = null;
  }

  opened(): void {
    if (this.#purpose !== 'resume' || !this.#session) return;
    const { sessionId, secret } = this.#session;
    this.#transport?.send({ type: 'resume', sessionId, secret, sequence: this.#arrived.last });
  }

  event({ event, sequence }: Numbered): void {
    if (event.type === 'resumed') return this.#resumed(event);
    if (!this.#arrived.takes(sequence)) return;
    this.#outbox.heed(event);
    if (this.#live) this.#tellArrived(sequence);
    // Whatever a socket says before it serves, it is alive; why it refuses is said by its close code.
    else if (event.type !== 'ready') {
      if (this.#session) clearTimeout(this.#timer);
      if (event.type === 'error' && this.#session) return;
    }
    if (event.type === 'ready') this.#ready(event);
    if (event.type === 'complete') this.#restarting = event.reason === 'shutdown';
    if (event.type === 'complete') this.#ended?.();
    // What is said now reaches nobody, and is said again to the next process.
    if (event.type === 'error' && this.#restarting) return;
    this.#listener.event(event);
  }

  sound(sound: ReplySound): void {
    this.#listener.sound(sound);
  }

  closed(code: number, reason: string): void {
    const wasLive = this.#live;
    this.#live = false;
    this.#transport = null;
    clearTimeout(this.#timer);
    this.#ended?.();
    if (this.#over) return;
    if (this.#session && !wasLive && this.#purpose === 'resume' && GONE.has(code)) {
      this.#session = { ...this.#session, secret: '' };
      return void this.#ask();
    }
    if (!this.#session || (isFinal(code) && !this.#restarting)) return this.#finish(() => this.#listener.closed(code, reason));
    if (wasLive) this.#lost();
    this.#tryLater();
  }

  #ready({ sessionId, secret, resumableForS }: SessionKey): void {
    const renewed = this.#session !== null;
    this.#session = { sessionId, secret, resumableForS };
    if (renewed) this.#outbox.renew();
    this.#serve();
    if (renewed) this.#listener.back({ renewed });
    this.#repeat();
  }

  #resumed(event: Extract<ServerEvent, { type: 'resumed' }>): void {
    this.#owed = event.missed;
    this.#serve();
    this.#listener.back({ renewed: false });
    this.#listener.event(event);
    this.#repeat();
  }

  #serve(): void {
    clearTimeout(this.#timer);
    this.#live = true;
    this.#liveSince = performance.now();
  }

  /** What was not confirmed is said again; to be silent only after what may have been the answer. */
  #repeat(): void {
    for (const text of this.#outbox.texts) this.#transport?.send(text);
    for (const frame of this.#frames.splice(0)) this.#pass(frame);
    if (this.#owed === 0 && this.#outbox.interrupting) this.#transport?.send({ type: 'interrupt' });
  }

  #tellArrived(sequence: number | null): void {
    if (sequence !== null && this.#owed > 0 && --this.#owed === 0 && this.#outbox.interrupting) this.#transport?.send({ type: 'interrupt' });
    const due = this.#arrived.due(performance.now());
    if (due !== null) this.#transport?.send({ type: 'ack', sequence: due });
  }

  #pass({ samples, captured }: Captured): void {
    this.#transport?.sendSound(samples, { sequence: this.#framesSent++, captured });
  }

  #lost(): void {
    const now = performance.now();
    this.#lostAt = now;
    this.#owed = 0;
    if (now - this.#liveSince >= STABLE_MS) {
      this.#troubledSince = null;
      this.#attempt = 0;
    }
    this.#listener.lost();
  }

  #tryLater(): void {
    this.#troubledSince ??= performance.now();
    if (performance.now() - this.#troubledSince > PATIENCE_MS) return this.#finish(() => this.#listener.closed(LOST, ''));
    this.#timer = setTimeout(() => void this.#ask(), waitMs(this.#attempt++, Math.random()));
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    const asking = ++this.#asking;
    try {
      const wsUrl = await this.#means.address();
      if (asking === this.#asking && !this.#over) this.#connect(wsUrl, this.#resumable() ? 'resume' : 'renew');
    } catch (error) {
      if (asking !== this.#asking || this.#over) return;
      if (error instanceof Refused && (error.status === 0 || error.status === 429 || error.status >= 500)) this.#tryLater();
      else this.#finish(() => this.#listener.refused(error));
    }
  }

  #connect(wsUrl: string, purpose: Purpose): void {
    this.#purpose = purpose;
    this.#restarting = false;
    if (purpose !== 'resume') this.#arrived = new Arrived(performance.now());
    this.#transport = this.#means.openTransport(wsUrl, { purpose, listener: this });
    if (purpose !== 'begin') this.#timer = setTimeout(() => this.#replace(), PATIENCE_WITH_SOCKET_MS);
  }

  #resumable(): boolean {
    const session = this.#session;
    return session !== null && session.secret !== '' && performance.now() - this.#lostAt < session.resumableForS * 1000;
  }

  /** Gives the socket up, whatever has become of it. */
  #replace(): void {
    this.#transport?.close({ again: true });
    this.closed(LOST, '');
  }

  #networkIsBack = (): void => {
    // Whether a socket has survived shows only after minutes; another one costs next to nothing.
    if (this.#transport && this.#session) this.#replace();
    this.#personIsBack();
  };

  #personIsBack = (): void => {
    if (this.#transport || !this.#session || document.visibilityState === 'hidden') return;
    this.#attempt = 0;
    void this.#ask();
  };

  #finish(tell: () => void): void {
    this.close();
    tell();
  }
}
