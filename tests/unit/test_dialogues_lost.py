"""What is kept as heard where the connection is lost in the middle of a reply, to the word, in virtual time.

The client is a page's: its buffer plays on while the connection is lost, it tells how far it has played as soon as it is back and four times a second,
and never takes anything back. In the sound of this world each sample says which millisecond of the reply it is, so the client knows what it has truly played.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
import pytest
from tests.dialogue import Person, Stage, World
from tests.virtual_time import anyio_backend, virtual_clock  # noqa: F401 - fixtures

from voicemind.engines.cascade.run import Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import AgentSound, Event, Hushed
from voicemind.speech.audio import Pcm
from voicemind.speech.tts.contract import Mark, Sounding

pytestmark = pytest.mark.anyio

ANSWER = (
    "I am glad that you ask me this, and I will tell you all about it now, although the history of the harbour "
    "is considerably longer than anybody would expect from so small a kingdom."
)
RATE, LETTER_MS = 24_000, 60
TICK_S = 0.01
QUIET = Tact(turn=TurnLimits(silence_s=0.0))
BEGINS_S = 4.0
"""The reply sounds by then."""


class Telling:
    """A voice of 60 ms a letter, whose every sample is the number of the millisecond of the reply."""

    name = "telling"
    rate_hz = RATE
    languages: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    speeds = (1.0, 1.0)

    def __init__(self) -> None:
        self.words: list[tuple[str, int, int]] = []
        """Each with the milliseconds of the reply in which it sounds."""
        self._ms = 0

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def speak(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> AsyncGenerator[Sounding]:
        at = 0
        for word in text.split():
            begin = text.index(word, at)
            self.words.append((word, self._ms + begin * LETTER_MS, self._ms + (begin + len(word)) * LETTER_MS))
            yield Mark(begin, begin * LETTER_MS)
            yield Mark(begin + len(word), (begin + len(word)) * LETTER_MS)
            at = begin + len(word)
        whole = len(text) * LETTER_MS
        for start in range(0, whole, 200):
            ms = np.arange(self._ms + start, self._ms + min(start + 200, whole)).astype("<i2")
            yield Pcm(np.repeat(ms, RATE // 1000).tobytes(), RATE)
        self._ms += whole


@dataclass
class Page:
    """The client: what it has buffered, played and told."""

    world: World
    played: set[int] = field(default_factory=set[int])
    """Milliseconds of the reply that left the loudspeaker."""
    is_linked: bool = True
    _buffer: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])
    """Where in the stream, and which millisecond of the reply: one of each."""
    _missed: list[Event] = field(default_factory=list[Event])
    _generation: int = 0
    _told_ms: float = 0.0

    def take(self, event: Event) -> None:
        if not self.is_linked:
            if isinstance(event, Hushed):
                self._missed.append(event)
        elif isinstance(event, Hushed):
            self._buffer.clear()
        elif isinstance(event, AgentSound):
            self._generation = event.generation
            values = np.frombuffer(event.pcm.samples, dtype="<i2")[:: RATE // 1000]
            start = event.position * 1000 / RATE
            self._buffer.extend((start + at + 1, int(value)) for at, value in enumerate(values))

    async def tick(self) -> None:
        for _ in range(min(round(TICK_S * 1000), len(self._buffer))):
            ms, value = self._buffer.popleft()
            self._told_ms = max(self._told_ms, ms)
            self.played.add(value)

    async def tell(self) -> None:
        if self.is_linked and self._generation:
            self.world.engine.played(self._generation, self._told_ms)

    async def lose(self) -> None:
        self.is_linked = False

    async def come_back(self) -> None:
        self.is_linked = True
        self.world.engine.back()
        await self.tell()
        missed, self._missed = self._missed, []
        for event in missed:
            self.take(event)

    async def silence(self) -> None:
        await self.tell()
        self._buffer.clear()
        await self.world.engine.interrupt()


async def away(world: World) -> None:
    world.engine.away()


async def lived(
    losses: list[tuple[float, float, float]], *, interrupted_s: float | None, for_s: float = 30.0
) -> tuple[Stage, str, str]:
    """`losses` are when the connection is lost, noticed and back. Returns what happened, what the page truly played in words, and all that it could have."""
    person = Person()
    person.says(1.0, "Who are you?")
    voice = Telling()
    world = World(person, answers=lambda _: ANSWER, tts=voice, tact=QUIET)
    page, shown = Page(world), world.stage.show

    async def show(event: Event) -> None:
        page.take(event)
        await shown(event)

    world.stage.show = show  # type: ignore[method-assign] # the page sees what happens at once
    for lost_s, noticed_s, back_s in losses:
        world.at(lost_s + 0.001, page.lose)
        world.at(noticed_s + 0.002, lambda: away(world))
        world.at(back_s + 0.003, page.come_back)
    for number in range(round(for_s / TICK_S)):
        world.at(number * TICK_S, page.tick)
        if number % 25 == 0:
            world.at(number * TICK_S + 0.0005, page.tell)
    if interrupted_s is not None:
        world.at(interrupted_s + 0.004, page.silence)
    stage = await world.talk(for_s)
    heard = takewhile(lambda one: 2 * len(page.played & set(range(one[1], one[2]))) >= one[2] - one[1], voice.words)
    return stage, " ".join(word for word, *_ in heard), " ".join(word for word, *_ in voice.words)


SOON, LATE = 0.05, 4.0
"""After how many seconds the server notices: a connection that is cut, one that swallows everything."""


@pytest.mark.parametrize("after_s", [0.02, 0.1, 0.3, 0.6, 1.0, 2.5])
@pytest.mark.parametrize("notice_s", [SOON, 0.3])
async def test_what_was_heard_before_a_loss_and_after_it_is_kept_once_and_to_the_word(
    after_s: float, notice_s: float
) -> None:
    lost = BEGINS_S + 0.37
    back = lost + notice_s + 1.0
    stage, truly, _ = await lived([(lost, lost + notice_s, back)], interrupted_s=back + after_s)
    [said] = stage.said
    assert (said.heard, said.interrupted) == (truly, True)


@pytest.mark.parametrize("after_s", [0.02, 0.1, 0.3, 1.0, 2.5])
async def test_the_same_holds_where_it_is_lost_twice(after_s: float) -> None:
    first, second = BEGINS_S + 0.37, BEGINS_S + 2.71
    losses = [(first, first + SOON, first + 1.0), (second, second + SOON, second + 1.0)]
    stage, truly, _ = await lived(losses, interrupted_s=second + 1.0 + after_s)
    [said] = stage.said
    assert (said.heard, said.interrupted) == (truly, True)


@pytest.mark.parametrize("after_s", [0.02, 0.3, 1.0, 2.3, 2.7])  # none of them within 20 ms of the middle of a word
async def test_the_same_holds_where_the_loss_is_noticed_late(after_s: float) -> None:
    lost = BEGINS_S + 0.37
    back = lost + LATE + 1.0
    stage, truly, _ = await lived([(lost, lost + LATE, back)], interrupted_s=back + after_s)
    [said] = stage.said
    assert (said.heard, said.interrupted) == (truly, True)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("notice_s", [SOON, LATE])
async def test_a_reply_that_was_lost_on_its_way_and_came_to_its_end_was_heard_whole(
    times: int, notice_s: float
) -> None:
    losses = [(at, at + notice_s, at + notice_s + 1.0) for at in (BEGINS_S, BEGINS_S + 7.0)[:times]]
    stage, truly, whole = await lived(losses, interrupted_s=None)
    [said] = stage.said
    assert (said.heard, said.interrupted) == (ANSWER, False)
    assert truly == whole, "something of it was never played"
