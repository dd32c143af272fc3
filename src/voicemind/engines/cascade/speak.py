"""One reply on its way: the model's text is cut into clauses, each becomes sound, and the sound leaves at the pace of speech."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from voicemind.clock import monotonic_s
from voicemind.engines.cascade.clauses import ClauseCutter, speakable
from voicemind.engines.cascade.heard import SpokenClause, heard_text
from voicemind.engines.cascade.pace import FRAME_MS, Pace
from voicemind.engines.contract import AgentSound, AgentText, Said, Scene
from voicemind.errors import VoicemindError
from voicemind.llm.contract import Piece, TextDelta
from voicemind.speech.audio import Pcm
from voicemind.speech.tts.contract import Mark, Tts

CLAUSES_AHEAD = 3
"""How many clauses may wait for the voice: the model works ahead of it, but not for a minute of speech that may never be heard."""

LONGEST_REPLY_MS = 3_600_000.0
"""No reply sounds longer than an hour, whatever a client says."""

Answer = AsyncGenerator[Piece, None]


class SpokenReply:
    """Runs once; `said` tells at any moment how far it came. Without a voice (`tts` is None) the text itself is the reply."""

    def __init__(
        self, number: int, *, scene: Scene, tts: Tts | None, voice: str | None, asked_at: float, heard_at: float
    ) -> None:
        self.number = number
        self.scope = anyio.CancelScope()
        self.over = anyio.Event()
        self.failure: VoicemindError | None = None
        self._scene = scene
        self._tts = tts
        self._voice = voice
        self._pace = Pace(tts.rate_hz if tts else 1)
        self._clauses: list[SpokenClause] = []
        self._text = ""
        self._asked_at = asked_at
        self._timings: dict[str, float] = {"heard": round((heard_at - asked_at) * 1000, 1)}
        self._client_played_ms = 0.0
        self._finished = False

    @property
    def said(self) -> Said:
        """What was generated, and what of it the person has heard by now."""
        generated = self._text.strip()
        heard = generated if self._finished else self._heard()
        return Said(self.number, generated, heard, interrupted=not self._finished, timings_ms=dict(self._timings))

    def played(self, ms: float) -> None:
        """The client's own word on how much has sounded."""
        self._client_played_ms = max(self._client_played_ms, min(ms, LONGEST_REPLY_MS))

    async def run(self, answer: Answer, on_sounding: Callable[[], Awaitable[None]]) -> None:
        """Say the answer to its end. A provider's failure ends it early and is left in `failure`."""
        if self._tts is None:
            await self._show(answer, on_sounding)
            return
        send, receive = anyio.create_memory_object_stream[SpokenClause](CLAUSES_AHEAD)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._think, answer, send)
            await self._voice_out(self._tts, receive, on_sounding)
        self._finished = self.failure is None

    def _heard(self) -> str:
        if self._tts is None:
            return self._text.strip()
        by_pace = self._pace.played(monotonic_s())
        by_client = int(self._client_played_ms / 1000 * self._tts.rate_hz)
        return heard_text(self._clauses, min(by_pace, by_client) if by_client else by_pace)

    def _mark(self, part: str) -> None:
        self._timings.setdefault(part, round((monotonic_s() - self._asked_at) * 1000, 1))

    async def _show(self, answer: Answer, on_sounding: Callable[[], Awaitable[None]]) -> None:
        """The text channel: every piece is shown as it comes."""
        try:
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    if isinstance(piece, TextDelta):
                        self._mark("thought_first")
                        self._text += piece.text
                        await on_sounding()
                        await self._scene.show(AgentText(self.number, self._text))
            self._finished = True
        except VoicemindError as error:
            self.failure = error

    async def _think(self, answer: Answer, clauses: MemoryObjectSendStream[SpokenClause]) -> None:
        """Cut what the model says into clauses and hand them to the voice."""
        cutter = ClauseCutter()
        async with clauses:
            try:
                async with aclosing(answer) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, TextDelta):
                            self._mark("thought_first")
                            for clause in cutter.feed(piece.text):
                                await self._hand_over(clause, clauses)
            except VoicemindError as error:
                self.failure = error
            if rest := cutter.rest():
                await self._hand_over(rest, clauses)

    async def _hand_over(self, text: str, clauses: MemoryObjectSendStream[SpokenClause]) -> None:
        clause = SpokenClause(text)
        self._text += text
        self._clauses.append(clause)
        await clauses.send(clause)

    async def _voice_out(
        self, tts: Tts, clauses: MemoryObjectReceiveStream[SpokenClause], on_sounding: Callable[[], Awaitable[None]]
    ) -> None:
        """Clause by clause: show the words, send the sound, and wait at the end until it has been heard."""
        shown = ""
        async with clauses:
            async for clause in clauses:
                shown += clause.text
                await self._scene.show(AgentText(self.number, shown))
                try:
                    await self._sound(tts, clause, on_sounding)
                except VoicemindError as error:
                    self.failure = self.failure or error
        await anyio.sleep(max(0.0, self._pace.silent_at() - monotonic_s()))

    async def _sound(self, tts: Tts, clause: SpokenClause, on_sounding: Callable[[], Awaitable[None]]) -> None:
        words = speakable(clause.text)
        if words:
            async with aclosing(tts.speak(words, voice=self._voice)) as pieces:
                async for pcm in pieces:
                    if isinstance(pcm, Mark):
                        continue
                    clause.samples += len(pcm.samples) // 2
                    self._mark("spoke_first")
                    await on_sounding()
                    await self._send(pcm)
        clause.complete = True

    async def _send(self, pcm: Pcm) -> None:
        """Frame by frame, each when it is due."""
        size = pcm.rate_hz * FRAME_MS // 1000 * 2
        for start in range(0, len(pcm.samples), size):
            await anyio.sleep(max(0.0, self._pace.due(monotonic_s()) - monotonic_s()))
            frame = Pcm(pcm.samples[start : start + size], pcm.rate_hz)
            position = self._pace.position
            self._pace.sent(len(frame.samples) // 2, now=monotonic_s())
            await self._scene.show(AgentSound(self.number, position, frame))
