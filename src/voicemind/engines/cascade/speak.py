"""One reply on its way: the model's text is cut into clauses, each becomes sound, and the sound leaves at the pace of speech."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from voicemind.clock import monotonic_s
from voicemind.engines.cascade.asked import Times
from voicemind.engines.cascade.bell import Bell
from voicemind.engines.cascade.clauses import ClauseCutter
from voicemind.engines.cascade.heard import SpokenClause, heard_text, until_next, word_began
from voicemind.engines.cascade.playback import Playback
from voicemind.engines.cascade.speakable import Reader
from voicemind.engines.cascade.tape import Tape
from voicemind.engines.contract import AgentSound, AgentText, Said, Scene
from voicemind.errors import ProviderError, VoicemindError
from voicemind.llm.contract import Piece, TextDelta
from voicemind.speech.audio import Pcm
from voicemind.speech.tts.contract import Mark, Tts

CLAUSES_AHEAD = 2
"""How many clauses may wait for the voice: the model works ahead of it, but not for a minute of speech that may never be heard."""
SOUND_AHEAD_S = 3.0
"""How much sound may wait to be sent before the next clause is begun: it is made while the one before it plays."""
FIRST_CLAUSE_S = 0.3
"""How long the first clause may take to be written before a shorter one will do: a fast model writes it whole."""
HURRY_S = 1.5
"""How little sound may be left before a shorter clause will do: what is written next has to be made first."""
SHOWN_AHEAD_CHARS = 2_000
"""How much of a reply without a voice is thought of before it may be shown."""
WORD_S = 0.5
"""How long a reply that goes on waits for the client's word on how much of it has sounded."""
KEPT_S = 6.0
"""How long sound is kept after it was sent: what was cut within it can be said again."""

Answer = AsyncGenerator[Piece, None]
OnSounding = Callable[[], Awaitable[None]]


