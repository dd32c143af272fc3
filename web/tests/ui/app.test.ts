// @vitest-environment jsdom
import { fireEvent, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Refused } from '../../src/talk/api.ts';
import { noViolations, REFLECTION, state, World } from './page.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

async function choose(): Promise<void> {
  world.show();
  await screen.findByTestId('start');
}

async function talking(): Promise<void> {
  await choose();
  await fireEvent.click(screen.getByTestId('start'));
  await waitFor(() => expect(world.transportsOpen).toBe(1));
  world.ready();
  await waitFor(() => expect(state()).toBe('listening'));
}

const sound = (generation: number) => ({ generation, position: 0, rateHz: 24_000, samples: new Int16Array(480) });

describe('before', () => {
  test('the page has no violations', async () => {
    await choose();
    await noViolations();
  });

  test('the chosen agent and the name go to the server, and stay for the next visit', async () => {
    await choose();
    await fireEvent.click(within(screen.getByTestId('agent-thalia')).getByRole('radio'));
    await fireEvent.input(screen.getByTestId('user'), { target: { value: ' Mira ' } });
    await fireEvent.click(screen.getByTestId('start'));
    await waitFor(() => expect(world.asked).toEqual([{ agent: 'thalia', user: 'Mira', channel: 'voice' }]));
    expect(localStorage.getItem('voicemind.user')).toBe('Mira');
    expect(localStorage.getItem('voicemind.agent')).toBe('thalia');
  });

  test('the microphone is asked for at the start and not before', async () => {
    await choose();
    expect(world.microphonesOpen).toBe(0);
    await fireEvent.click(screen.getByTestId('start'));
    await waitFor(() => expect(world.microphonesOpen).toBe(1));
  });

  test('without the microphone there are steps to follow, and typing goes on', async () => {
    world.microphone = 'denied';
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    expect((await screen.findByTestId('error')).textContent).toContain('Allow');
    expect(world.asked).toEqual([]);
    await noViolations();
    await fireEvent.click(screen.getByTestId('continue-typing'));
    await waitFor(() => expect(world.asked).toEqual([{ agent: 'counsellor', user: '', channel: 'text' }]));
    world.ready();
    await waitFor(() => expect(state()).toBe('listening'));
    expect(screen.queryByTestId('mute')).toBeNull();
  });

  test('a server that has no room says so, and the microphone is let go', async () => {
    world.refusal = new Refused(503, 'Fifty conversations are running.');
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    expect((await screen.findByTestId('error')).textContent).toContain('Fifty conversations are running.');
    expect(world.microphonesOpen).toBe(0);
    expect(screen.getByTestId('start')).toBeTruthy();
  });

  test('a server with keys asks for one, refuses a wrong one, and goes on with a right one', async () => {
    world.key = 'sesame';
    world.show();
    const form = await screen.findByTestId('key-form');
    await noViolations();
    await fireEvent.input(screen.getByLabelText('Key'), { target: { value: 'wrong' } });
    await fireEvent.submit(form);
    expect((await screen.findByTestId('error')).textContent).toContain('not one of');
    await fireEvent.input(screen.getByLabelText('Key'), { target: { value: 'sesame' } });
    await fireEvent.submit(form);
    await screen.findByTestId('agent-thalia');
  });
});

