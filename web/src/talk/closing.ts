/** Says in plain words why a connection closed, and whether it makes sense to go on. Pure. */
import { Refused } from './api.ts';

export interface Closing {
  title: string;
  advice: string;
  /** Whether the same conversation can be taken up again. */
  canGoOn: boolean;
}

const UNKNOWN = 4404;

const CLOSINGS: Record<number, Closing> = {
  1001: { title: 'The server is restarting.', advice: 'What was said is kept. You can go on in a moment.', canGoOn: true },
  1008: {
    title: 'The server closed the conversation.',
    advice: 'It received something that it does not accept. What was said until then is kept.',
    canGoOn: true,
  },
  1011: { title: 'Something failed on the server.', advice: 'What was said is kept. You can try to go on.', canGoOn: true },
  1013: {
    title: 'There is no room just now.',
    advice: 'Either the server is busy or the connection is too slow for sound. Wait a moment, then go on; what was said is kept.',
    canGoOn: true,
  },
  4000: { title: 'The conversation could not be opened.', advice: 'The page did not say which conversation it meant. Please start again.', canGoOn: false },
  4001: {
    title: 'The voice of this character cannot start.',
    advice: 'Its speech or language model is not available on the server. Try again later, or ask whoever runs this server.',
    canGoOn: false,
  },
  4401: { title: 'The server did not let this page in.', advice: 'Its permission has run out. Go on, and give your key again if you are asked.', canGoOn: true },
  4409: {
    title: 'This conversation goes on somewhere else.',
    advice: 'It was opened in another window or on another device. You can bring it back here.',
    canGoOn: true,
  },
  [UNKNOWN]: { title: 'The server does not know this conversation any more.', advice: 'Please start a new one.', canGoOn: false },
};

const FINAL = new Set([1000, 1008, 4000, 4001, 4401, 4404, 4409]);

/** Whether a socket that closed like this was meant to; after every other code the page tries again by itself. */
export function isFinal(code: number): boolean {
  return FINAL.has(code);
}

const GOES_ON = new Set(['shutdown', 'replaced', 'gone']);

const LOST: Closing = { title: 'The connection was lost.', advice: 'What was said is kept. You can go on with this conversation.', canGoOn: true };

export function wordsForClosing(code: number): Closing {
  return CLOSINGS[code] ?? LOST;
}

/** Whether the conversation is over with its session that ended for this reason; else the code with which its socket closes says more. */
export function isOver(reason: string): boolean {
  return !GOES_ON.has(reason);
}

/** Whether the conversation itself has ended meanwhile: there is nothing to go on with, but something to remember. */
export function hasEnded(reason: unknown): boolean {
  return reason === 'already_ended' || (reason instanceof Refused && reason.status === 409);
}

/** The words for a server that no longer gives an address for the conversation. */
export function wordsForRefusal(error: unknown): Closing {
  if (!(error instanceof Refused)) return LOST;
  if (error.status === 401 || error.status === 403) return CLOSINGS[4401]!;
  if (error.status === 404) return CLOSINGS[UNKNOWN]!;
  return { ...LOST, title: error.message };
}
