/** Where a talk stands, and what the state word says of it. Pure. */
import type { AgentState } from './wire.ts';

/**
 *     choosing → opening → talking → closing → over
 *                   ↑        ↑↓                  ↑
 *                   │   reconnecting ────────────┤
 *                   │         ↓                  │
 *                   └─────── lost ───────────────┘
 */
export type Phase = 'choosing' | 'opening' | 'talking' | 'reconnecting' | 'lost' | 'closing' | 'over';

/** What the state word says. */
export type Shown = AgentState | 'connecting' | 'reconnecting' | 'lost' | 'ended';

/** `server`: what the server said last. `sounding`: whether the loudspeaker is busy; it knows better. */
export function shownIn(phase: Phase, { server, sounding }: { server: AgentState | null; sounding: boolean }): Shown {
  switch (phase) {
    case 'choosing':
    case 'opening':
      return server === 'waking' ? 'waking' : 'connecting';
    case 'talking':
      return sounding ? 'speaking' : (server ?? 'listening');
    case 'reconnecting':
    case 'lost':
      return phase;
    case 'closing':
    case 'over':
      return 'ended';
  }
}