describe('during', () => {
  test('the state word follows the server and the loudspeaker', async () => {
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    expect(state()).toBe('connecting');
    await waitFor(() => expect(world.transportsOpen).toBe(1));
    world.tell({ type: 'state', state: 'waking' });
    await waitFor(() => expect(state()).toBe('waking up'));
    world.ready();
    world.tell({ type: 'state', state: 'thinking' });
    await waitFor(() => expect(state()).toBe('thinking'));
    world.sounds.busyChanged(true);
    world.tell({ type: 'state', state: 'listening' });
    await waitFor(() => expect(state()).toBe('speaking'));
    world.sounds.busyChanged(false);
    await waitFor(() => expect(state()).toBe('listening'));
  });

  test('words appear while they are said, and only final ones are read out', async () => {
    await talking();
    world.tell({ type: 'transcript', text: 'My cat', final: false, turn: null, id: '' });
    expect((await screen.findByTestId('partial')).textContent).toContain('My cat');
    expect(screen.getByTestId('read-out').textContent).toBe('');
    world.tell({ type: 'transcript', text: 'My cat is Biscuit.', final: true, turn: 1, id: '' });
    world.tell({ type: 'agent_response', text: 'Hello', final: false, generation: 1, interrupted: false, turn: null });
    await waitFor(() => expect(screen.getByTestId('turn-user').textContent).toContain('My cat is Biscuit.'));
    expect(screen.queryByTestId('partial')).toBeNull();
    expect(screen.getByTestId('turn-agent').dataset['final']).toBe('false');
    expect(screen.getByTestId('read-out').textContent).toBe('You: My cat is Biscuit.');
    expect(screen.getByTestId('read-out').getAttribute('aria-live')).toBe('polite');
    await noViolations();
  });

  test('what was not heard of an interrupted reply is struck through', async () => {
    await talking();
    world.tell(
      { type: 'agent_response', text: 'One two three', final: false, generation: 1, interrupted: false, turn: null },
      { type: 'interrupted', generation: 1 },
      { type: 'agent_response', text: 'One', final: true, generation: 1, interrupted: true, turn: 2 },
    );
    const unheard = await screen.findByTestId('unheard');
    expect(unheard.tagName).toBe('S');
    expect(unheard.textContent).toBe('two three');
    expect(world.cut).toEqual([1]);
    await noViolations();
  });

  test('Space says how much was heard, silences the reply at once, and tells the server', async () => {
    await talking();
    world.connection.sound(sound(3));
    world.sounds.played({ generation: 3, ms: 440 }, { settled: false });
    world.sounds.played({ generation: 3, ms: 460 }, { settled: false });
    await fireEvent.keyDown(document.body, { key: ' ' });
    expect(world.flushed).toEqual([3]);
    expect(world.sent).toEqual([
      { type: 'played', generation: 3, ms: 440 },
      { type: 'played', generation: 3, ms: 460 },
      { type: 'interrupt' },
    ]);
  });

  test('an interruption before anything was said leaves the first reply to be heard', async () => {
    await talking();
    await fireEvent.keyDown(document.body, { key: ' ' });
    expect(world.flushed).toEqual([]);
    expect(world.sent).toEqual([{ type: 'interrupt' }]);
  });

  test('a reply was never heard less than the server was told before', async () => {
    await talking();
    world.sounds.played({ generation: 1, ms: 900 }, { settled: true });
    world.sounds.played({ generation: 1, ms: 860 }, { settled: true });
    world.sounds.played({ generation: 2, ms: 20 }, { settled: true });
    expect(world.sent.map((message) => (message.type === 'played' ? message.ms : null))).toEqual([900, 900, 20]);
  });

  test('keys are letters while somebody types, and Space presses the button that has the focus', async () => {
    await talking();
    await fireEvent.keyDown(screen.getByTestId('text-input'), { key: ' ' });
    await fireEvent.keyDown(screen.getByTestId('text-input'), { key: 'm' });
    await fireEvent.keyDown(screen.getByTestId('text-input'), { key: 'Escape' });
    await fireEvent.keyDown(screen.getByTestId('mute'), { key: ' ' });
    expect(world.sent).toEqual([]);
    expect(world.muted).toBe(false);
    expect(state()).toBe('listening');
  });

  test('M mutes and unmutes, and the button says so', async () => {
    await talking();
    await fireEvent.keyDown(document.body, { key: 'm' });
    expect(world.muted).toBe(true);
    await waitFor(() => expect(screen.getByTestId('mute').getAttribute('aria-pressed')).toBe('true'));
    await fireEvent.click(screen.getByTestId('mute'));
    expect(world.muted).toBe(false);
  });

  test('what is typed stands in the thread and goes to the server', async () => {
    await talking();
    await fireEvent.input(screen.getByTestId('text-input'), { target: { value: 'Hello there' } });
    await fireEvent.submit(screen.getByTestId('text-input').closest('form')!);
    expect(world.sent).toEqual([{ type: 'text', text: 'Hello there', id: expect.stringMatching(/./) }]);
    expect(screen.getByTestId('turn-user').textContent).toContain('Hello there');
  });

  test('without headphones the microphone is silent while the agent speaks', async () => {
    await talking();
    await fireEvent.click(screen.getByRole('switch', { name: 'No headphones' }));
    world.sounds.frame({ samples: new Int16Array(320).fill(9), captured: 0 });
    world.sounds.busyChanged(true);
    world.sounds.frame({ samples: new Int16Array(320).fill(9), captured: 320 });
    expect(world.frames.map((frame) => frame[0])).toEqual([9, 0]);
  });

  test('an error is shown, and the conversation goes on', async () => {
    await talking();
    world.tell({ type: 'error', message: 'That took too long.', code: 'slow' });
    expect((await screen.findByTestId('error')).textContent).toContain('That took too long.');
    expect(state()).toBe('listening');
  });

  test('a place in the queue is said', async () => {
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    await waitFor(() => expect(world.transportsOpen).toBe(1));
    world.tell({ type: 'queue', position: 3 });
    expect((await screen.findByTestId('queue')).textContent).toBe('You are number 3 in the queue');
    await noViolations();
    world.ready();
    await waitFor(() => expect(screen.queryByTestId('queue')).toBeNull());
  });

  test('a reply is soft while the person may be speaking, and goes on after a false alarm', async () => {
    await talking();
    world.tell({ type: 'agent_response', text: 'One two', final: false, generation: 1, interrupted: false, turn: null }, { type: 'ducked', generation: 1, gain: 0.3 });
    expect(world.ducked).toEqual([[1, 0.3]]);
    world.tell({ type: 'interrupted', generation: 1 });
    const reply = await screen.findByTestId('turn-agent');
    await waitFor(() => expect(reply.dataset['interrupted']).toBe('true'));
    world.connection.sound(sound(1));
    await waitFor(() => expect(reply.dataset['interrupted']).toBe('false'));
  });

  test('a tool that is used is seen, and not read out', async () => {
    await talking();
    world.tell({ type: 'tool_call', callId: 'x', toolName: 'search_archive', status: 'running', ms: 0 });
    const card = await screen.findByTestId('tool-call');
    world.tell({ type: 'tool_call', callId: 'x', toolName: 'search_archive', status: 'ok', ms: 1240 });
    await waitFor(() => expect(card.textContent).toMatch(/search_archive\s+done,\s+1\.2 s/));
    expect(screen.getByTestId('read-out').textContent).toBe('');
    await noViolations();
  });

  test('what ran dry is told as often as it is news, and only what is new', async () => {
    await talking();
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      vi.advanceTimersByTime(10_000);
      world.sounds.measured({ underruns: 0, gapMs: 0 });
      world.sounds.measured({ underruns: 1, gapMs: 40 });
      world.sounds.measured({ underruns: 3, gapMs: 90 });
      vi.advanceTimersByTime(5000);
      world.sounds.measured({ underruns: 3, gapMs: 90 });
      world.sounds.measured({ underruns: 3, gapMs: 90 });
    } finally {
      vi.useRealTimers();
    }
    expect(world.sent.filter(({ type }) => type === 'metrics')).toEqual([
      { type: 'metrics', underruns: 1, gapMs: 40 },
      { type: 'metrics', underruns: 2, gapMs: 50 },
    ]);
  });

  describe('a lost connection', () => {
    async function lost(): Promise<void> {
      await talking();
      world.tell({ type: 'transcript', text: 'My cat', final: true, turn: 1, id: '' });
      world.lose();
      await waitFor(() => expect(state()).toBe('reconnecting'));
    }

    async function found(): Promise<void> {
      await waitFor(() => expect(world.transportsOpen).toBe(1));
      world.connection.opened();
    }

    test('comes back by itself: the microphone stays, what was typed meanwhile arrives, nothing is said twice', async () => {
      await lost();
      expect(world.microphonesOpen).toBe(1);
      await noViolations();
      await fireEvent.input(screen.getByTestId('text-input'), { target: { value: 'Are you there?' } });
      await fireEvent.submit(screen.getByTestId('text-input').closest('form')!);
      await found();
      expect(world.purposes).toEqual(['begin', 'resume']);
      world.connection.event({ event: { type: 'resumed', missed: 0, state: 'listening' }, sequence: null });
      await waitFor(() => expect(state()).toBe('listening'));
      world.repeat({ type: 'transcript', text: 'My cat', final: true, turn: 1, id: '' }, 2);
      const typed = world.sent.find(({ type }) => type === 'text');
      expect(typed).toMatchObject({ text: 'Are you there?' });
      world.tell({ type: 'transcript', text: 'Are you there?', final: true, turn: 2, id: typed?.type === 'text' ? typed.id : '' });
      await waitFor(() => expect(screen.getAllByTestId('turn-user').map((turn) => turn.textContent)).toEqual(['You:My cat', 'You:Are you there?']));
      expect([world.microphonesOpen, world.resets, world.asked.length]).toEqual([1, 0, 1]);
    });

    test('whose session is gone goes on with the conversation, and the replies count afresh', async () => {
      await talking();
      world.tell({ type: 'agent_response', text: 'Old', final: false, generation: 1, interrupted: false, turn: null });
      world.lose();
      await found();
      world.lose(4404);
      await found();
      expect(world.purposes).toEqual(['begin', 'resume', 'renew']);
      world.ready();
      await waitFor(() => expect(state()).toBe('listening'));
      world.tell({ type: 'agent_response', text: 'New', final: false, generation: 1, interrupted: false, turn: null });
      await waitFor(() => expect(screen.getAllByTestId('turn-agent').map((turn) => turn.textContent)).toEqual(['Clara Old ', 'Clara New ']));
      expect([world.microphonesOpen, world.resets]).toEqual([1, 1]);
    });

    test('after which the conversation has ended shows what was remembered', async () => {
      await lost();
      await found();
      world.lose(4404);
      await found();
      world.lose(4001, 'already_ended');
      await screen.findByTestId('remembered');
      expect(world.microphonesOpen).toBe(0);
    });

    test('after which the server gives no more addresses, for the conversation has ended, shows what was remembered', async () => {
      world.wsUrl = '/voice-conversation?conversationDetailId=c1&ticket=t1';
      await talking();
      world.tell({ type: 'transcript', text: 'My cat', final: true, turn: 1, id: '' });
      world.refusal = new Refused(409, 'The conversation has ended.');
      world.lose();
      await screen.findByTestId('remembered', {});
      expect(world.microphonesOpen).toBe(0);
    });

    test('needs a fresh ticket for every socket where there are tickets', async () => {
      world.wsUrl = '/voice-conversation?conversationDetailId=c1&ticket=t1';
      await lost();
      await found();
      expect(world.asked[1]).toMatchObject({ conversationId: 'c1', greet: false });
    });

    test('with a warning before is a restart, and the warning goes when it is over', async () => {
      await talking();
      world.tell({ type: 'draining', withinS: 20 });
      expect((await screen.findByTestId('error')).textContent).toContain('restart');
      world.tell({ type: 'complete', conversationId: 'c1', reason: 'shutdown' });
      world.lose(1000);
      await waitFor(() => expect(state()).toBe('reconnecting'));
      await found();
      world.connection.event({ event: { type: 'resumed', missed: 0, state: 'listening' }, sequence: null });
      await waitFor(() => expect(screen.queryByTestId('error')).toBeNull());
    });

    test('can be given up for what was remembered', async () => {
      await lost();
      await fireEvent.keyDown(document.body, { key: 'Escape' });
      await screen.findByTestId('remembered');
      expect(world.microphonesOpen).toBe(0);
    });
  });

  test('who leaves the page ends the conversation: nobody could go on with it', async () => {
    await talking();
    window.dispatchEvent(new Event('pagehide'));
    expect(world.sent.at(-1)).toEqual({ type: 'end' });
    expect([world.transportsOpen, world.microphonesOpen]).toEqual([0, 0]);
  });

  test('a conversation that was opened somewhere else is said to be, and can be brought back without a greeting', async () => {
    await talking();
    world.tell({ type: 'transcript', text: 'My cat', final: true, turn: 1, id: '' });
    world.tell({ type: 'complete', conversationId: 'c1', reason: 'replaced' });
    world.lose(4409);
    expect((await screen.findByTestId('error')).textContent).toContain('somewhere else');
    expect(state()).toBe('connection lost');
    expect(world.microphonesOpen).toBe(0);
    await noViolations();
    await fireEvent.click(screen.getByTestId('go-on'));
    await waitFor(() => expect(world.asked[1]).toMatchObject({ conversationId: 'c1', greet: false }));
    await waitFor(() => expect(world.transportsOpen).toBe(1));
    world.ready();
    await waitFor(() => expect(state()).toBe('listening'));
    expect(screen.getByTestId('turn-user').textContent).toContain('My cat');
  });

  test('a voice that cannot start leads back to the choice', async () => {
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    await waitFor(() => expect(world.transportsOpen).toBe(1));
    world.lose(4001);
    expect((await screen.findByTestId('error')).textContent).toContain('cannot start');
    expect(screen.getByTestId('start')).toBeTruthy();
    expect(world.microphonesOpen).toBe(0);
  });

  test('an opening can be given up, and a late answer does not bring it back', async () => {
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    await fireEvent.keyDown(document.body, { key: 'Escape' });
    await screen.findByTestId('start');
    await waitFor(() => expect(world.microphonesOpen).toBe(0));
    expect(world.transportsOpen).toBe(0);
  });
});

