/** The words and colours that the page gives to things that the server only names. Pure. */
import type { MicrophoneProblem } from '../sound/microphone.ts';
import type { Shown } from '../talk/phases.ts';
import type { ToolStatus } from '../talk/wire.ts';

export const STATE_WORDS: Record<Shown, string> = {
  connecting: 'connecting',
  waking: 'waking up',
  listening: 'listening',
  thinking: 'thinking',
  speaking: 'speaking',
  reconnecting: 'reconnecting',
  lost: 'connection lost',
  ended: 'ended',
};

export const TOOL_WORDS: Record<ToolStatus, string> = { running: 'running', ok: 'done', error: 'failed' };

/** 1234 → `1.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** `patient_memory` → `Patient memory`. */
export function blockName(label: string): string {
  const words = label.replaceAll(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const HUES = [275, 200, 32, 155, 335, 245, 62, 305];

/** Every agent keeps a colour of its own; agents that are shown together get different ones as long as there are any. */
export function hueOf(place: number): number {
  return HUES[place % HUES.length]!;
}

export interface Help {
  title: string;
  steps: string[];
}

export const MICROPHONE_HELP: Record<MicrophoneProblem, Help> = {
  denied: {
    title: 'The browser does not let this page use the microphone',
    steps: [
      'Press the lock or microphone sign beside the address at the top of the window.',
      'Set “Microphone” to “Allow”.',
      'Come back here and try again. Some browsers want the page to be reloaded first.',
    ],
  },
  missing: {
    title: 'There is no microphone',
    steps: ['Plug one in, or switch on your headset.', 'Check that the system’s sound settings show it as an input.', 'Then try again.'],
  },
  busy: {
    title: 'Another program is using the microphone',
    steps: ['Close other calls and recorders, also in other tabs.', 'Then try again.'],
  },
  insecure: {
    title: 'Browsers give the microphone only to protected pages',
    steps: ['Open this page through https://, or on the machine itself as http://localhost or http://127.0.0.1.'],
  },
  failed: {
    title: 'The microphone could not be started',
    steps: ['Unplug and replug it, or choose another one in the system’s sound settings.', 'Then try again, or reload the page.'],
  },
};
