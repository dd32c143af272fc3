"""The cascade at work: it waits for sound, words and models, and does what the turn machine decides."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from voicemind.clock import monotonic_s
from voicemind.engines.cascade import turn
from voicemind.engines.cascade.gate import GateLimits, SpeechGate
from voicemind.engines.cascade.listen import Listener
from voicemind.engines.cascade.speak import Answer, SpokenReply
from voicemind.engines.contract import Hushed, PartialWords, Scene, StateChanged, StateName, Trouble
from voicemind.errors import ProviderError, ProviderRefused
from voicemind.llm.contract import TextDelta
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts
from voicemind.speech.vad.contract import Vad

SOUNDS_WAITING = 100
"""Pieces of sound that may wait to be judged: 2 s of 20 ms frames. Then the oldest are dropped."""
HAPPENINGS_WAITING = 32
BEFORE_SPEECH_MS = 400
"""Sound before the detected beginning that belongs to the utterance: the gate needs some speech to be sure."""
SAVE_LIMIT_S = 5.0
FINISH_LIMIT_S = 10.0

_SHOWN: dict[turn.State, StateName] = {
    turn.State.LISTENING: "listening",
    turn.State.HEARING: "listening",
    turn.State.RECOGNISING: "thinking",
    turn.State.THINKING: "thinking",
    turn.State.SPEAKING: "speaking",
    turn.State.LEAVING: "listening",
}


class Cascade:
    """One conversation. Without `stt` and `vad` it is deaf, without `tts` mute: then the text itself is the conversation.

    Raises ProviderRefused where a provider does not know the language or has no such voice.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        stt: Stt | None,
        vad: Vad | None,
        tts: Tts | None,
        language: str,
        voice: str | None,
        limits: GateLimits | None = None,
    ) -> None:
        _refuse_unspoken(language, voice, stt, tts)
        self._scene = scene
        self._stt, self._vad, self._tts, self._voice = stt, vad, tts, voice
        self._machine = turn.TurnMachine()
        self._gate = SpeechGate(limits)
        self._happened, self._happenings = anyio.create_memory_object_stream[turn.Happening](HAPPENINGS_WAITING)
        self._sound_in, self._sounds = anyio.create_memory_object_stream[bytes](SOUNDS_WAITING)
        self._replies: dict[int, SpokenReply] = {}
        self._spoken_until = monotonic_s()
        self._heard_at = monotonic_s()
        self._shown: StateName | None = None
        self._listener: Listener | None = None
        self._utterances = 0
        """How many are being recognised."""
        self._left = anyio.Event()
        self._deaf = anyio.Event()
        """Set when every sound that came in has been judged, and none will come."""
        if not (stt and vad):
            self._deaf.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with anyio.create_task_group() as tasks:
            if self._stt and self._vad:
                tasks.start_soon(self._listen, self._stt, self._vad, tasks)
            await self._show_state()
            async for happening in self._happenings:
                self._utterances -= isinstance(happening, turn.Recognised)
                for command in self._machine.feed(happening):
                    await self._obey(command, tasks)
                await self._show_state()
                if (
                    self._machine.state is turn.State.LEAVING
                    and not self._utterances
                    and not self._happenings.statistics().current_buffer_used
                ):
                    self._left.set()

    def hear(self, samples: bytes) -> None:
        """What the microphone hears."""
        if samples and self._stt and self._vad:
            with suppress(anyio.ClosedResourceError):  # the conversation is ending
                try:
                    self._sound_in.send_nowait(samples)
                except anyio.WouldBlock:
                    self._sounds.receive_nowait()
                    self._sound_in.send_nowait(samples)

    async def read(self, text: str, *, message_id: str = "") -> None:
        """The person typed this."""
        self._spoken_until = self._heard_at = monotonic_s()
        await self._happened.send(turn.Typed(text, message_id))

    def away(self) -> None:
        """Nobody can hear for a while."""

    def back(self) -> None:
        """Somebody listens again."""

    async def greet(self, text: str) -> None:
        """Say this without being asked."""
        self._spoken_until = self._heard_at = monotonic_s()
        await self._happened.send(turn.Greeting(text))

    async def interrupt(self) -> None:
        """Stop talking."""
        await self._happened.send(turn.Interrupted())

    def close(self) -> None:
        """Close the streams."""
        for stream in (self._happened, self._happenings, self._sound_in, self._sounds):
            stream.close()

    def played(self, generation: int, ms: float) -> None:
        """How much of a reply has left the client's loudspeaker."""
        if reply := self._replies.get(generation):
            reply.played(ms)

    async def finish(self) -> None:
        """Stop talking; store what the person said last."""
        self._sound_in.close()
        with anyio.move_on_after(FINISH_LIMIT_S):
            await self._deaf.wait()
            await self._happened.send(turn.Leaving())
            await self._left.wait()

    async def _show_state(self) -> None:
        state = _SHOWN[self._machine.state]
        if state != self._shown:
            self._shown = state
            await self._scene.show(StateChanged(state))

    async def _obey(self, command: turn.Command, tasks: TaskGroup) -> None:
        match command:
            case turn.Keep(text, modality, message_id):
                await self._scene.user_said(text, modality=modality, message_id=message_id)
            case turn.Think(number):
                self._begin(number, self._scene.answer(), tasks)
            case turn.Say(number, text):
                self._begin(number, _words(text), tasks)
            case turn.Hush(number):
                await self._hush(number)

    def _begin(self, number: int, answer: Answer, tasks: TaskGroup) -> None:
        reply = SpokenReply(
            number,
            scene=self._scene,
            tts=self._tts,
            voice=self._voice,
            asked_at=self._spoken_until,
            heard_at=self._heard_at,
        )
        self._replies[number] = reply
        tasks.start_soon(self._reply, reply, answer)

    async def _reply(self, reply: SpokenReply, answer: Answer) -> None:
        """Run the reply; whatever ends it, what was said of it is stored."""

        sounding_sent = False

        async def sounding() -> None:
            nonlocal sounding_sent
            if not sounding_sent:
                sounding_sent = True
                await self._happened.send(turn.ReplySounding(reply.number))

        try:
            with reply.scope:
                await reply.run(answer, sounding)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(SAVE_LIMIT_S):
                said = reply.said
                if said.heard:
                    await self._scene.agent_said(said)
            del self._replies[reply.number]
            reply.over.set()
        if reply.failure:
            await self._scene.show(
                Trouble(reply.failure.code, "The answer could not be finished. Please say it again.")
            )
        await self._happened.send(turn.ReplyEnded(reply.number))

    async def _hush(self, number: int) -> None:
        """Silence first, then the books: the next reply must find this one stored."""
        reply = self._replies.get(number)
        if reply:
            reply.scope.cancel()
        await self._scene.show(Hushed(number or self._machine.reply))
        if reply:
            with anyio.move_on_after(SAVE_LIMIT_S):
                await reply.over.wait()

    async def _listen(self, stt: Stt, vad: Vad, tasks: TaskGroup) -> None:
        """Find the utterances in the sound and have each recognised."""
        before: deque[bytes] = deque()
        broken = False
        async with vad.track() as track:
            async for samples in self._sounds:
                _remember(before, samples)
                if self._listener:
                    self._listener.add(samples)
                track.hear(samples)
                try:
                    probabilities = await track.judged() if track.unjudged else []
                except ProviderError as error:
                    if not broken:
                        await self._scene.show(Trouble(error.code, "You cannot be heard at the moment. You can type."))
                    broken, probabilities = True, []
                for probability in probabilities:
                    await self._judge(probability, before, stt, tasks)
        if self._listener:
            self._listener.end()
            self._listener = None
        self._deaf.set()

    async def _judge(self, probability: float, before: deque[bytes], stt: Stt, tasks: TaskGroup) -> None:
        """One more window of sound: perhaps an utterance begins or ends with it."""
        edge = self._gate.feed(
            probability,
            agent_audible=self._machine.state is turn.State.SPEAKING,
            settled=self._listener is not None and self._listener.sounds_finished,
        )
        if edge == "started":
            self._listener = Listener(stt)
            self._listener.add(b"".join(before))
            self._utterances += 1
            tasks.start_soon(self._recognise, self._listener)
            await self._happened.send(turn.SpeechStarted())
        elif edge == "ended" and self._listener:
            self._spoken_until = monotonic_s()
            self._listener.end()
            self._listener = None
            await self._happened.send(turn.SpeechEnded())

    async def _recognise(self, listener: Listener) -> None:
        async def partial(text: str) -> None:
            await self._scene.show(PartialWords(text))

        async def final(text: str) -> None:
            self._heard_at = monotonic_s()
            await self._happened.send(turn.Recognised(text))

        try:
            await listener.run(partial, final)
        except ProviderError as error:
            await self._scene.show(Trouble(error.code, "What you said could not be understood. Please say it again."))


def _refuse_unspoken(language: str, voice: str | None, stt: Stt | None, tts: Tts | None) -> None:
    for provider in (stt, tts):
        if provider and provider.languages and language.partition("-")[0] not in provider.languages:
            raise ProviderRefused(
                f"{provider.name} does not know the language {language!r}, only {', '.join(provider.languages)}: choose another provider.",
                provider=provider.name,
            )
    if tts and voice and tts.voices and voice not in tts.voices:
        raise ProviderRefused(
            f"{tts.name} has no voice {voice!r}, only {', '.join(tts.voices)}: name one of them in the agent's file.",
            provider=tts.name,
        )


def _remember(before: deque[bytes], samples: bytes) -> None:
    """Keep the last moments of sound."""
    before.append(samples)
    size = sum(map(len, before))
    while size - len(before[0]) >= BEFORE_SPEECH_MS * INPUT_RATE_HZ // 1000 * 2:
        size -= len(before.popleft())


async def _words(text: str) -> Answer:
    yield TextDelta(text)
