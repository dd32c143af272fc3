/** Keeps what the person asked for until the server confirms it, so that nothing is lost with a connection. */
import type { ClientMessage, ServerEvent } from './wire.ts';

type TextMessage = Extract<ClientMessage, { type: 'text' }>;

export class Outbox {
  #texts: TextMessage[] = [];
  #interrupting = false;

  /** Typed messages that are not confirmed, oldest first. Their ids let the server count each once. */
  get texts(): readonly TextMessage[] {
    return this.#texts;
  }

  /** Whether a request to be silent was not answered. */
  get interrupting(): boolean {
    return this.#interrupting;
  }

  keep(message: ClientMessage): void {
    if (message.type === 'text') this.#texts.push(message);
    if (message.type === 'interrupt') this.#interrupting = true;
  }

  /** Forgets what this event confirms. */
  heed(event: ServerEvent): void {
    if (event.type === 'interrupted') this.#interrupting = false;
    if ((event.type === 'ack' || (event.type === 'transcript' && event.final)) && event.id !== '') {
      this.#texts = this.#texts.filter((text) => text.id !== event.id);
    }
  }

  /** A new session has nothing to be silent about. */
  renew(): void {
    this.#interrupting = false;
  }
}

/** A name that no other message of this conversation has. */
export function messageId(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