describe('after', () => {
  async function ended(): Promise<void> {
    await talking();
    await fireEvent.keyDown(document.body, { key: 'Escape' });
    expect(world.microphonesOpen).toBe(0);
    expect(world.sent).toContainEqual({ type: 'end' });
    world.tell({ type: 'complete', conversationId: 'c1', reason: 'ended' });
  }

  test('what was remembered is shown before and after, with what is new marked by more than colour', async () => {
    await ended();
    const remembered = await screen.findByTestId('remembered');
    expect(within(remembered).getByTestId('before').textContent).toContain('Has a dog.');
    const added = within(remembered).getByTestId('after').querySelector('[data-change=added]')!;
    expect(added.textContent).toContain('Has a cat called Biscuit.');
    expect(added.textContent).toContain('+');
    expect(added.textContent).toContain('added:');
    expect(remembered.textContent).toContain('The cat matters.');
    expect(state()).toBe('ended');
    expect(world.transportsOpen).toBe(0);
    await noViolations();
  });

  test('a reflection that takes long can be looked for again', async () => {
    world.reflections = [null, REFLECTION];
    await ended();
    await fireEvent.click(await screen.findByTestId('look-again'));
    await screen.findByTestId('remembered');
  });

  test('talking again begins a new conversation with the same agent', async () => {
    await ended();
    await screen.findByTestId('remembered');
    await fireEvent.click(screen.getByTestId('again'));
    await waitFor(() => expect(world.asked).toHaveLength(2));
    expect(world.asked[1]).toEqual(world.asked[0]);
    expect(screen.queryByTestId('turn-user')).toBeNull();
  });

  test('a conversation that the server ends shows what was remembered too', async () => {
    await talking();
    world.tell({ type: 'complete', conversationId: 'c1', reason: 'idle' });
    await screen.findByTestId('remembered');
    expect(world.microphonesOpen).toBe(0);
  });
});

describe('recording', () => {
  test('a recording is marked, and where it stops the mark goes and the talk goes on', async () => {
    await choose();
    await fireEvent.click(screen.getByTestId('start'));
    await waitFor(() => expect(world.transportsOpen).toBe(1));
    world.ready({ recording: true });
    await screen.findByTestId('recording');
    await noViolations();
    world.tell({ type: 'error', code: 'recording_stopped', message: 'The recording has stopped. The conversation goes on.' });
    expect((await screen.findByTestId('notice')).textContent).toContain('not recorded');
    expect(screen.queryByTestId('error')).toBeNull();
    expect(screen.queryByTestId('recording')).toBeNull();
    expect(state()).toBe('listening');
    await noViolations();
  });

  test('a talk that is not recorded has no mark', async () => {
    await talking();
    expect(screen.queryByTestId('recording')).toBeNull();
  });
});