class SpokenReply:
    """Runs once; `said` tells at any moment how far it came. Without a voice (`tts` is None) the text itself is the reply.

    A reply that `waits` is thought of and made into sound ahead, but nobody sees or hears anything of it until it is released.
    """

    def __init__(
        self,
        number: int,
        *,
        scene: Scene,
        tts: Tts | None,
        voice: str | None,
        asked_at: float,
        heard_at: float,
        endpoint_ms: float | None = None,
        waits: bool = False,
    ) -> None:
        """`asked_at` is when the person had finished, `heard_at` when that was recognised, both in monotonic seconds; `endpoint_ms` is how long it took to believe it."""
        self.number = number
        self.scope = anyio.CancelScope()
        self.over = anyio.Event()
        self.failure: VoicemindError | None = None
        self.voice_failure: ProviderError | None = None
        """The failure of the voice, where it was that."""
        self.in_vain = False
        """Whether it failed before it was released."""
        self._scene, self._tts, self._voice = scene, tts, voice
        self._rate_hz = tts.rate_hz if tts else 1
        self._times = Times(asked_at, heard_at, endpoint_ms, is_early=waits)
        self._waits, self._held = waits, False
        self._reader = Reader("en" if tts and tts.languages == ("en",) else "")
        self._playback, self._tape = Playback(self._rate_hz), Tape()
        self._clauses: list[SpokenClause] = []
        self._text = self._shown = ""
        self._clauses_shown = self._unmade = 0
        self._goes_on_at: float | None = None
        """Where it is held and is to go on: when at the latest."""
        self._to_send, self._to_make = Bell(), Bell()
        self._all_made = self._finished = False

    @property
    def said(self) -> Said:
        """What was generated, and what of it the person has heard by now."""
        generated = self._text.strip()
        heard = generated if self._finished else self._heard()
        return Said(self.number, generated, heard, interrupted=not self._finished, timings_ms=self._times.timings_ms())

    @property
    def is_out(self) -> bool:
        """Whether the client may still have sound to play. It must be told of a hold then, also where nobody else knows yet that the reply sounds:
        a reply that goes on sends again what was not played."""
        return self._playback.pace.is_out

    @property
    def made_sound(self) -> bool:
        """Whether the voice made any."""
        return self._tape.end > 0

    def played(self, ms: float) -> None:
        """The client's own word on how much has sounded."""
        self._playback.told(ms, monotonic_s())
        self._to_send.ring()

    def release(self, *, asked_at: float, heard_at: float, endpoint_ms: float | None = None) -> None:
        """What was supposed has come true: the reply may be seen and heard. Safe to call twice."""
        if self._waits:
            self._times.asked_at, self._times.heard_at, self._times.endpoint_ms = asked_at, heard_at, endpoint_ms
            self._waits = False
            self._to_send.ring()

    def hold(self) -> str:
        """Not one more frame goes out; returns what was heard so far. The client throws away what it has not played. Safe to call twice."""
        self._goes_on_at = None
        if not self._held and not self._finished:
            self._held = True
            self._playback.stop(monotonic_s())
        return self.said.heard

    def go_on(self) -> None:
        """Say on, from the beginning of the word that was cut, once the client has had a moment to tell which. Safe to call twice."""
        if self._held and self._goes_on_at is None:
            self._goes_on_at = monotonic_s() + (WORD_S if self._playback.owes_word() else 0.0)
            self._to_send.ring()

    def _rewind(self) -> None:
        self._held, self._goes_on_at = False, None
        now = monotonic_s()
        self._tape.rewind(word_began(self._clauses, self._playback.played(now)))
        self._playback.go_on(self._tape.position, now)

    async def run(self, answer: Answer, on_sounding: OnSounding) -> None:
        """Say the answer to its end. A provider's failure ends it early and is left in `failure`."""
        if self._tts is None:
            await self._show(answer, on_sounding)
            return
        send, receive = anyio.create_memory_object_stream[SpokenClause](CLAUSES_AHEAD)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._think, answer, send)
            tasks.start_soon(self._make, self._tts, receive)
            await self._send(on_sounding)
        self._finished = self.failure is None and self._playback.reached_end(monotonic_s())

    def _fail(self, error: VoicemindError) -> None:
        """Nobody has heard anything of a reply that still waits: then another one is better than the rest of this one."""
        self.failure = self.failure or error
        if self._waits:
            self.in_vain = True
            self.scope.cancel()

    def _heard(self) -> str:
        if self._tts is None:
            return self._shown.strip()
        return heard_text(self._clauses[: self._clauses_shown], self._playback.played(monotonic_s()))

    async def _allowed(self) -> None:
        while self._waits or self._held:
            left_s = None if self._goes_on_at is None else self._goes_on_at - monotonic_s()
            if left_s is not None and (left_s <= 0 or not self._playback.owes_word()):
                self._rewind()
            else:
                await self._to_send.wait(left_s)

    async def _show(self, answer: Answer, on_sounding: OnSounding) -> None:
        """The text channel: every piece is shown as it comes."""
        try:
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    if isinstance(piece, TextDelta):
                        self._times.mark("thought_first")
                        self._text += piece.text
                        if not self._waits or len(self._text) > SHOWN_AHEAD_CHARS:
                            await self._show_text(on_sounding)
            if self._shown != self._text:
                await self._show_text(on_sounding)
            self._finished = True
        except VoicemindError as error:
            self._fail(error)

    async def _show_text(self, on_sounding: OnSounding) -> None:
        await self._allowed()
        if not self._shown:
            await on_sounding()
        self._shown = self._text
        await self._scene.show(AgentText(self.number, self._shown))

    async def _think(self, answer: Answer, clauses: MemoryObjectSendStream[SpokenClause]) -> None:
        """Cut what the model says into clauses and hand them to the voice."""
        cutter = ClauseCutter()
        async with clauses:
            try:
                async with aclosing(answer) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, TextDelta):
                            self._times.mark("thought_first")
                            for clause in cutter.feed(piece.text, hurried=self._is_hurried()):
                                await self._hand_over(clause, clauses)
            except VoicemindError as error:
                self._fail(error)
            if rest := cutter.rest():
                await self._hand_over(rest, clauses)

    def _is_hurried(self) -> bool:
        """Whether the voice has, or will soon have, nothing to say while the model writes on."""
        now = monotonic_s()
        if not self._text:
            return now - self._times.moments["thought_first"] > FIRST_CLAUSE_S
        if self._unmade or self._waits or self._held:
            return False
        left_s = self._tape.unread / self._rate_hz + self._playback.pace.silent_at() - now
        return left_s < HURRY_S

    async def _hand_over(self, text: str, clauses: MemoryObjectSendStream[SpokenClause]) -> None:
        self._text += text
        self._unmade += 1
        await clauses.send(SpokenClause(text, spoken=self._reader.read(text), rate_hz=self._rate_hz))

    async def _make(self, tts: Tts, clauses: MemoryObjectReceiveStream[SpokenClause]) -> None:
        """Have clause after clause spoken, a few seconds ahead of what is sent."""
        async with clauses:
            async for clause in clauses:
                while self._tape.unread > SOUND_AHEAD_S * self._rate_hz:
                    await self._to_make.wait()
                clause.start = self._tape.end
                self._clauses.append(clause)
                try:
                    await self._make_clause(tts, clause)
                except VoicemindError as error:
                    self.voice_failure = error if isinstance(error, ProviderError) else None
                    self._fail(error)
                self._unmade -= 1
                self._to_send.ring()
        self._all_made = True
        self._to_send.ring()

    async def _make_clause(self, tts: Tts, clause: SpokenClause) -> None:
        if clause.said.text:
            async with aclosing(tts.speak(clause.said.text, voice=self._voice)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Mark):
                        clause.marks.append((piece.chars, int(piece.ms / 1000 * self._rate_hz)))
                        continue
                    if not clause.marks:
                        clause.see(piece.samples)
                    clause.samples += len(piece.samples) // 2
                    self._tape.add(piece.samples)
                    self._to_send.ring()
        clause.complete = True

    async def _send(self, on_sounding: OnSounding) -> None:
        """Show the words and send the sound when they are due, until everything has been heard."""
        while True:
            await self._allowed()
            await self._show_clauses()
            now = monotonic_s()
            if self._held:
                continue
            if self._tape.unread:
                left_s = self._playback.pace.due(now) - now
            elif self._all_made:
                left_s = self._playback.silent_at() - now
            else:
                await self._to_send.wait()
                continue
            if left_s > 0:
                await self._to_send.wait(left_s)
            elif self._tape.unread:
                await self._send_due(on_sounding)
            else:
                return

    async def _show_clauses(self) -> None:
        """The words of the clauses whose sound is next."""
        before = self._clauses_shown
        for clause in self._clauses[before:]:
            if clause.start > self._tape.position:
                break
            self._shown += clause.text
            self._clauses_shown += 1
        if self._clauses_shown > before:
            await self._scene.show(AgentText(self.number, self._shown))

    async def _send_due(self, on_sounding: OnSounding) -> None:
        """Piece by piece, as much as the lead has room for; words come before their sound."""
        if "spoke_first" not in self._times.moments:
            self._times.mark("spoke_first")
            await on_sounding()
        pace = self._playback.pace
        while not self._held and self._tape.unread and (room := pace.room(monotonic_s())):
            piece = Pcm(self._tape.read(min(room, until_next(self._clauses, self._tape.position))), self._rate_hz)
            position = pace.position
            pace.sent(len(piece.samples) // 2, now=monotonic_s())
            await self._scene.show(AgentSound(self.number, position, piece))
            await self._show_clauses()
        self._tape.forget(self._tape.position - int(KEPT_S * self._rate_hz))
        self._to_make.ring()
