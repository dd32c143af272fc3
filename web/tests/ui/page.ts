/** A page whose server, connection and sound are in the hands of the test, and what jsdom lacks of a browser. */
import { cleanup, configure, render, screen } from '@testing-library/svelte';
import axe from 'axe-core';
import { afterEach, expect } from 'vitest';
import App from '../../src/App.svelte';
import type { Sounds, SoundsListener } from '../../src/sound/audio.ts';
import { NoMicrophone, type MicrophoneProblem } from '../../src/sound/microphone.ts';
import { Refused, type Agent, type Api, type Reflection, type Wanted } from '../../src/talk/api.ts';
import type { Means } from '../../src/talk/talk.svelte.ts';
import type { Purpose, TransportListener } from '../../src/talk/transport.ts';
import type { ClientMessage, ServerEvent } from '../../src/talk/wire.ts';

window.matchMedia = (query) =>
  ({ matches: query.includes('reduced-motion'), media: query, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
Element.prototype.scrollIntoView = function () {};
// A machine that is busy with something else is no failure.
configure({ asyncUtilTimeout: 10_000 });

afterEach(() => {
  cleanup();
  localStorage.clear();
});

export const AGENTS: Agent[] = [
  { slug: 'counsellor', name: 'Clara', description: 'Listens first.', language: 'en' },
  { slug: 'thalia', name: 'Thalia', description: 'Keeps the archive.', language: 'en' },
];

export const REFLECTION: Reflection = {
  before: { role: 'You listen.', patient_memory: 'Works as a nurse.\nHas a dog.' },
  after: { role: 'You listen.', patient_memory: 'Works as a nurse.\nHas a cat called Biscuit.' },
  notes: 'The cat matters.',
  turns: 2,
};

/** What the page did, and what happens to it. */
export class World {
  key: string | null = null;
  microphone: MicrophoneProblem | null = null;
  /** Answers of the end, one after the other; null means that it takes longer. */
  reflections: (Reflection | null)[] = [REFLECTION];
  wsUrl = '/voice-conversation?conversationDetailId=c1';
  refusal: Refused | null = null;
  asked: Wanted[] = [];
  sent: ClientMessage[] = [];
  frames: Int16Array[] = [];
  /** Silenced for good, and cut off by the server. */
  flushed: number[] = [];
  cut: number[] = [];
  ducked: [number, number][] = [];
  resets = 0;
  played: number[] = [];
  muted = false;
  microphonesOpen = 0;
  transportsOpen = 0;
  /** What each socket was opened for. */
  purposes: Purpose[] = [];
  #sequence = 0;
  connection!: TransportListener;
  sounds!: SoundsListener;
  #loggedIn = false;

  readonly api: Api = {
    agents: async () => {
      if (this.key !== null && !this.#loggedIn) throw new Refused(401, 'A key is needed.');
      return AGENTS;
    },
    openSession: async (wanted) => {
      this.asked.push(wanted);
      if (this.refusal) throw this.refusal;
      return { conversationId: wanted.conversationId ?? 'c1', wsUrl: this.wsUrl };
    },
    end: async () => this.reflections.shift() ?? null,
    logIn: async (key) => {
      if (key !== this.key) throw new Refused(401, 'Wrong.');
      this.#loggedIn = true;
    },
  };

  show(): void {
    const means: Means = { api: this.api, openTransport: (_, { purpose, listener }) => this.#connect(purpose, listener), openSounds: (listener) => this.#listen(listener) };
    render(App, { means });
  }

  /** Tells the page of these events, each with the next number. */
  tell(...events: ServerEvent[]): void {
    for (const event of events) this.connection.event({ event, sequence: ++this.#sequence });
  }

  /** Tells of what was told before under this number. */
  repeat(event: ServerEvent, sequence: number): void {
    this.connection.event({ event, sequence });
  }

  ready({ recording = false }: { recording?: boolean } = {}): void {
    this.connection.opened();
    this.tell({ type: 'ready', sessionId: 's', secret: 'key', resumableForS: 120, conversationId: 'c1', agentName: 'Clara', channel: 'voice', binary: true, recording });
  }

  /** The socket is gone, without a word unless there is a code. */
  lose(code = 1006, reason = ''): void {
    this.transportsOpen--;
    this.connection.closed(code, reason);
  }

  #connect(purpose: Purpose, listener: TransportListener) {
    this.connection = listener;
    if (purpose !== 'resume') this.#sequence = 0;
    this.purposes.push(purpose);
    this.transportsOpen++;
    return {
      send: (message: ClientMessage) => void this.sent.push(message),
      sendSound: (samples: Int16Array) => void this.frames.push(samples.slice()),
      close: () => void this.transportsOpen--,
    };
  }

  async #listen(listener: SoundsListener): Promise<Sounds> {
    if (this.microphone) throw new NoMicrophone(this.microphone);
    this.sounds = listener;
    this.microphonesOpen++;
    const world = this;
    return {
      microphone: {
        level: 0,
        get muted() {
          return world.muted;
        },
        set muted(muted) {
          world.muted = muted;
        },
        close() {},
      },
      loudspeaker: {
        busy: false,
        level: 0,
        play: (sound) => void this.played.push(sound.generation),
        flush: (generation, { more }) => void (more ? this.cut : this.flushed).push(generation),
        duck: (generation, gain) => void this.ducked.push([generation, gain]),
        reset: () => void this.resets++,
        close() {},
      },
      reopenMicrophone: async () => {},
      close: () => void this.microphonesOpen--,
    };
  }
}

export async function noViolations(): Promise<void> {
  // Colours need a real browser; the document's own frame is not part of the component.
  const { violations } = await axe.run(document.body, { rules: { 'color-contrast': { enabled: false }, region: { enabled: false } } });
  expect(violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

export const state = (): string | null => screen.getByTestId('state').textContent;
