"""Recordings of spoken conversations: made only where somebody agreed, both sides in one file, gone with the conversation.

On the loop a recorder notes what happens and when, and no more; worker threads make sound of it, once a second. Nothing that goes wrong with
one recording holds up another, or a conversation.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import structlog

from voicemind.clock import monotonic_s, utc_now
from voicemind.config import Settings
from voicemind.conversation.opening import Opened
from voicemind.conversation.recorder import Recorder, Work
from voicemind.conversation.tape import HAPPENINGS, Shelf, Tape
from voicemind.conversation.watching import Unwatched
from voicemind.engines.contract import Event
from voicemind.errors import ClientMistake
from voicemind.ops import metrics
from voicemind.store.contract import Store

log = structlog.get_logger(__name__)

T = TypeVar("T")

FLUSH_EVERY_S = 1.0
WRITE_LIMIT_S = 3.0
"""How long a flush waits for a slow disk; what is being written then goes on by itself."""
LAST_FLUSH_LIMIT_S = 5.0
TIDY_LIMIT_S = 30.0
HANDS = 4
"""Files that are written at once, and that may hang at once before nothing more is begun."""

Stopped = Callable[[str, str], None]
"""Is told the session whose recording stopped before it did, and why: `full`, `broken` or `slow`."""


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


class Recordings(Unwatched):
    """All of one data folder; implements `Watch`. `run` writes until it is cancelled; `aclose` writes the rest."""

    def __init__(self, store: Store, folder: Path, *, rules: Rules) -> None:
        self._store, self._shelf, self._rules = store, Shelf(folder), rules
        self._live: dict[str, Recorder] = {}
        self._works: list[Work] = []
        """What is being written: more than a flush's own only where the disk is slow."""
        self._dropped: list[Recorder] = []
        """Those whose files are still to be closed."""
        self._hands = anyio.CapacityLimiter(HANDS)
        self._looks = False
        """Whether a thread looks at the folder, or tidies it."""
        self._writing = anyio.Lock()
        self.on_stop: Stopped = _nobody

    async def let(self, opened: Opened, channel: str, *, agrees: bool | None) -> bool:
        """Whoever opens the conversation agrees to be recorded, withdraws that, or says nothing, which leaves it as it is.

        What was recorded before a withdrawal is erased, also while it is being made. Returns whether the conversation is recorded
        from now on; only a spoken one is. Raises UnknownConversation.
        """
        talk = opened.conversation
        if agrees is None or (agrees and channel != "voice"):
            return self.records(opened, channel)
        if agrees and self._rules.is_on:
            await self._store.let_record(talk.tenant, talk.id, name=secrets.token_hex(16))
            return True
        if not agrees and talk.recording is not None:
            await self._store.drop_recordings({talk.recording})
            await self.tidy()
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
            try:
                await self.flush()
            except Exception:  # the boundary of a background job: conversations go on
                log.exception("recordings cannot be written")

    async def flush(self) -> None:
        """Write what has sounded, and close the files of sessions that are over; a slow disk is not waited for beyond seconds."""
        if not (self._live or self._dropped):
            return
        async with self._writing:
            with anyio.move_on_after(WRITE_LIMIT_S):
                async with anyio.create_task_group() as tasks:
                    for work in self._due():
                        tasks.start_soon(self._write, work)
            self._works = [work for work in self._works if not work.is_done]
            self._dropped = [recorder for recorder in self._dropped if not recorder.is_closed]
            for session_id, recorder in list(self._live.items()):
                if recorder.stopped:
                    self._stop(session_id, recorder)
                elif recorder.is_closed:
                    self._forget(session_id)

    def _due(self) -> list[Work]:
        """For each file that nobody writes, its recorders: the older session's first. Nothing where too many hang."""
        if len(self._works) >= HANDS:
            return []
        busy = {recorder.name for work in self._works for recorder in work.recorders}
        files: dict[str, list[Recorder]] = {}
        for recorder in (*self._dropped, *self._live.values()):
            if recorder.name not in busy:
                files.setdefault(recorder.name, []).append(recorder)
        return [Work(recorders) for recorders in files.values()]

    async def _write(self, work: Work) -> None:
        self._works.append(work)
        try:
            await anyio.to_thread.run_sync(work.do, limiter=self._hands, abandon_on_cancel=True)
        except Exception:  # the boundary of a background job: no thread for it now, perhaps in a second
            log.exception("a recording waits")
        finally:
            work.call_off()

    def _stop(self, session_id: str, recorder: Recorder) -> None:
        metrics.RECORDINGS_BROKEN.labels(recorder.stopped).inc()
        log.warning("a recording stopped", reason=recorder.stopped)
        if recorder.stopped == "slow":
            self._dropped.append(recorder)
        self._forget(session_id)
        self.on_stop(session_id, recorder.stopped)

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
        """Take away what is older than the rules allow, and what belongs to no conversation any more; whether nothing is left to take away.

        A folder that cannot be read, or not in time, is not tidy. Raises StorageUnavailable.
        """
        with anyio.move_on_after(TIDY_LIMIT_S):
            async with self._writing:
                try:
                    return await self._tidied()
                except OSError as error:
                    log.warning("recordings cannot be tidied", errno=error.errno)
        return False

    async def _tidied(self) -> bool:
        known = await self._store.recordings()
        live = {recorder.name for recorder in self._live.values()}
        for session_id in [one for one, recorder in self._live.items() if recorder.name not in known]:
            recorder = self._live[session_id]
            self._forget(session_id)
            recorder.drop()
            self._dropped.append(recorder)
        listed = await self._looked(self._shelf.listed)
        if old := self._too_old(listed) & known - live:
            await self._store.drop_recordings(old)
        gone = (listed.keys() | live) - known | old
        return not gone or await self._looked(lambda: self._shelf.remove(gone))

    async def _looked(self, look: Callable[[], T]) -> T:
        """What this finds in a worker thread, of which no more than one may hang. Raises OSError where one does."""
        if self._looks:
            raise OSError(errno.EBUSY, "the disk is slow")

        def looked() -> T:
            self._looks = True
            try:
                return look()
            finally:
                self._looks = False

        return await anyio.to_thread.run_sync(looked, abandon_on_cancel=True)

    def _too_old(self, listed: dict[str, float]) -> set[str]:
        if not self._rules.days:
            return set()
        oldest = utc_now().timestamp() - self._rules.days * 86_400
        return {name for name, written in listed.items() if written < oldest}

    def _forget(self, session_id: str) -> None:
        del self._live[session_id]
        metrics.RECORDING.dec()


def _nobody(session_id: str, reason: str) -> None:
    """Nobody is told."""
