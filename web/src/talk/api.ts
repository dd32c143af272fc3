/** The page's requests to the server, and what can go wrong with them in words that can be shown. */

export interface Agent {
  slug: string;
  name: string;
  description: string;
  language: string;
}

export interface VoiceSession {
  conversationId: string;
  wsUrl: string;
}

export type Channel = 'voice' | 'text';

export interface Wanted {
  agent: string;
  user: string;
  channel: Channel;
  /** Goes on with this conversation instead of a new one. */
  conversationId?: string;
  /** False where the agent has greeted already. */
  greet?: boolean;
}

export interface Reflection {
  before: Record<string, string>;
  after: Record<string, string>;
  notes: string;
  turns: number;
}

/** The server did not do what it was asked; the message can be shown. */
export class Refused extends Error {
  override name = 'Refused';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Api {
  agents(): Promise<Agent[]>;
  openSession(wanted: Wanted): Promise<VoiceSession>;
  /** What was remembered; null while the reflection still runs. */
  end(conversationId: string): Promise<Reflection | null>;
  logIn(key: string): Promise<void>;
}

/** Throws Refused for every answer that is none, also when there is no server: status 0. */
export const serverApi: Api = {
  async agents() {
    const { agents } = await ask<{ agents: Agent[] }>('api/agents');
    return agents;
  },

  async openSession({ agent, user, channel, conversationId, greet }) {
    return ask<VoiceSession>('api/voice-sessions', {
      agent,
      channel,
      ...(user === '' ? {} : { user_id: user }),
      ...(conversationId === undefined ? {} : { conversation_id: conversationId }),
      ...(greet === undefined ? {} : { greet }),
    });
  },

  async end(conversationId) {
    const answer = await ask<EndAnswer>('api/elevenlabs/end', { conversation_id: conversationId });
    if (answer.status !== 'success') return null;
    return { before: answer.before, after: answer.after, notes: answer.reflection_notes ?? '', turns: answer.transcript_length };
  },

  async logIn(key) {
    await ask('api/login', { key });
  },
};

type EndAnswer =
  | { status: 'success'; before: Record<string, string>; after: Record<string, string>; reflection_notes?: string; transcript_length: number }
  | { status: 'pending' };

async function ask<T>(path: string, body?: object): Promise<T> {
  const address = new URL(path, document.baseURI);
  const request: RequestInit = body ? { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {};
  let response: Response;
  try {
    response = await fetch(address, { ...request, credentials: 'same-origin' });
  } catch {
    throw new Refused(0, 'The server does not answer. Is it running, and are you online?');
  }
  const content: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, explanation(response.status, content));
  return content as T;
}

function explanation(status: number, content: unknown): string {
  const { error, detail } = (content ?? {}) as { error?: unknown; detail?: unknown };
  if (typeof detail === 'string' && detail !== '') return detail;
  if (typeof error === 'string' && error !== '') return error;
  return `The server answered with an error (${status}).`;
}
