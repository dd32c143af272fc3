/** What the server tells of a talk beside what is said in it: what the agent does, who waits, whether it is recorded. Pure. */
import { stopsRecording } from './notices.ts';
import type { AgentState, ServerEvent } from './wire.ts';

export interface Standing {
  /** What the agent does, as the server said last; null before it said anything. */
  agent: AgentState | null;
  /** 1 for who comes next; null for who does not wait. */
  placeInQueue: number | null;
  /** Whether what is said is recorded. */
  recording: boolean;
}

export const nothingTold: Standing = { agent: null, placeInQueue: null, recording: false };

/** The same object where the event tells nothing of this. */
export function standingAfter(standing: Standing, event: ServerEvent): Standing {
  switch (event.type) {
    case 'ready':
      return { ...standing, placeInQueue: null, recording: event.recording };
    case 'state':
    case 'resumed':
      return { ...standing, agent: event.state };
    case 'queue':
      return { ...standing, placeInQueue: event.position };
    case 'error':
      return stopsRecording(event) ? { ...standing, recording: false } : standing;
    default:
      return standing;
  }
}

/** Nobody is connected any more: nothing is recorded, and nobody waits. */
export function disconnected(standing: Standing): Standing {
  return { ...standing, placeInQueue: null, recording: false };
}
