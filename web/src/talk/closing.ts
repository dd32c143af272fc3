/** Says in plain words why a connection closed, and whether it makes sense to go on. Pure. */

export interface Closing {
  title: string;
  advice: string;
  /** Whether the same conversation can be taken up again. */
  canGoOn: boolean;
}

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
  4404: { title: 'The server does not know this conversation any more.', advice: 'Please start a new one.', canGoOn: false },
};

const LOST: Closing = { title: 'The connection was lost.', advice: 'What was said is kept. You can go on with this conversation.', canGoOn: true };

export function wordsForClosing(code: number): Closing {
  return CLOSINGS[code] ?? LOST;
}
