import { describe, expect, test } from 'vitest';
import { emptyThread, grow, unheardTail, type Happening, type Thread } from '../../src/talk/thread.ts';

const heard = (text: string, final: boolean, turn: number | null = null, id = ''): Happening => ({ type: 'transcript', text, final, turn, id });
const reply = (text: string, generation: number, how: { final?: boolean; interrupted?: boolean } = {}): Happening => ({
  type: 'agent_response',
  text,
  generation,
  final: how.final ?? false,
  interrupted: how.interrupted ?? false,
  turn: null,
});
const typed = (text: string, id = text): Happening => ({ type: 'typed', text, id });
const after = (...happenings: Happening[]): Thread => happenings.reduce(grow, emptyThread);
const said = (thread: Thread): string[] => thread.turns.map((turn) => `${turn.who}${turn.final ? '' : '…'}: ${turn.text}`);

describe('what the person says', () => {
  test('replaces itself in place until it is final', () => {
    expect(said(after(heard('My', false), heard('My cat', false)))).toEqual(['user…: My cat']);
    expect(said(after(heard('My', false), heard('My cat', false), heard('My cat.', true, 1)))).toEqual(['user: My cat.']);
  });

  test('disappears when it was nothing after all', () => {
    expect(said(after(heard('Hm', false), heard('', false)))).toEqual([]);
    expect(said(after(heard('Hm', false), heard('', true)))).toEqual([]);
  });

  test('stays one turn when the server tells the same turn again', () => {
    expect(said(after(heard('My cat', true, 1), heard('My cat purrs', true, 1)))).toEqual(['user: My cat purrs']);
  });

  test('that was typed is not shown twice when the server repeats it', () => {
    expect(said(after(typed('Yes'), heard('Yes', true, 1), reply('Good.', 1, { final: true })))).toEqual(['user: Yes', 'agent: Good.']);
  });

  test('and was typed is known by its id, however often it is told and whatever else was typed', () => {
    const thread = after(typed('Yes', 'a'), typed('Yes', 'b'), reply('Good.', 1), heard('Yes', true, 2, 'b'), heard('Yes', true, 1, 'a'), heard('Yes', true, 2, 'b'));
    expect(said(thread)).toEqual(['user: Yes', 'user: Yes', 'agent…: Good.']);
    expect(thread.turns.map((turn) => turn.key).slice(0, 2)).toEqual(['turn/1', 'turn/2']);
  });

  test('and was typed does not take the place of what is being spoken', () => {
    expect(said(after(heard('My cat', false), heard('Yes', true, 1, 'of another page')))).toEqual(['user…: My cat', 'user: Yes']);
  });

  test('may be the same again after an answer', () => {
    expect(said(after(typed('Yes'), reply('Sure?', 1, { final: true }), heard('Yes', true, 2)))).toEqual(['user: Yes', 'agent: Sure?', 'user: Yes']);
  });

  test('is kept when the connection is lost in the middle', () => {
    const lost = after(heard('My cat is', false), { type: 'settled' });
    expect(said(lost)).toEqual(['user: My cat is']);
    expect(said(grow(lost, heard('Hello', false)))).toEqual(['user: My cat is', 'user…: Hello']);
  });
});

describe('what the agent says', () => {
  test('grows in one turn, and the final text replaces it', () => {
    expect(said(after(reply('How', 1), reply('How are', 1)))).toEqual(['agent…: How are']);
    expect(said(after(reply('How', 1), reply('How are you?', 1, { final: true })))).toEqual(['agent: How are you?']);
  });

  test('keeps its unheard tail when it was interrupted', () => {
    const [turn] = after(reply('One two three four', 1), { type: 'interrupted', generation: 1 }, reply('One two', 1, { final: true, interrupted: true })).turns;
    expect(turn).toMatchObject({ text: 'One two', unheard: 'three four', interrupted: true, final: true });
  });

  test('can be cut after its text was final, for sound comes later than text', () => {
    const [turn] = after(reply('One two three', 1, { final: true }), reply('One', 1, { final: true, interrupted: true })).turns;
    expect(turn).toMatchObject({ text: 'One', unheard: 'two three' });
  });

  test('is as before when its interruption was a false alarm', () => {
    const cut = after(reply('One', 1), { type: 'interrupted', generation: 1 });
    expect(cut.turns[0]).toMatchObject({ interrupted: true, final: false });
    const [turn] = [{ type: 'went_on', generation: 1 } as const, reply('One two', 1), reply('One two.', 1, { final: true })].reduce(grow, cut).turns;
    expect(turn).toMatchObject({ text: 'One two.', interrupted: false, unheard: '', final: true });
  });

  test('ends as the server says that it was heard', () => {
    const end: Happening = { type: 'heard', generation: 1, text: 'One', unheard: ' two three', interrupted: true };
    for (const thread of [after(reply('One two three', 1), end), after(reply('One two three', 1), reply('One', 1, { final: true, interrupted: true }), end)]) {
      expect(thread.turns).toEqual([expect.objectContaining({ text: 'One', unheard: 'two three', interrupted: true, final: true })]);
    }
  });

  test('that nobody heard anything of is struck through in full', () => {
    const [turn] = after(reply('One two', 1), { type: 'heard', generation: 1, text: '', unheard: 'One two', interrupted: true }).turns;
    expect(turn).toMatchObject({ text: '', unheard: 'One two' });
  });

  test('no longer grows once it was final', () => {
    expect(said(after(reply('One.', 1, { final: true }), reply('One', 1)))).toEqual(['agent: One.']);
  });

  test('leaves nothing behind when it was taken back', () => {
    expect(said(after(reply('One', 1), reply('', 1, { final: true })))).toEqual([]);
  });

  test('is another turn after a reconnection, although the numbers begin again', () => {
    const thread = after({ type: 'connected' }, reply('Hello', 1), { type: 'connected' }, reply('Again', 1));
    expect(said(thread)).toEqual(['agent: Hello', 'agent…: Again']);
  });
});

test('a tool stands once in the thread, and says how it ended', () => {
  const call = (status: 'running' | 'ok' | 'error', ms: number): Happening => ({ type: 'tool_call', callId: 'x', toolName: 'search', status, ms });
  const [tool, ...others] = after(call('running', 0), call('ok', 420)).turns;
  expect(tool).toMatchObject({ who: 'tool', text: 'search', final: true, tool: { status: 'ok', ms: 420 } });
  expect(others).toEqual([]);
});

test('no two turns ever have the same key', () => {
  let thread = emptyThread;
  const happenings: Happening[] = [typed('a'), heard('b', false), heard('', false), typed('c'), reply('d', 1), reply('', 1, { final: true }), typed('e'), heard('f', true), heard('g', true), { type: 'settled' }, heard('h', false), { type: 'settled' }, heard('i', false), { type: 'connected' }];
  for (const happening of [...happenings, ...happenings.filter(({ type }) => type !== 'typed')]) {
    thread = grow(thread, happening);
    const keys = thread.turns.map((turn) => turn.key);
    expect(new Set(keys).size).toBe(keys.length);
  }
});

test.each([
  ['One two three', 'One two', 'three'],
  ['One two three', 'One two…', 'three'],
  ['One  two\nthree', 'One two', 'three'],
  ['One two three', '', 'One two three'],
  ['One two', 'One two', ''],
  ['One two', 'One two three four', ''],
])('of “%s” heard as “%s” the tail is “%s”', (generated, heardText, tail) => {
  expect(unheardTail(generated, heardText)).toBe(tail);
});
