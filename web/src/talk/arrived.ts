/** Keeps count of the server's messages, so that each is taken once and the server knows what it need not keep. Pure. */

const EVERY = 20;
const EVERY_MS = 5000;

export class Arrived {
  #last = 0;
  #told = 0;
  #toldAt: number;

  constructor(nowMs: number) {
    this.#toldAt = nowMs;
  }

  /** The last message that arrived; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Whether a message is new. Messages without a number always are. */
  takes(sequence: number | null): boolean {
    if (sequence === null) return true;
    if (sequence <= this.#last) return false;
    this.#last = sequence;
    return true;
  }

  /** The number to acknowledge now: after every 20 messages, and for the first one 5 s after the last time; else null. */
  due(nowMs: number): number | null {
    const untold = this.#last - this.#told;
    if (untold < EVERY && (untold === 0 || nowMs - this.#toldAt < EVERY_MS)) return null;
    this.#told = this.#last;
    this.#toldAt = nowMs;
    return this.#last;
  }
}
