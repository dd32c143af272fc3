"""A small world in which people talk with an engine: what the microphone hears is drawn from a script, and everything that happens is written down with its time.

In the sound of this world each sample says what it is: 0 is silence, 9000 + n is word number n (0: a cough), and the detector and the recogniser read that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import anyio
import numpy as np
import numpy.typing as npt

from voicemind.engines.cascade.run import Cascade, Tact
from voicemind.engines.contract import (
    NOW,
    AgentSound,
    AgentText,
    Ducked,
    Event,
    Hushed,
    Occasion,
    PartialWords,
    Said,
    TurnTimed,
)
from voicemind.errors import ProviderUnavailable
from voicemind.llm.contract import Piece, TextDelta
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts
from voicemind.speech.tts.scripted import ScriptedTts
from voicemind.speech.vad.contract import WINDOW_MS, Vad
from voicemind.store.values import Modality

Samples = npt.NDArray[np.int16]
LOUD = 9000
WORD_S = 0.24
FRAME = INPUT_RATE_HZ // 50
_WINDOW = INPUT_RATE_HZ * WINDOW_MS // 1000


class Person:
    """What one person does with their voice, at seconds since the conversation began."""

    def __init__(self) -> None:
        self.words: list[str] = [""]
        self._sound = np.zeros(0, dtype=np.int16)

    def says(self, at_s: float, *parts: str, pause_s: float = 0.5) -> float:
        """Words, a pause between the parts; returns when the last one is over."""
        for part in parts:
            for word in part.split():
                self.words.append(word)
                at_s = self._sounds(at_s, WORD_S, LOUD + len(self.words) - 1)
            at_s += pause_s
        return at_s - pause_s

    def coughs(self, at_s: float, length_s: float = 0.2) -> float:
        """A sound without words."""
        return self._sounds(at_s, length_s, LOUD)

    def frame(self, number: int) -> Samples:
        """20 ms of it."""
        piece = self._sound[number * FRAME : (number + 1) * FRAME]
        return np.pad(piece, (0, FRAME - piece.size))

    def _sounds(self, at_s: float, length_s: float, value: int) -> float:
        start, end = round(at_s * INPUT_RATE_HZ), round((at_s + length_s) * INPUT_RATE_HZ)
        self._sound = np.pad(self._sound, (0, max(0, end - self._sound.size)))
        self._sound[start:end] = value
        return at_s + length_s


class Dictation:
    """Recognises the words in the sound, each as soon as it begins, `delay_s` after it is asked. Fails where it is `broken`."""

    name = "dictation"
    languages: tuple[str, ...] = ()
    whole_partials: Literal[True] = True

    def __init__(self, person: Person, *, delay_s: float = 0.05) -> None:
        self._words, self._delay_s = person.words, delay_s
        self.broken = False
        self.asked = 0

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    @asynccontextmanager
    async def utterance(self) -> AsyncGenerator[_Utterance]:
        yield _Utterance(self)

    async def words(self, numbers: list[int]) -> str:
        self.asked += 1
        await anyio.sleep(self._delay_s)
        if self.broken:
            raise ProviderUnavailable("It is broken.", provider=self.name)
        return " ".join(self._words[number] for number in numbers)

    async def partial_words(self, numbers: list[int]) -> str:
        return await self.words(numbers)


class _Utterance:
    def __init__(self, stt: Dictation) -> None:
        self._stt = stt
        self._numbers: list[int] = []

    async def feed(self, samples: bytes) -> None:
        values = np.frombuffer(samples, dtype=np.int16)
        for number in dict.fromkeys(int(value) - LOUD for value in values[values > LOUD]):
            if number not in self._numbers:
                self._numbers.append(number)

    async def partial(self) -> str:
        return await self._stt.partial_words(list(self._numbers))

    async def finish(self) -> str:
        return await self._stt.words(list(self._numbers))


class Streaming(Dictation):
    """The same as a service on the net has it: partials may lack the last words."""

    whole_partials = False  # type: ignore[assignment] # it is a Dictation in everything else


class Loudness:
    """Takes every loud window for speech."""

    name = "loudness"

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    @asynccontextmanager
    async def track(self) -> AsyncGenerator[_Track]:
        yield _Track()


class _Track:
    def __init__(self) -> None:
        self._sound = bytearray()
        self._filled = anyio.Event()
        self.sift: Callable[[float], bool] | None = None

    @property
    def unjudged(self) -> int:
        return len(self._sound) // (2 * _WINDOW)

    def hear(self, samples: bytes) -> None:
        self._sound += samples
        if self.unjudged:
            self._filled.set()

    async def judged(self) -> list[float]:
        told: list[float] = []
        while not told:
            await self._filled.wait()
            self._filled = anyio.Event()
            while self.unjudged:
                window = np.frombuffer(bytes(self._sound[: 2 * _WINDOW]), dtype=np.int16)
                del self._sound[: 2 * _WINDOW]
                likelihood = float(np.mean(np.abs(window.astype(np.float64))) > 0.4 * LOUD)
                if told or self.sift is None or not self.sift(likelihood):
                    told.append(likelihood)
        return told


@dataclass
class Stage:
    """The scene: answers after `thinking_s`, a word every 20 ms, and writes everything down."""

    answers: Callable[[str], str]
    thinking_s: float = 0.3
    began_s: float = 0.0
    turns: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    said: list[Said] = field(default_factory=list[Said])
    seen: list[tuple[float, Event]] = field(default_factory=list[tuple[float, Event]])
    asked: list[Occasion] = field(default_factory=list[Occasion])
    on_sound: Callable[[AgentSound], None] | None = None

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time() - self.began_s

    async def user_said(self, text: str, *, modality: Modality, message_id: str = "") -> None:
        self.turns.append(("user", text))

    async def agent_said(self, said: Said) -> None:
        self.turns.append(("agent", said.heard))
        self.said.append(said)

    async def answer(self, occasion: Occasion = NOW) -> AsyncGenerator[Piece, None]:
        self.asked.append(occasion)
        text = occasion.supposing or next((text for side, text in reversed(self.turns) if side == "user"), "")
        if occasion.silence_s:
            text = "(silence)"
        await anyio.sleep(self.thinking_s)
        for word in self.answers(text).split():
            yield TextDelta(word + " ")
            await anyio.sleep(0.02)

    async def show(self, event: Event) -> None:
        self.seen.append((self.now_s, event))
        if isinstance(event, AgentSound) and self.on_sound:
            self.on_sound(event)

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for _, event in self.seen if isinstance(event, kind)]

    def when(self, kind: type[Event], number: int = 0) -> float:
        return [at_s for at_s, event in self.seen if isinstance(event, kind)][number]

    def kinds(self) -> list[str]:
        """What happened, without what comes all the time."""
        dull = (AgentSound, AgentText, PartialWords, TurnTimed)
        return [type(event).__name__ for _, event in self.seen if not isinstance(event, dull)]

    def ducks(self) -> list[bool]:
        return [event.is_soft for _, event in self.seen if isinstance(event, Ducked)]

    def hushes(self) -> list[Hushed]:
        return [event for _, event in self.seen if isinstance(event, Hushed)]


class World:
    """One conversation. `at` plans what else happens; `talk` lets it happen."""

    def __init__(
        self,
        person: Person,
        *,
        answers: Callable[[str], str] = lambda _: (
            "I am glad that you ask me this, and I will tell you all about it now."
        ),
        stt: Stt | None = None,
        vad: Vad | None = None,
        tts: Tts | None = None,
        tact: Tact | None = None,
        language: str = "en",
    ) -> None:
        self.person = person
        self.stage = Stage(answers)
        self.engine = Cascade(
            self.stage,
            stt=stt or Dictation(person),
            vad=vad or Loudness(),
            tts=tts or ScriptedTts(),
            language=language,
            voice=None,
            tact=tact,
        )
        self.microphone: Callable[[int, Samples], Samples] = lambda _, frame: frame
        self.plan: list[tuple[float, Callable[[], Awaitable[None]]]] = []

    def at(self, at_s: float, act: Callable[[], Awaitable[None]]) -> None:
        self.plan.append((at_s, act))

    async def talk(self, for_s: float) -> Stage:
        """Live for so long, then hang up."""
        self.stage.began_s = asyncio.get_running_loop().time()
        try:
            with anyio.fail_after(for_s + 60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.engine.run)
                    for at_s, act in self.plan:
                        tasks.start_soon(self.later, at_s, act)
                    for number in range(round(for_s * 50)):
                        await anyio.sleep(max(0.0, (number + 1) / 50 - self.stage.now_s))
                        self.engine.hear(self.microphone(number, self.person.frame(number)).tobytes())
                    await self.engine.finish()
                    tasks.cancel_scope.cancel()
        finally:
            self.engine.close()
        return self.stage

    async def later(self, at_s: float, act: Callable[[], Awaitable[None]]) -> None:
        await anyio.sleep(at_s)
        await act()
