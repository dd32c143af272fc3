/** One person's talk with one agent, from Start to what was remembered: joins the connection, the voice and the thread. */
import type { OpenSounds } from '../sound/audio.ts';
import type { MicrophoneProblem } from '../sound/microphone.ts';
import { Refused, type Agent, type Api, type Channel, type VoiceSession } from './api.ts';
import { hasEnded, isOver, wordsForClosing, wordsForRefusal, type Closing } from './closing.ts';
import { Line, type LineListener } from './line.ts';
import { Memory } from './memory.svelte.ts';
import { DRAINING, NO_MICROPHONE, noticeOf, obstacleIn, type Notice } from './notices.ts';
import { messageId } from './outbox.ts';
import { shownIn, type Phase, type Shown } from './phases.ts';
import { disconnected, nothingTold, standingAfter, type Standing } from './standing.ts';
import { emptyThread, grow, type Happening, type Thread } from './thread.ts';
import type { OpenTransport } from './transport.ts';
import { Voice } from './voice.svelte.ts';
import { dryReport, type ReplySound, type ServerEvent } from './wire.ts';

export interface Means {
  api: Api;
  openTransport: OpenTransport;
  openSounds: OpenSounds;
}

export class Talk implements LineListener {
  readonly voice: Voice;
  readonly memory: Memory;
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
  standing: Standing = $state.raw(nothingTold);

  readonly #means: Means;
  #user = '';
  #conversationId: string | null = null;
  #wsUrl = '';
  #line: Line | null = null;
  /** The reply that the server cut off last; it may go on. */
  #cut: number | null = null;
  /** Counts openings, so that one that was given up does not go on when its answer comes late. */
  #opening = 0;

  constructor(means: Means) {
    this.#means = means;
    this.memory = new Memory(means.api);
    this.voice = new Voice(means.openSounds, {
      heard: (heard) => this.#line?.send({ type: 'played', ...heard }),
      frame: (frame) => {
        if (this.#talks) this.#line?.sendSound(frame);
      },
      ranDry: (dry) => this.#line?.send(dryReport(dry)),
      microphoneGone: () => void (this.notice = NO_MICROPHONE),
    });
  }

  /** Whether the person can say something, although it may take a moment until it arrives. */
  get #talks(): boolean {
    return this.phase === 'talking' || this.phase === 'reconnecting';
  }

  get shown(): Shown {
    return shownIn(this.phase, { server: this.standing.agent, sounding: this.voice.sounding });
  }

