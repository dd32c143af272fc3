/** Keeps the written side of a conversation: what each side said, what is still being said, and what was never heard. Pure. */
import type { ServerEvent, ToolStatus } from './wire.ts';

export interface Turn {
  key: string;
  /** A tool that the agent uses stands between what both say. */
  who: 'user' | 'agent' | 'tool';
  text: string;
  /** A final turn no longer changes. */
  final: boolean;
  /** Generated, but cut off by an interruption before it was heard. */
  unheard: string;
  interrupted: boolean;
  tool?: { status: ToolStatus; ms: number };
}

export interface Thread {
  turns: readonly Turn[];
  /** Counts connections: after a reconnection the server numbers its replies afresh. */
  connection: number;
  /** Counts turns ever added, so that no key comes twice. */
  serial: number;
}

export type Happening =
  | Extract<ServerEvent, { type: 'transcript' | 'agent_response' | 'interrupted' | 'heard' | 'tool_call' }>
  | { type: 'typed'; text: string; id: string }
  /** The interruption of this reply was a false alarm: its sound goes on. */
  | { type: 'went_on'; generation: number }
  /** A connection began. */
  | { type: 'connected' }
  /** Nothing more comes on this connection. */
  | { type: 'settled' };

export const emptyThread: Thread = { turns: [], connection: 0, serial: 0 };

export function grow(thread: Thread, happening: Happening): Thread {
  switch (happening.type) {
    case 'transcript':
      return happening.final ? heardFinal(thread, happening) : heardSoFar(thread, happening.text);
    case 'agent_response':
      return answered(thread, happening);
    case 'interrupted':
      return changed(thread, replyKey(thread, happening.generation), (turn) => (turn.final ? turn : { ...turn, interrupted: true }));
    case 'went_on':
      return changed(thread, replyKey(thread, happening.generation), (turn) => (turn.final ? turn : { ...turn, interrupted: false }));
    case 'heard':
      return wasHeard(thread, happening);
    case 'tool_call':
      return toolUsed(thread, happening);
    case 'typed':
      return added(thread, { key: `typed/${happening.id}`, who: 'user', text: happening.text, final: true });
    case 'connected':
      return { ...settled(thread), connection: thread.connection + 1 };
    case 'settled':
      return settled(thread);
  }
}

const SPEAKING_NOW = 'so-far';

/** A transcript that may still change replaces the one before it, in place. */
function heardSoFar(thread: Thread, text: string): Thread {
  if (text.trim() === '') return without(thread, SPEAKING_NOW);
  if (thread.turns.some((turn) => turn.key === SPEAKING_NOW)) return changed(thread, SPEAKING_NOW, (turn) => ({ ...turn, text }));
  return added(thread, { key: SPEAKING_NOW, who: 'user', text, final: false });
}

function heardFinal(thread: Thread, { text, turn, id }: { text: string; turn: number | null; id: string }): Thread {
  const key = turn === null ? `heard/${thread.serial}` : `turn/${turn}`;
  const fresh = { key, who: 'user' as const, text, final: true };
  const typed = id === '' ? typedEcho(thread, text) : thread.turns.find((known) => known.key === `typed/${id}`);
  const spoken = id === '' ? thread.turns.find((known) => known.key === SPEAKING_NOW) : undefined;
  const place = thread.turns.find((known) => known.key === key) ?? typed ?? spoken;
  if (text.trim() === '') return without(thread, SPEAKING_NOW);
  return place ? changed(thread, place.key, (known) => ({ ...known, ...fresh })) : added(thread, fresh);
}

/** The server may repeat what was typed as a final transcript: the same turn, not a second one. Once it is answered, the same words are new. */
function typedEcho(thread: Thread, text: string): Turn | undefined {
  const answeredAt = thread.turns.findLastIndex((turn) => turn.who === 'agent');
  return thread.turns.slice(answeredAt + 1).find((turn) => turn.key.startsWith('typed/') && turn.text.trim() === text.trim());
}

function answered(thread: Thread, reply: Extract<ServerEvent, { type: 'agent_response' }>): Thread {
  const key = replyKey(thread, reply.generation);
  const known = thread.turns.find((turn) => turn.key === key);
  if (!reply.final) {
    if (known?.final) return thread;
    if (known) return changed(thread, key, (turn) => ({ ...turn, text: reply.text }));
    return reply.text === '' ? thread : added(thread, { key, who: 'agent', text: reply.text, final: false });
  }
  const unheard = reply.interrupted && known ? unheardTail(fullText(known), reply.text) : '';
  if (reply.text.trim() === '' && unheard === '') return without(thread, key);
  const final = { key, who: 'agent' as const, text: reply.text, final: true, interrupted: reply.interrupted, unheard };
  return known ? changed(thread, key, (turn) => ({ ...turn, ...final })) : added(thread, final);
}

/** The server's own word on what of a reply was heard. */
function wasHeard(thread: Thread, { generation, text, unheard, interrupted }: Extract<ServerEvent, { type: 'heard' }>): Thread {
  if (text.trim() === '' && unheard.trim() === '') return thread;
  return changed(thread, replyKey(thread, generation), (turn) => ({ ...turn, text, unheard: unheard.trim(), interrupted, final: true }));
}

function toolUsed(thread: Thread, { callId, toolName, status, ms }: Extract<ServerEvent, { type: 'tool_call' }>): Thread {
  const key = `${thread.connection}/tool/${callId}`;
  const fresh = { text: toolName, final: status !== 'running', tool: { status, ms } };
  if (thread.turns.some((turn) => turn.key === key)) return changed(thread, key, (turn) => ({ ...turn, ...fresh }));
  return added(thread, { key, who: 'tool', ...fresh });
}

/** What of `generated` comes after `heard`; by words where the beginning was not kept letter by letter. */
export function unheardTail(generated: string, heard: string): string {
  const start = heard.trim().replace(/[\s.…—–-]+$/u, '');
  if (generated.startsWith(heard)) return generated.slice(heard.length).trim();
  if (generated.startsWith(start)) return generated.slice(start.length).trim();
  const words = [...generated.matchAll(/\S+/gu)];
  const next = words[heard.split(/\s+/u).filter(Boolean).length];
  return next ? generated.slice(next.index).trim() : '';
}

function fullText(turn: Turn): string {
  return turn.unheard === '' ? turn.text : `${turn.text} ${turn.unheard}`;
}

function replyKey(thread: Thread, generation: number): string {
  return `${thread.connection}/reply/${generation}`;
}

function added(thread: Thread, turn: Pick<Turn, 'key' | 'who' | 'text' | 'final'> & Partial<Turn>): Thread {
  return { ...thread, turns: [...thread.turns, { unheard: '', interrupted: false, ...turn }], serial: thread.serial + 1 };
}

function changed(thread: Thread, key: string, change: (turn: Turn) => Turn): Thread {
  return { ...thread, turns: thread.turns.map((turn) => (turn.key === key ? change(turn) : turn)) };
}

function without(thread: Thread, key: string): Thread {
  return { ...thread, turns: thread.turns.filter((turn) => turn.key !== key) };
}

/** What was unfinished stays as it is; words of which only a guess had arrived are kept too, for the person did say them. */
function settled(thread: Thread): Thread {
  const turns = thread.turns.map((turn) =>
    turn.final ? turn : { ...turn, final: true, key: turn.key === SPEAKING_NOW ? `cut/${thread.serial}` : turn.key },
  );
  return { ...thread, turns, serial: thread.serial + 1 };
}
