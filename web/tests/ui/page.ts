/** A page whose server, connection and sound are in the hands of the test, and what jsdom lacks of a browser. */
import { cleanup, render, screen } from '@testing-library/svelte';
import axe from 'axe-core';
import { afterEach, expect } from 'vitest';
import App from '../../src/App.svelte';
import type { Sounds, SoundsListener } from '../../src/sound/audio.ts';
import { NoMicrophone, type MicrophoneProblem } from '../../src/sound/microphone.ts';
import { Refused, type Agent, type Api, type Reflection, type Wanted } from '../../src/talk/api.ts';
import type { Means } from '../../src/talk/talk.svelte.ts';
import type { TransportListener } from '../../src/talk/transport.ts';
import type { ClientMessage, ServerEvent } from '../../src/talk/wire.ts';

window.matchMedia = (query) =>
  ({ matches: query.includes('reduced-motion'), media: query, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
Element.prototype.scrollIntoView = function () {};

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
  refusal: Refused | null = null;
  asked: Wanted[] = [];
  sent: ClientMessage[] = [];
  frames: Int16Array[] = [];
  flushed: number[] = [];
  played: number[] = [];
  muted = false;
  microphonesOpen = 0;
  transportsOpen = 0;
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
      return { conversationId: wanted.conversationId ?? 'c1', wsUrl: '/voice-conversation?conversationDetailId=c1' };
    },
    end: async () => this.reflections.shift() ?? null,
    logIn: async (key) => {
      if (key !== this.key) throw new Refused(401, 'Wrong.');
      this.#loggedIn = true;
    },
  };

  show(): void {
    const means: Means = { api: this.api, openTransport: (_, listener) => this.#connect(listener), openSounds: (listener) => this.#listen(listener) };
    render(App, { means });
  }

  tell(...events: ServerEvent[]): void {
    for (const event of events) this.connection.event(event);
  }

  ready(): void {
    this.tell({ type: 'ready', sessionId: 's', conversationId: 'c1', agentName: 'Clara', channel: 'voice', binary: true });
  }

  #connect(listener: TransportListener) {
    this.connection = listener;
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
        flush: (generation) => void this.flushed.push(generation),
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
