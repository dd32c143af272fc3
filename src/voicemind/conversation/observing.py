"""What live sessions do, as figures: counted for a Prometheus, told to the log in one line for each turn, and sent as spans. Never what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from voicemind.clock import monotonic_s
from voicemind.conversation.opening import Opened
from voicemind.conversation.watching import Unwatched, Watch
from voicemind.engines.contract import AgentSound, AgentText, AgentTurn, Ducked, Event, Hushed, ToolCalled, Trouble
from voicemind.ops import metrics
from voicemind.ops.traces import TimedTurn, Traces
from voicemind.store.values import Turn

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Seen:
    """What is known of one session."""

    conversation_id: str
    channel: str
    generation: int = 0
    """The reply that sounds or is shown, and since when."""
    since_s: float = 0.0
    hushed: int = 0
    softened: int = 0


class Observing(Unwatched):
    """Implements `Watch`."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._sessions: dict[str, _Seen] = {}

    def session_started(self, session_id: str, opened: Opened, channel: str) -> None:
        """One more."""
        self._sessions[session_id] = _Seen(opened.conversation.id, channel)
        metrics.SESSIONS.labels(channel).inc()
        metrics.STARTED.labels(channel).inc()

    def session_ended(self, session_id: str, opened: Opened, *, reason: str, seconds: float) -> None:
        """One less."""
        if seen := self._sessions.pop(session_id, None):
            metrics.SESSIONS.labels(seen.channel).dec()
            metrics.ENDED.labels(reason or "broken").inc()
            metrics.SESSION_S.labels(seen.channel).observe(seconds)

    def detached(self, session_id: str) -> None:
        """Its client is gone."""
        metrics.DETACHED.inc()

    def resumed(self, session_id: str, *, missed: int) -> None:
        """Its client is back."""
        metrics.RESUMED.inc()

    def turn(self, session_id: str, turn: Turn) -> None:
        """The person's turns; the agent's are told with their reply, in `happened`."""
        seen = self._sessions.get(session_id)
        metrics.TURNS.labels(turn.role, turn.modality).inc()
        if seen and turn.role == "user":
            log.info(
                "turn",
                conversation_id=seen.conversation_id,
                turn=turn.seq,
                side="user",
                modality=turn.modality,
                chars=len(turn.generated),
            )

    def underruns(self, session_id: str, count: int, gap_ms: float) -> None:
        """As the client tells."""
        metrics.UNDERRUNS.inc(count)
        metrics.GAP_S.inc(gap_ms / 1000)

    def engine_changed(self, session_id: str, code: str) -> None:
        """An engine failed."""
        metrics.ENGINES_CHANGED.labels(code or "internal_error").inc()

    def waiting(self, length: int) -> None:
        """The queue."""
        metrics.QUEUE.set(length)

    def refused(self, code: str) -> None:
        """Somebody was sent away."""
        metrics.REFUSED.labels(code).inc()

    def happened(self, session_id: str, event: Event) -> None:
        """Frames of sound come here too, and leave at once."""
        seen = self._sessions.get(session_id)
        if seen is None:
            return
        if isinstance(event, (AgentSound, AgentText)):
            if event.generation != seen.generation or seen.hushed == seen.generation:
                _began(seen, event)
            return
        match event:
            case AgentTurn():
                self._answered(seen, event)
            case Hushed(generation):
                _hushed(seen, generation)
            case Ducked(generation, is_soft):
                if not is_soft and seen.softened == generation != seen.hushed:
                    metrics.FALSE_ALARMS.inc()
                seen.softened = generation if is_soft else 0
            case ToolCalled(status=status, ms=ms) if status != "running":
                metrics.TOOLS.labels(status).inc()
                metrics.TOOL_S.observe(ms / 1000)
            case Trouble(code):
                metrics.ERRORS.labels(code).inc()
            case _:
                pass

    def _answered(self, seen: _Seen, event: AgentTurn) -> None:
        turn, timings = event.turn, dict(event.turn.timings_ms)
        heard = turn.generated if turn.heard is None else turn.heard
        for part, ms in metrics.parts_ms(timings).items():
            metrics.TURN_S.labels(part).observe(ms / 1000)
        if turn.interrupted:
            metrics.INTERRUPTED.inc()
        facts: dict[str, str | int | float | bool] = {
            "turn": turn.seq,
            "modality": turn.modality,
            "channel": seen.channel,
            "chars": len(turn.generated),
            "heard_chars": len(heard),
            "interrupted": turn.interrupted,
            "early": bool(timings.pop("early", 0)),
        }
        if facts["early"]:
            metrics.EARLY.labels("paid").inc()
        log.info("turn", conversation_id=seen.conversation_id, side="agent", **facts, **timings)
        now = monotonic_s()
        first_ms = timings.get("spoke_first", timings.get("thought_first", 0.0))
        began_s = (seen.since_s if seen.generation == event.generation else now) - first_ms / 1000
        attributes = {"conversation_id": seen.conversation_id, **facts}
        named = {f"voicemind.{name}": value for name, value in attributes.items()}
        self._traces.turn(TimedTurn(began_s, now, timings, named))


class Watches:
    """Several that watch, as one. What one of them raises is told to the log, and to nobody else: who looks must not stop who talks."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = tuple(watches)
        self._hearing = tuple(watch for watch in watches if getattr(type(watch), "heard", None) is not Unwatched.heard)

    def session_started(self, session_id: str, opened: Opened, channel: str) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.session_started(session_id, opened, channel))

    def session_ended(self, session_id: str, opened: Opened, *, reason: str, seconds: float) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.session_ended(session_id, opened, reason=reason, seconds=seconds))

    def detached(self, session_id: str) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.detached(session_id))

    def resumed(self, session_id: str, *, missed: int) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.resumed(session_id, missed=missed))

    def happened(self, session_id: str, event: Event) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.happened(session_id, event))

    def heard(self, session_id: str, samples: bytes) -> None:
        """Tell those who listen: most do not, and this is called for every frame of every microphone."""
        if self._hearing:
            self._tell(lambda watch: watch.heard(session_id, samples), self._hearing)

    def turn(self, session_id: str, turn: Turn) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.turn(session_id, turn))

    def interrupted(self, session_id: str) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.interrupted(session_id))

    def underruns(self, session_id: str, count: int, gap_ms: float) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.underruns(session_id, count, gap_ms))

    def engine_changed(self, session_id: str, code: str) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.engine_changed(session_id, code))

    def waiting(self, length: int) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.waiting(length))

    def refused(self, code: str) -> None:
        """Tell all."""
        self._tell(lambda watch: watch.refused(code))

    def _tell(self, tell: Callable[[Watch], None], watches: Sequence[Watch] | None = None) -> None:
        for watch in self._watches if watches is None else watches:
            try:
                tell(watch)
            except Exception:  # the boundary of a background job
                log.exception("something went unseen", watch=type(watch).__name__)


def _began(seen: _Seen, event: AgentSound | AgentText) -> None:
    """A reply begins to sound, or goes on after all."""
    if isinstance(event, AgentText) and event.generation == seen.generation:
        return
    if event.generation == seen.generation:
        metrics.FALSE_ALARMS.inc()
        seen.hushed = 0
        return
    seen.generation, seen.since_s = event.generation, monotonic_s()


def _hushed(seen: _Seen, generation: int) -> None:
    """Each reply is silenced once, however often that is asked for."""
    if generation and generation == seen.generation != seen.hushed:
        seen.hushed = generation
        metrics.HUSHED.inc()
