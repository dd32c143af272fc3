"""Recordings of spoken conversations: made only where somebody agreed, both sides in one file, gone with the conversation.

On the loop a recorder notes what happens and when, and no more; a worker thread makes sound of it, once a second, for all sessions.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from voicemind.clock import monotonic_s, utc_now
from voicemind.config import Settings
from voicemind.conversation.opening import Opened
from voicemind.conversation.tape import HAPPENINGS, Happening, Shelf, Tape, Trimmed
from voicemind.conversation.watching import Unwatched
from voicemind.engines.contract import Event
from voicemind.errors import ClientMistake
from voicemind.ops import metrics
from voicemind.store.contract import Store

log = structlog.get_logger(__name__)

FLUSH_EVERY_S = 1.0
LAST_FLUSH_LIMIT_S = 5.0


class UnknownRecording(ClientMistake):
    """There is no recording of that conversation."""

    code = "recording_not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class Rules:
    """Whether anything may be recorded at all, how long it is kept in days (0: for good), and how large one recording may become."""

    is_on: bool = False
    days: float = 30.0
    largest_bytes: int = 500 << 20

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """As the settings want it."""
        return cls(settings.recordings == "on", settings.recordings_days, settings.recording_mb << 20)


class Recorder:
    """Notes what sounds in one session. Its methods never wait."""

    def __init__(self, name: str, tape: Tape) -> None:
        self.name, self.tape = name, tape
        self.is_over = False
        """Whether the session has ended: what was noted until then is still to be written."""
        self._noted: list[tuple[float, Happening]] = []

    def note(self, happening: Happening) -> None:
        """Something sounds, or tells where something is."""
        self._noted.append((monotonic_s(), happening))

    def noted(self) -> list[tuple[float, Happening]]:
        """What has happened since this was asked last."""
        noted, self._noted = self._noted, []
        return noted


class Recordings(Unwatched):
    """All of one data folder; implements `Watch`. `run` writes until it is cancelled; `aclose` writes the rest."""

    def __init__(self, store: Store, folder: Path, *, rules: Rules) -> None:
        self._store, self._shelf, self._rules = store, Shelf(folder), rules
        self._live: dict[str, Recorder] = {}
        self._writing = anyio.Lock()

    async def let(self, opened: Opened, *, agrees: bool) -> bool:
        """Whoever opens the conversation agrees to be recorded, or does not; returns whether it will be. Raises UnknownConversation."""
        talk = opened.conversation
        if agrees and self._rules.is_on:
            await self._store.let_record(talk.tenant, talk.id, name=secrets.token_hex(16))
            return True
        if talk.records:
            await self._store.let_record(talk.tenant, talk.id, name=None)
        return False

    def records(self, opened: Opened, channel: str) -> bool:
        """Whether a session of this conversation is recorded."""
        talk = opened.conversation
        return self._rules.is_on and talk.records and talk.recording is not None and channel == "voice"

    def session_started(self, session_id: str, opened: Opened, channel: str) -> None:
        """Record it, where somebody agreed."""
        name = opened.conversation.recording
        if name is None or not self.records(opened, channel):
            return
        for older in self._live.values():
            older.is_over = older.is_over or older.name == name
        tape = Tape(self._shelf, name, began_s=monotonic_s(), largest_bytes=self._rules.largest_bytes)
        self._live[session_id] = Recorder(name, tape)
        metrics.RECORDING.inc()

    def session_ended(self, session_id: str, opened: Opened, *, reason: str, seconds: float) -> None:
        """What it still holds is written with the next flush."""
        if recorder := self._live.get(session_id):
            recorder.is_over = True

    def heard(self, session_id: str, samples: bytes) -> None:
        """The microphone."""
        if recorder := self._live.get(session_id):
            recorder.note(samples)

    def happened(self, session_id: str, event: Event) -> None:
        """The agent, and where turns are."""
        if isinstance(event, HAPPENINGS) and (recorder := self._live.get(session_id)):
            recorder.note(event)

    async def run(self) -> None:
        """Write what sounds, once a second."""
        while True:
            await anyio.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what has sounded, and close the files of sessions that are over."""
        if not self._live:
            return
        async with self._writing:
            works = [_Work(session_id, one, one.noted(), one.is_over) for session_id, one in self._live.items()]
            reasons = await anyio.to_thread.run_sync(lambda: [work.done() for work in works])
            for work, reason in zip(works, reasons, strict=True):
                if reason:
                    _told(reason)
                if reason or work.is_over:
                    self._forget(work.session_id)

    async def aclose(self) -> None:
        """Write the rest; the sessions are over."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(LAST_FLUSH_LIMIT_S):
            for recorder in self._live.values():
                recorder.is_over = True
            await self.flush()

    async def find(self, tenant: str, conversation_id: str) -> tuple[Shelf, str]:
        """Where the recording is, and its name; what has sounded of it by now is written. Raises UnknownConversation, UnknownRecording."""
        name = (await self._store.conversation(tenant, conversation_id)).recording
        if name and any(recorder.name == name for recorder in self._live.values()):
            await self.flush()
        if name is None or not await anyio.to_thread.run_sync(self._shelf.wav(name).is_file):
            raise UnknownRecording("There is no recording of this conversation.")
        return self._shelf, name

    async def erase(self, tenant: str, conversation_id: str) -> None:
        """Take the recording away for good, also while it is being made. Raises UnknownConversation, UnknownRecording."""
        name = (await self._store.conversation(tenant, conversation_id)).recording
        if name is None:
            raise UnknownRecording("There is no recording of this conversation.")
        await self._store.drop_recordings({name})
        await self.tidy()

    async def tidy(self) -> bool:
        """Take away what is older than the rules allow, and what belongs to no conversation any more; whether nothing is left to take away."""
        async with self._writing:
            listed = await anyio.to_thread.run_sync(self._shelf.listed)
            if not (listed or self._live):
                return True
            known = await self._store.recordings()
            live = {recorder.name for recorder in self._live.values()}
            if old := self._too_old(listed) & known - live:
                await self._store.drop_recordings(old)
            for session_id in [one for one, recorder in self._live.items() if recorder.name not in known]:
                await anyio.to_thread.run_sync(self._live[session_id].tape.drop)
                self._forget(session_id)
            gone = (listed.keys() | live) - known | old
            return not gone or await anyio.to_thread.run_sync(self._shelf.remove, gone)

    def _too_old(self, listed: dict[str, float]) -> set[str]:
        if not self._rules.days:
            return set()
        oldest = utc_now().timestamp() - self._rules.days * 86_400
        return {name for name, written in listed.items() if written < oldest}

    def _forget(self, session_id: str) -> None:
        del self._live[session_id]
        metrics.RECORDING.dec()


@dataclass(frozen=True, slots=True)
class _Work:
    """One recorder's part of a flush."""

    session_id: str
    recorder: Recorder
    noted: list[tuple[float, Happening]]
    is_over: bool

    def done(self) -> str:
        """In a worker thread: why the recording has to stop, or nothing."""
        try:
            self.recorder.tape.write(self.noted, now_s=monotonic_s(), is_over=self.is_over)
        except Trimmed:
            return "full"
        except OSError:
            return "broken"
        return ""


def _told(reason: str) -> None:
    metrics.RECORDINGS_BROKEN.labels(reason).inc()
    log.warning("a recording stopped", reason=reason)
