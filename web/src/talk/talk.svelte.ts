/** One person's talk with one agent, from Start to what was remembered: joins the connection, the voice and the thread. */
import type { OpenSounds } from '../sound/audio.ts';
import { NoMicrophone, type MicrophoneProblem } from '../sound/microphone.ts';
import { Refused, type Agent, type Api, type Channel, type Reflection } from './api.ts';
import { wordsForClosing, type Closing } from './closing.ts';
import { emptyThread, grow, type Happening, type Thread } from './thread.ts';
import type { OpenTransport, Transport, TransportListener } from './transport.ts';
import { Voice } from './voice.svelte.ts';
import type { AgentState, ReplySound, ServerEvent } from './wire.ts';

export interface Means {
  api: Api;
  openTransport: OpenTransport;
  openSounds: OpenSounds;
}

/**
 *     choosing → opening → talking → closing → over
 *                   ↑         ↓                  ↑
 *                   └─────── lost ───────────────┘
 */
export type Phase = 'choosing' | 'opening' | 'talking' | 'lost' | 'closing' | 'over';

/** What the state word says. */
export type Shown = AgentState | 'connecting' | 'lost' | 'ended';

export type Remembering = 'asking' | 'pending' | 'failed' | 'done';

export interface Notice {
  title: string;
  advice?: string;
}

const WAIT_FOR_COMPLETE_MS = 1500;

export class Talk implements TransportListener {
  readonly voice: Voice;
  phase: Phase = $state('choosing');
  agent: Agent | null = $state.raw(null);
  channel: Channel = $state('voice');
  thread: Thread = $state.raw(emptyThread);
  /** Something went wrong, in words for the person; the talk may go on. */
  notice: Notice | null = $state.raw(null);
  microphoneProblem: MicrophoneProblem | null = $state(null);
  closing: Closing | null = $state.raw(null);
  /** The server wants a key before it does this. */
  needsKeyFor: (() => void) | null = $state.raw(null);
  remembering: Remembering = $state('asking');
  reflection: Reflection | null = $state.raw(null);

  #serverState: AgentState | null = $state(null);
  readonly #means: Means;
  #user = '';
  #conversationId: string | null = null;
  #transport: Transport | null = null;
  /** Counts openings, so that one that was given up does not go on when its answer comes late. */
  #opening = 0;
  #completed: (() => void) | null = null;

  constructor(means: Means) {
    this.#means = means;
    this.voice = new Voice(means.openSounds, {
      heard: (heard) => this.#transport?.send({ type: 'played', ...heard }),
      frame: ({ samples, captured }) => {
        if (this.phase === 'talking') this.#transport?.sendSound(samples, captured);
      },
      microphoneGone: () => {
        this.notice = { title: 'The microphone went away.', advice: 'You can go on by typing, or end and start again with another microphone.' };
      },
    });
  }

  get shown(): Shown {
    switch (this.phase) {
      case 'choosing':
      case 'opening':
        return this.#serverState === 'waking' ? 'waking' : 'connecting';
      case 'talking':
        return this.voice.sounding ? 'speaking' : (this.#serverState ?? 'listening');
      case 'lost':
        return 'lost';
      case 'closing':
      case 'over':
        return 'ended';
    }
  }

  /** Begins a new conversation; must be called in a click. */
  async start(agent: Agent, { user, channel }: { user: string; channel: Channel }): Promise<void> {
    this.agent = agent;
    this.channel = channel;
    this.#user = user;
    this.#conversationId = null;
    this.thread = emptyThread;
    this.reflection = null;
    this.voice.muted = false;
    await this.#open(() => void this.start(agent, { user, channel }));
  }

  /** Goes on with the same conversation after the connection was lost; must be called in a click. */
  async goOn(): Promise<void> {
    await this.#open(() => void this.goOn());
  }

  async #open(again: () => void): Promise<void> {
    const opening = ++this.#opening;
    const before = this.#conversationId === null ? 'choosing' : 'lost';
    this.phase = 'opening';
    this.notice = null;
    this.microphoneProblem = null;
    this.#serverState = null;
    try {
      if (this.channel === 'voice') await this.voice.open();
      const session = opening === this.#opening ? await this.#openSession() : null;
      if (session && opening === this.#opening) this.#connect(session.wsUrl, session.conversationId);
    } catch (error) {
      if (opening !== this.#opening) return;
      this.#release();
      this.phase = before;
      this.#explain(error, again);
    }
  }

  #openSession() {
    const wanted = { agent: this.agent?.slug ?? '', user: this.#user, channel: this.channel };
    return this.#means.api.openSession(this.#conversationId === null ? wanted : { ...wanted, conversationId: this.#conversationId });
  }

  #connect(wsUrl: string, conversationId: string): void {
    this.#conversationId = conversationId;
    this.#grow({ type: 'connected' });
    this.#transport = this.#means.openTransport(wsUrl, this);
  }

  say(text: string): void {
    if (this.phase !== 'talking' || text.trim() === '') return;
    this.#grow({ type: 'typed', text: text.trim() });
    this.#transport?.send({ type: 'text', text: text.trim() });
  }

  interrupt(): void {
    if (this.phase !== 'talking') return;
    this.voice.hush();
    this.#transport?.send({ type: 'interrupt' });
  }

  /** Ends the conversation and waits for what was remembered; an opening that is not done yet is given up. */
  async end(): Promise<void> {
    if (this.phase === 'opening' && this.thread.turns.length === 0) return this.#giveUp();
    if (!['talking', 'opening', 'lost'].includes(this.phase)) return;
    const talking = this.phase === 'talking';
    this.#opening++;
    this.phase = 'closing';
    this.voice.close();
    if (talking) await this.#sayGoodbye();
    await this.#finish();
  }

  #giveUp(): void {
    this.#opening++;
    this.#release();
    this.phase = 'choosing';
  }

