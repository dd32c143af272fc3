/** What the person is told about while a talk goes on, in words and with what can be done about it. Pure. */
import { NoMicrophone, type MicrophoneProblem } from '../sound/microphone.ts';
import { Refused } from './api.ts';
import type { ServerEvent } from './wire.ts';

export interface Notice {
  title: string;
  advice?: string;
  /** Nothing is wrong with the talk: it is said, and nobody is alarmed. */
  calm?: boolean;
}

export const DRAINING: Notice = {
  title: 'The server is about to restart.',
  advice: 'What is being said is finished first; then the conversation goes on by itself.',
};
export const NO_MICROPHONE: Notice = {
  title: 'The microphone went away.',
  advice: 'You can go on by typing, or end and start again with another microphone.',
};
const RECORDING_STOPPED = 'recording_stopped';
const NOT_RECORDED: Notice = { title: 'The recording has stopped.', advice: 'The conversation goes on, and what is said from now on is not recorded.', calm: true };

/** Whether this says that what follows is not recorded any more. */
export function stopsRecording(error: Extract<ServerEvent, { type: 'error' }>): boolean {
  return error.code === RECORDING_STOPPED;
}

/** The words for what the server tells the person, and after which the talk goes on. */
export function noticeOf(told: Extract<ServerEvent, { type: 'error' | 'draining' }>): Notice {
  if (told.type === 'draining') return DRAINING;
  return stopsRecording(told) ? NOT_RECORDED : { title: told.message };
}

/** Why something could not be done. */
export type Obstacle = { is: 'microphone'; problem: MicrophoneProblem } | { is: 'key' } | { is: 'other'; notice: Notice; known: boolean };

export function obstacleIn(error: unknown): Obstacle {
  if (error instanceof NoMicrophone) return { is: 'microphone', problem: error.problem };
  if (error instanceof Refused && error.status === 401) return { is: 'key' };
  if (error instanceof Refused) return { is: 'other', notice: { title: error.message }, known: true };
  const notice = { title: 'This browser could not start the conversation.', advice: 'Reload the page, or try a current Chrome, Edge, Firefox or Safari.' };
  return { is: 'other', notice, known: false };
}
