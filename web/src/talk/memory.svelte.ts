/** What was remembered of a conversation that is over: asked for, and asked for again while it is not ready. */
import type { Api, Reflection } from './api.ts';

export type Remembering = 'asking' | 'pending' | 'failed' | 'done';

export class Memory {
  remembering: Remembering = $state('asking');
  reflection: Reflection | null = $state.raw(null);
  readonly #api: Api;
  /** Counts questions, so that the answer to an old one does not stand beside a new conversation. */
  #asking = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  forget(): void {
    this.#asking++;
    this.reflection = null;
  }

  /** Ends the conversation on the server and waits for what was remembered; null when there was no failure to tell, else the failure. */
  async ask(conversationId: string): Promise<unknown> {
    const asking = ++this.#asking;
    this.remembering = 'asking';
    try {
      const reflection = await this.#api.end(conversationId);
      if (asking !== this.#asking) return null;
      this.reflection = reflection;
      this.remembering = reflection ? 'done' : 'pending';
      return null;
    } catch (error) {
      if (asking !== this.#asking) return null;
      this.remembering = 'failed';
      return error;
    }
  }
}