  #sayGoodbye(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, WAIT_FOR_COMPLETE_MS);
      this.#completed = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#transport?.send({ type: 'end' });
    });
  }

  async #finish(): Promise<void> {
    this.#completed = null;
    this.#release();
    this.#grow({ type: 'settled' });
    this.phase = 'over';
    await this.remember();
  }

  /** Asks what was remembered, again if it was not ready. */
  async remember(): Promise<void> {
    const conversationId = this.#conversationId;
    if (conversationId === null) return;
    this.remembering = 'asking';
    this.notice = null;
    try {
      const reflection = await this.#means.api.end(conversationId);
      if (conversationId !== this.#conversationId) return;
      this.reflection = reflection;
      this.remembering = reflection ? 'done' : 'pending';
    } catch (error) {
      if (conversationId !== this.#conversationId) return;
      this.remembering = 'failed';
      this.#explain(error, () => void this.remember());
    }
  }

  /** Back to the choice of an agent. */
  leave(): void {
    this.#giveUp();
    this.#conversationId = null;
    this.notice = null;
    this.closing = null;
  }

  event(event: ServerEvent): void {
    switch (event.type) {
      case 'ready':
        this.phase = 'talking';
        this.closing = null;
        break;
      case 'state':
        this.#serverState = event.state;
        break;
      case 'agent_response':
        this.voice.expect(event.generation);
        this.#grow(event);
        break;
      case 'transcript':
        this.#grow(event);
        break;
      case 'audio_chunk':
        this.voice.play(event);
        break;
      case 'interrupted':
        this.voice.hush(event.generation);
        this.#grow(event);
        break;
      case 'error':
        this.notice = { title: event.message };
        break;
      case 'complete':
        this.#complete();
        break;
      case 'other':
        break;
    }
  }

  sound(sound: ReplySound): void {
    this.voice.play(sound);
  }

  /** The server ended the conversation, because it was asked to or because nothing happened for long. */
  #complete(): void {
    if (this.#completed) this.#completed();
    else if (this.phase === 'talking') {
      this.phase = 'closing';
      void this.#finish();
    }
  }

  closed(code: number): void {
    this.#transport = null;
    if (this.#completed) return this.#completed();
    if (this.phase !== 'opening' && this.phase !== 'talking') return;
    this.#opening++;
    this.#release();
    this.#grow({ type: 'settled' });
    const closing = wordsForClosing(code);
    if (this.thread.turns.length === 0 && !closing.canGoOn) {
      this.phase = 'choosing';
      this.notice = closing;
    } else {
      this.phase = 'lost';
      this.closing = closing;
    }
  }

  #grow(happening: Happening): void {
    this.thread = grow(this.thread, happening);
  }

  #explain(error: unknown, again: () => void): void {
    if (error instanceof NoMicrophone) this.microphoneProblem = error.problem;
    else if (error instanceof Refused && error.status === 401) this.needsKeyFor = again;
    else if (error instanceof Refused) this.notice = { title: error.message };
    else {
      console.error(error);
      this.notice = { title: 'This browser could not start the conversation.', advice: 'Reload the page, or try a current Chrome, Edge, Firefox or Safari.' };
    }
  }

  #release(): void {
    this.voice.close();
    this.#transport?.close();
    this.#transport = null;
  }
}
