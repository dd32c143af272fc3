"""Hears: finds the utterances in the microphone's sound, has each recognised, and tells when it begins, pauses and ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from voicemind.clock import monotonic_s
from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.aloud import Aloud
from voicemind.engines.cascade.asked import Asked
from voicemind.engines.cascade.endpoint import Endpoint
from voicemind.engines.cascade.failures import Failures
from voicemind.engines.cascade.gate import Edge, GateLimits, SpeechGate
from voicemind.engines.cascade.listen import Listener
from voicemind.engines.cascade.melody import Melody
from voicemind.engines.cascade.stillness import Stillness
from voicemind.errors import ProviderError
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.prosody.contract import Prosody
from voicemind.speech.stt.contract import Stt
from voicemind.speech.vad.contract import WINDOW_MS, Sifted, Vad, VadTrack

WINDOW_BYTES = INPUT_RATE_HZ * WINDOW_MS // 1000 * 2
BYTES_PER_MS = INPUT_RATE_HZ * 2 // 1000
UNJUDGED_WINDOWS = 94
"""3 s of sound may wait to be judged; then pieces wait outside, and of those the oldest are dropped."""
PIECES_OUTSIDE = 100
"""2 s of 20 ms frames."""
BEFORE_SPEECH_MS = 400
"""Sound before the detected beginning that belongs to the utterance: the gate needs some speech to be sure."""
SPOKE_ON_MS = 1500
"""Who speaks again so soon after an end had not finished: their pause was longer than was thought."""
STILL_UNJUDGED_MS = 128
"""So much of the silence that ends an utterance may be silence by its loudness alone; the detector has confirmed the rest."""
STALLED_S = 0.5
"""Sound that has stopped coming for so long, in the middle of an utterance, is silence: a key that was let go, a microphone that was pulled out."""
DEAF_S = 1.0
"""How long to wait before a voice-activity detector that failed is asked again."""


class Ear:
    """Of one conversation. `hear` is called for every frame and never waits; everything else happens once windows are judged."""

    def __init__(
        self,
        stt: Stt,
        vad: Vad,
        *,
        aloud: Aloud,
        endpoint: Endpoint,
        limits: GateLimits,
        post: Callable[[on.Happening], None],
        failures: Failures,
        prosody: Prosody | None = None,
    ) -> None:
        self._stt, self._vad, self._aloud, self._endpoint = stt, vad, aloud, endpoint
        self._post, self._failures = post, failures
        self._limits = limits
        self._gate = SpeechGate(limits)
        self._melody, self._stillness = Melody(prosody), Stillness()
        self._track: VadTrack | None = None
        self._outside: deque[bytes] = deque(maxlen=PIECES_OUTSIDE)
        self._unjudged = bytearray()
        """The sound whose windows have not been judged."""
        self._before: deque[bytes] = deque(maxlen=BEFORE_SPEECH_MS // WINDOW_MS)
        self._arrived_s = self._sent_s = 0.0
        """When the newest sound came in, and when the newest that was sent did."""
        self._opened = anyio.Event()
        """Set while an utterance is open."""
        self._listener: Listener | None = None
        self._utterance = 0
        self._said_before = anyio.Event()
        """Set when every utterance before the newest has been recognised."""
        self._said_before.set()
        self._closed = self._is_doubted = False
        self._is_behind = False
        """Whether windows that were judged are still to be dealt with: none may pass them by."""
        self.asked = Asked.now()
        """The newest utterance that ended."""
        self.done = anyio.Event()
        """Set when every sound that came in has been judged, and none will come."""

    def hear(self, samples: bytes) -> None:
        """More of the microphone's sound."""
        if self._closed or not samples:
            return
        self._arrived_s = self._sent_s = monotonic_s()
        if self._track is None or self._outside or self._track.unjudged >= UNJUDGED_WINDOWS:
            self._outside.append(samples)
        else:
            self._take(self._track, samples)
            if self._gate.paused and self._listener and not self._is_behind:
                self._end_if_still(self._listener)

    def close(self) -> None:
        """No more sound comes; what was being said is over. The last piece is judged with silence after it."""
        if not self._closed:
            self.hear(bytes(WINDOW_BYTES))
            self._closed = True

    async def run(self, tasks: TaskGroup) -> None:
        """Hear until closed; utterances are recognised in `tasks`."""
        try:
            async with self._vad.track() as track, anyio.create_task_group() as filling:
                self._track = track
                if isinstance(track, Sifted):
                    track.sift = self._pass_by
                self._let_in(track)
                filling.start_soon(self._fill_in, track)
                while not self._closed or track.unjudged:
                    probabilities = await self._judged(track)
                    self._let_in(track)
                    self._is_behind = True
                    for number, probability in enumerate(probabilities):
                        if number:  # sound came faster than it was said: let the recogniser keep up
                            await anyio.lowlevel.checkpoint()
                        self._judge(probability, tasks)
                    self._is_behind = False
                filling.cancel_scope.cancel()
        finally:
            self._track = None
            self._end_utterance()
            self.done.set()

    async def _fill_in(self, track: VadTrack) -> None:
        """Where the sound stops in the middle of an utterance, silence takes its place, at the pace of the clock, until the utterance has ended."""
        while not self._closed:
            await self._opened.wait()
            missing_s = monotonic_s() - self._sent_s
            if missing_s < STALLED_S:
                await anyio.sleep(STALLED_S - missing_s)
                continue
            if not track.unjudged and not self._outside:
                self._arrived_s = monotonic_s()
                self._take(track, bytes(WINDOW_BYTES))
            await anyio.sleep(WINDOW_MS / 1000)

    def _take(self, track: VadTrack, samples: bytes) -> None:
        self._unjudged += samples
        track.hear(samples)

    def _let_in(self, track: VadTrack) -> None:
        while self._outside and track.unjudged < UNJUDGED_WINDOWS:
            self._take(track, self._outside.popleft())

    async def _judged(self, track: VadTrack) -> list[float]:
        """Likelihoods of the next windows; none where the detector failed, and what it had is forgotten."""
        try:
            probabilities = await track.judged()
        except ProviderError as error:
            self._is_doubted = True
            await self._failures.failed("vad", error)
            del self._unjudged[: (len(self._unjudged) // WINDOW_BYTES - track.unjudged) * WINDOW_BYTES]
            if not self._closed:
                await anyio.sleep(DEAF_S)
            return []
        self._failures.worked("vad")
        self._is_doubted = False
        return probabilities

    def _pass_by(self, probability: float) -> bool:
        """Deal with a window in which nothing happens, where that is certain: of those, most of all, nobody has to be woken."""
        if self._closed or self._outside or self._is_behind or self._is_doubted:
            return False
        if self._listener and self._aloud.audible(self._arrived_s):
            return False  # the window may be the agent's own voice
        if not self._gate.pass_by(probability):
            return False
        window, ended_s = self._next_window()
        self._aloud.own(window, ended_s, asked=False)
        self._keep(window)
        return True

    def _next_window(self) -> tuple[bytes, float]:
        """The oldest one, and when it ended."""
        window = bytes(self._unjudged[:WINDOW_BYTES])
        del self._unjudged[:WINDOW_BYTES]
        return window, self._arrived_s - len(self._unjudged) / 2 / INPUT_RATE_HZ

    def _keep(self, window: bytes) -> None:
        if self._listener:
            self._listener.add(window)
            self._melody.add(window)
            self._stillness.add(window)
        else:
            self._before.append(window)

    def _judge(self, probability: float, tasks: TaskGroup) -> None:
        """One more window of sound: perhaps an utterance begins, pauses or ends with it."""
        window, ended_s = self._next_window()
        if self._aloud.own(window, ended_s, asked=probability >= self._limits.silence):
            probability = 0.0
        quiet_ms = self._gate.quiet_ms
        self._keep(window)
        edge = self._gate.feed(
            probability,
            silence_ms=self._silence_ms() if self._gate.paused else 0,
            agent_audible=self._aloud.audible(ended_s),
            still_ms=self._stillness.ms() if self._gate.speaking and probability < self._limits.silence else 0,
        )
        if edge == "started":
            self._begin(tasks)
        elif edge is not None and self._listener:
            self._tell(edge, self._listener, quiet_ms)
            if edge == "paused":
                self._melody.pause(tasks)

    def _end_if_still(self, listener: Listener) -> None:
        """Within a pause, end the utterance as soon as enough silence has come, judged or not: where it is loud enough for a doubt, the detector decides."""
        unjudged_ms = len(self._unjudged) // BYTES_PER_MS
        quiet_ms = self._gate.quiet_ms + unjudged_ms
        if unjudged_ms > STILL_UNJUDGED_MS or quiet_ms < self._silence_ms():
            return
        if self._stillness.goes_on(bytes(self._unjudged)):
            self._gate.end(quiet_ms)
            self._tell("ended", listener, quiet_ms)

    def _silence_ms(self) -> int:
        """How much silence would end the utterance that is open; asked for in its pauses only, where the gate needs it."""
        words = self._listener.words if self._listener else ""
        return self._endpoint.silence_ms(words, finished=self._melody.finished)

    def _begin(self, tasks: TaskGroup) -> None:
        """Another utterance. What was said a moment ago was only a part, where this one follows soon."""
        since_ms = (monotonic_s() - self.asked.at_s) * 1000
        if self.asked.silence_ms and since_ms < SPOKE_ON_MS:
            self._endpoint.paused(round(since_ms))
        self._utterance += 1
        self._opened.set()
        before_speech = b"".join(self._before)
        self._before.clear()
        self._listener = Listener(self._stt, before=before_speech)
        self._melody.begin(before_speech)
        self._stillness.begin(before_speech)
        before, self._said_before = self._said_before, anyio.Event()
        tasks.start_soon(self._recognise, self._listener, self._utterance, before, self._said_before)
        self._post(on.SpeechStarted(self._utterance))

    def _tell(self, edge: Edge, listener: Listener, quiet_ms: int) -> None:
        number, speech_ms = self._utterance, self._gate.speech_ms
        match edge:
            case "lasting":
                listener.hasten()
                self._post(on.SpeechLasting(number, speech_ms))
            case "paused":
                listener.pause()
                self._post(on.SpeechPaused(number, speech_ms))
            case "resumed":
                self._endpoint.paused(quiet_ms)
                listener.resume()
                self._melody.resume()
                self._post(on.SpeechResumed(number))
            case "ended":
                at_s = monotonic_s()
                self.asked = Asked(at_s - self._gate.quiet_ms / 1000, at_s, self._gate.quiet_ms)
                self._end_utterance()
            case _:
                pass

    def _end_utterance(self) -> None:
        if self._listener:
            self._listener.end()
            self._listener = None
            self._opened = anyio.Event()
            self._post(on.SpeechEnded(self._utterance))

    async def _recognise(self, listener: Listener, number: int, before: anyio.Event, done: anyio.Event) -> None:
        """Words come in the order in which they were said."""

        def partial(text: str, whole: bool) -> None:
            self._post(on.Partial(number, text, whole))

        async def final(text: str) -> None:
            await before.wait()
            done.set()
            self.asked.heard_s = monotonic_s()
            self._post(on.Recognised(number, text))

        try:
            await listener.run(partial, final)
        except ProviderError as error:
            await self._failures.failed("stt", error)
        else:
            self._failures.worked("stt")
