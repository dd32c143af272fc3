"""The cascade at work: it waits for sound, words and models, and does what the turn machine decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from voicemind.clock import monotonic_s
from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.aloud import Aloud
from voicemind.engines.cascade.asked import Asked
from voicemind.engines.cascade.ear import Ear
from voicemind.engines.cascade.endpoint import Endpoint, EndpointLimits
from voicemind.engines.cascade.failures import Failures
from voicemind.engines.cascade.gate import GateLimits
from voicemind.engines.cascade.inbox import Inbox
from voicemind.engines.cascade.mouth import Mouth
from voicemind.engines.cascade.speak import Answer
from voicemind.engines.cascade.state import State, TurnLimits
from voicemind.engines.cascade.turn import TurnMachine
from voicemind.engines.contract import (
    Ducked,
    Occasion,
    PartialWords,
    Scene,
    StateChanged,
    StateName,
)
from voicemind.errors import ProviderRefused
from voicemind.llm.contract import TextDelta
from voicemind.ops import metrics
from voicemind.speech.prosody.contract import Prosody
from voicemind.speech.stt.contract import Stt, WholePartials
from voicemind.speech.tts.contract import Tts
from voicemind.speech.vad.contract import Vad

FINISH_LIMIT_S = 10.0

_SHOWN: dict[State, StateName] = {
    State.LISTENING: "listening",
    State.SILENCE: "listening",
    State.HEARING: "listening",
    State.RECOGNISING: "thinking",
    State.THINKING: "thinking",
    State.TOOL_RUNNING: "thinking",
    State.SUSPECTING: "thinking",
    State.SPEAKING: "speaking",
    State.DUCKED: "speaking",
    State.HUSHED: "listening",
    State.LEAVING: "listening",
}
"""What a client is shown. That the agent thinks early is none of its business."""


@dataclass(slots=True)
class EarlyThinking:
    """How often an answer was thought of early, and how often it could be used."""

    tried: int = 0
    paid: int = 0


@dataclass(frozen=True, slots=True)
class Tact:
    """How conversations are held. `early` counts for all that share it."""

    turn: TurnLimits = field(default_factory=TurnLimits)
    gate: GateLimits = field(default_factory=GateLimits)
    endpoint: EndpointLimits = field(default_factory=EndpointLimits)
    prosody: Prosody | None = None
    early: EarlyThinking = field(default_factory=EarlyThinking)


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
        tact: Tact | None = None,
    ) -> None:
        _refuse_unspoken(language, voice, stt, tts)
        tact = tact or Tact()
        self.early = tact.early
        self._scene = scene
        limits = tact.turn if tts else replace(tact.turn, silence_s=0.0, early_tries=0)
        endpoint = Endpoint(language, tact.endpoint)
        self._machine = TurnMachine(language=language, limits=limits, endpoint=endpoint)
        self._machine.gives_partials = isinstance(stt, WholePartials) and stt.whole_partials
        self._inbox = Inbox()
        self._failures = Failures(scene)
        aloud = Aloud(scene)
        self._mouth = Mouth(aloud, tts, voice, post=self._inbox.post, failures=self._failures)
        self._ear: Ear | None = None
        if stt and vad:
            self._ear = Ear(
                stt,
                vad,
                aloud=aloud,
                endpoint=endpoint,
                limits=tact.gate,
                post=self._inbox.post,
                failures=self._failures,
                prosody=tact.prosody,
            )
        self._asked = Asked.now()
        self._shown: StateName | None = None
        self._left = anyio.Event()
        """Set when everything is stored after leaving, or nothing will be."""

    @property
    def quiet(self) -> bool:
        """Whether nobody is saying anything."""
        return self._machine.state in (State.LISTENING, State.SILENCE, State.LEAVING)

    async def run(self) -> None:
        """Serve until cancelled. Raises ProviderError where a part failed again and again."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._give_up, tasks)
                if self._ear:
                    tasks.start_soon(self._ear.run, tasks)
                self._inbox.post(on.Tick())
                while True:
                    happening = await self._inbox.take(until_s=self._machine.wake_at)
                    for command in self._machine.feed(happening or on.Tick(), at_s=monotonic_s()):
                        await self._obey(command, tasks)
                    await self._show_state()
                    if self._machine.state is State.LEAVING and not self._machine.expects_words and not self._inbox:
                        self._left.set()
        finally:
            self._inbox.close()
            self._left.set()
        if self._failures.last:
            raise self._failures.last

    def hear(self, samples: bytes) -> None:
        """What the microphone hears."""
        if self._ear:
            self._ear.hear(samples)

    async def read(self, text: str, *, message_id: str = "") -> None:
        """The person typed this."""
        self._asked = Asked.now()
        await self._inbox.put(on.Typed(text, message_id))

    def away(self) -> None:
        """Nobody can hear for a while: what sounds is held."""
        self._inbox.post(on.Away())

    def back(self) -> None:
        """Somebody listens again: what was held goes on."""
        self._inbox.post(on.Back())

    async def greet(self, text: str) -> None:
        """Say this without being asked."""
        await self._inbox.put(on.Greeting(text))

    async def interrupt(self) -> None:
        """Stop talking."""
        await self._inbox.put(on.Interrupted())

    def close(self) -> None:
        """Hear and read nothing any more."""
        self._inbox.close()
        if self._ear:
            self._ear.close()

    def played(self, generation: int, ms: float) -> None:
        """How much of a reply has left the client's loudspeaker."""
        self._mouth.played(generation, ms)

    async def finish(self) -> None:
        """Stop talking; store what the person said last."""
        with anyio.move_on_after(FINISH_LIMIT_S):
            if self._ear:
                self._ear.close()
                await self._ear.done.wait()
            await self._inbox.put(on.Leaving())
            await self._left.wait()

    async def _give_up(self, tasks: TaskGroup) -> None:
        await self._failures.too_many.wait()
        tasks.cancel_scope.cancel()

    async def _show_state(self) -> None:
        state = self._machine.state
        if state is State.EARLY:
            shown: StateName = "listening" if self._machine.voice.sounding else "thinking"
        else:
            shown = _SHOWN[state]
        if shown != self._shown:
            self._shown = shown
            await self._scene.show(StateChanged(shown))

    async def _obey(self, command: on.Command, tasks: TaskGroup) -> None:
        match command:
            case on.ShowWords(text):
                await self._scene.show(PartialWords(text))
            case on.Keep(text, modality, message_id):
                await self._scene.user_said(text, modality=modality, message_id=message_id)
            case on.Think() | on.ThinkEarly() | on.SpeakUp() | on.Say():
                self._begin(command, tasks)
            case on.Release(number):
                self.early.paid += 1
                self._mouth.release(number, self._newest())
            case on.Duck(number, is_soft):
                await self._scene.show(Ducked(number, is_soft))
            case on.Hold(number, is_shown):
                await self._mouth.hold(number, is_told=is_shown)
            case on.GoOn(number):
                self._mouth.go_on(number)
            case on.Forget(number):
                self._mouth.forget(number)
            case on.Hush(number) | on.GiveUp(number):
                told = (number or self._machine.newest) if isinstance(command, on.Hush) else None
                await self._mouth.stop(number, told=told)
            case _:
                assert_never(command)

    def _begin(self, command: on.Think | on.ThinkEarly | on.SpeakUp | on.Say, tasks: TaskGroup) -> None:
        match command:
            case on.Think(number):
                answer = self._scene.answer()
            case on.ThinkEarly(number, text):
                answer = self._scene.answer(Occasion(supposing=text))
                self.early.tried += 1
                metrics.EARLY.labels("tried").inc()
            case on.SpeakUp(number, silence_s):
                answer = self._scene.answer(Occasion(silence_s=silence_s))
                self._asked = Asked.now()
            case on.Say(number, text):
                answer = _words(text)
                self._asked = Asked.now()
            case _:
                assert_never(command)
        self._mouth.begin(number, answer, tasks, self._newest(), waits=isinstance(command, on.ThinkEarly))

    def _newest(self) -> Asked:
        """What the person said or typed last."""
        spoken = self._ear.asked if self._ear else self._asked
        return max(spoken, self._asked, key=lambda asked: asked.at_s)


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


async def _words(text: str) -> Answer:
    yield TextDelta(text)