  /** Begins a new conversation; must be called in a click. */
  async start(agent: Agent, { user, channel }: { user: string; channel: Channel }): Promise<void> {
    this.agent = agent;
    this.channel = channel;
    this.#user = user;
    this.#conversationId = null;
    this.thread = emptyThread;
    this.memory.forget();
    this.standing = nothingTold;
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
    this.standing = { ...this.standing, agent: null };
    try {
      if (this.channel === 'voice') await this.voice.open();
      const session = opening === this.#opening ? await this.#openSession() : null;
      if (session && opening === this.#opening) this.#connect(session);
    } catch (error) {
      if (opening !== this.#opening) return;
      this.#release();
      if (hasEnded(error) && before === 'lost') return void (await this.#finish());
      this.phase = before;
      this.#explain(error, again);
    }
  }

  #openSession(): Promise<VoiceSession> {
    const wanted = { agent: this.agent?.slug ?? '', user: this.#user, channel: this.channel };
    if (this.#conversationId === null) return this.#means.api.openSession(wanted);
    return this.#means.api.openSession({ ...wanted, conversationId: this.#conversationId, greet: this.thread.turns.length === 0 });
  }

  #connect({ wsUrl, conversationId }: VoiceSession): void {
    this.#conversationId = conversationId;
    this.#wsUrl = wsUrl;
    this.#grow({ type: 'connected' });
    this.#line = new Line(wsUrl, { openTransport: this.#means.openTransport, address: () => this.#address() }, this);
  }

  /** For another socket of this conversation; where there are tickets, each lets one socket in. */
  async #address(): Promise<string> {
    if (new URL(this.#wsUrl, document.baseURI).searchParams.has('ticket')) this.#wsUrl = (await this.#openSession()).wsUrl;
    return this.#wsUrl;
  }

  say(said: string): void {
    const text = said.trim();
    if (!this.#talks || text === '') return;
    const id = messageId();
    this.#grow({ type: 'typed', text, id });
    this.#line?.send({ type: 'text', text, id });
  }

  interrupt(): void {
    if (!this.#talks) return;
    this.voice.silence();
    this.#line?.send({ type: 'interrupt' });
  }

  /** Ends the conversation and waits for what was remembered; an opening that is not done yet is given up. */
  async end(): Promise<void> {
    if (this.phase === 'opening' && this.thread.turns.length === 0) return this.#giveUp();
    if (!['talking', 'reconnecting', 'opening', 'lost'].includes(this.phase)) return;
    const talking = this.phase === 'talking';
    this.#opening++;
    this.phase = 'closing';
    this.voice.close();
    if (talking) await this.#line?.end();
    await this.#finish();
  }

  #giveUp(): void {
    this.#opening++;
    this.#release();
    this.phase = 'choosing';
  }

  async #finish(): Promise<void> {
    this.#release();
    this.#grow({ type: 'settled' });
    this.phase = 'over';
    await this.remember();
  }

  /** Asks what was remembered, again if it was not ready. */
  async remember(): Promise<void> {
    if (this.#conversationId === null) return;
    this.notice = null;
    const failure = await this.memory.ask(this.#conversationId);
    if (failure !== null) this.#explain(failure, () => void this.remember());
  }

  /** Back to the choice of an agent. What takes a session up again is in this page alone, so the session ends with it. */
  leave(): void {
    this.voice.close();
    this.#line?.send({ type: 'end' });
    this.#giveUp();
    this.memory.forget();
    this.#conversationId = null;
    this.notice = null;
    this.closing = null;
  }

  event(event: ServerEvent): void {
    this.standing = standingAfter(this.standing, event);
    switch (event.type) {
      case 'ready':
        this.phase = 'talking';
        this.closing = null;
        break;
      case 'agent_response':
        this.voice.expect(event.generation);
        this.#grow(event);
        break;
      case 'transcript':
      case 'heard':
      case 'tool_call':
        this.#grow(event);
        break;
      case 'audio_chunk':
        this.sound(event);
        break;
      case 'interrupted':
        this.#cut = event.generation;
        this.voice.hush(event.generation);
        this.#grow(event);
        break;
      case 'ducked':
        this.voice.duck(event.generation, event.gain);
        break;
      case 'draining':
      case 'error':
        this.notice = noticeOf(event);
        break;
      case 'complete':
        if (isOver(event.reason)) this.#complete();
        break;
    }
  }

  sound(sound: ReplySound): void {
    if (sound.generation === this.#cut) {
      this.#cut = null;
      this.#grow({ type: 'went_on', generation: sound.generation });
    }
    this.voice.play(sound);
  }

  /** The server ended the conversation, because it was asked to or because nothing happened for long. */
  #complete(): void {
    if (!this.#talks) return;
    this.phase = 'closing';
    void this.#finish();
  }

  lost(): void {
    if (this.phase === 'talking') this.phase = 'reconnecting';
  }

  back({ renewed }: { renewed: boolean }): void {
    if (this.notice === DRAINING) this.notice = null;
    if (renewed) {
      this.voice.renew();
      this.#cut = null;
      this.#grow({ type: 'connected' });
    } else this.voice.tellHeard();
    if (this.phase === 'reconnecting') this.phase = 'talking';
  }

  closed(code: number, reason: string): void {
    if (hasEnded(reason) && this.#talks) return this.#complete();
    this.#lose(wordsForClosing(code));
  }

  refused(error: unknown): void {
    if (hasEnded(error) && this.#talks) return this.#complete();
    this.#lose(wordsForRefusal(error));
    if (error instanceof Refused && error.status === 401) this.needsKeyFor = (): void => void this.goOn();
  }

  #lose(closing: Closing): void {
    this.#line = null;
    if (this.phase !== 'opening' && !this.#talks) return;
    this.#opening++;
    this.#release();
    this.#grow({ type: 'settled' });
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
    const obstacle = obstacleIn(error);
    if (obstacle.is === 'microphone') this.microphoneProblem = obstacle.problem;
    else if (obstacle.is === 'key') this.needsKeyFor = again;
    else {
      if (!obstacle.known) console.error(error);
      this.notice = obstacle.notice;
    }
  }

  #release(): void {
    this.voice.close();
    this.#line?.close();
    this.#line = null;
    this.#cut = null;
    this.standing = disconnected(this.standing);
  }
}
