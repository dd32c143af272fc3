"""Works a queue: claims, keeps the lease while the handler runs, and decides with the back-off what becomes of a failure.

A failure counts against the job, and so does a lease that ran out, apart from the failures: the job may be what the process died of.
A worker that is stopped hands its jobs back, and that counts for nothing: whoever stops a server is not the job.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

import anyio
import structlog

from voicemind.errors import StorageUnavailable, VoicemindError
from voicemind.jobs.backoff import Backoff
from voicemind.jobs.contract import Handler, J, Queue
from voicemind.ops import metrics

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 1.0
"""How often the queue is looked at without being told: another process may have put something there."""
RENEWALS = 3
"""How often a lease is renewed in its own time: two renewals may fail before it runs out."""
HAND_BACK_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds, and counts."""

    lease_s: float = 30.0
    """After how long the job of a dead process is taken over."""

    limit_s: float = 600.0
    """How long one attempt may take."""

    at_once: int = 1
    """Jobs done side by side by one worker."""

    backoff: Backoff = field(default_factory=Backoff)


class _Claim(Generic[J]):
    """A job that is being done, and the scope that ends it."""

    __slots__ = ("job", "scope")

    def __init__(self, job: J) -> None:
        self.job = job
        self.scope = anyio.CancelScope()


class Worker(Generic[J]):
    """Does the jobs of one queue. `run` works until it is cancelled; a job that this interrupts is handed back.

    What is `hopeless` is given up at once. `name` is who holds the lease, for people who look into the database.
    """

    def __init__(
        self,
        queue: Queue[J],
        handler: Handler[J],
        *,
        name: str,
        pace: Pace | None = None,
        hopeless: tuple[type[VoicemindError], ...] = (),
    ) -> None:
        self._queue, self._handler, self._name = queue, handler, name
        self._hopeless = hopeless
        self._claims: set[_Claim[J]] = set()
        self._queued = anyio.Event()
        self._settled = anyio.Event()
        self.pace = pace or Pace()

    @property
    def settled(self) -> anyio.Event:
        """Set when the next attempt is over. Take it before you look: what ends in between is then not missed."""
        return self._settled

    def wake(self) -> None:
        """Something was queued."""
        queued, self._queued = self._queued, anyio.Event()
        queued.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renew)
            for _ in range(self.pace.at_once):
                tasks.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            queued = self._queued
            try:
                job = await self._next()
                if job is not None:
                    await self._attempt(job)
                    continue
            except Exception as error:  # noqa: BLE001 - a queue that breaks must not take down whoever else works here
                log.error("a job could not be looked after", **_told(error))
            with anyio.move_on_after(LOOK_AGAIN_S):
                await queued.wait()

    async def _next(self) -> J | None:
        try:
            return await self._queue.claim(self._name, lease_s=self.pace.lease_s)
        except StorageUnavailable as error:
            log.warning("jobs cannot be read", code=error.code)
            return None

    async def _attempt(self, job: J) -> None:
        """One try, whatever comes of it; then tell everybody who waits."""
        if self.pace.backoff.is_spent(job.lost):
            await self._put_back(job, None, failed=False, code="interrupted")
        else:
            job = await self._tried(job)
        settled, self._settled = self._settled, anyio.Event()
        settled.set()
        try:
            await self._handler.settled(job)
        except Exception as error:  # noqa: BLE001 - still the boundary of a background job: the next one must run
            log.warning("after a job", conversation_id=job.conversation_id, **_told(error))

    async def _tried(self, job: J) -> J:
        """The job as its handler returns it; the same where that failed, was too slow or lost its lease."""
        claim = _Claim(job)
        self._claims.add(claim)
        try:
            with claim.scope, anyio.fail_after(self.pace.limit_s):
                return await self._handler.do(job)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(HAND_BACK_LIMIT_S):
                await self._put_back(job, 0.0, failed=False, code="interrupted")
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a background job: whatever it was, the next one must run
            gives_up = isinstance(error, self._hopeless)
            delay_s = None if gives_up else self.pace.backoff.delay_s(job.failures + 1)
            await self._put_back(job, delay_s, failed=True, **_told(error))
            return job
        finally:
            self._claims.discard(claim)
        log.warning("job was taken over", conversation_id=job.conversation_id, attempt=job.attempts)
        return job

    async def _put_back(self, job: J, delay_s: float | None, *, failed: bool, code: str, **told: str) -> None:
        """Later, or never again; a job that cannot even be put back is claimed when its lease has run out."""
        outcome = "failed" if delay_s is None else "postponed" if failed else "interrupted"
        metrics.REFLECTIONS.labels(outcome).inc()
        log.warning(
            "job failed" if delay_s is None else "job postponed",
            conversation_id=job.conversation_id,
            attempt=job.attempts,
            retry_s=delay_s,
            code=code,
            **told,
        )
        try:
            await self._queue.postpone(job, error=code, delay_s=delay_s, failed=failed)
        except StorageUnavailable:
            log.warning("job stays leased", conversation_id=job.conversation_id)

    async def _renew(self) -> None:
        """Keep what is being done; end what somebody else has begun meanwhile."""
        while True:
            await anyio.sleep(self.pace.lease_s / RENEWALS)
            for claim in tuple(self._claims):
                try:
                    held = await self._queue.renew(claim.job, lease_s=self.pace.lease_s)
                except Exception as error:  # noqa: BLE001 - the same: the lease runs out, and somebody takes over
                    log.warning("lease cannot be renewed", conversation_id=claim.job.conversation_id, **_told(error))
                    continue
                if not held:
                    claim.scope.cancel()


def _told(error: Exception) -> dict[str, str]:
    """What may be known about an error: never its text, which may repeat what was said; of one that nobody expected, its place."""
    kind = type(error).__name__
    if isinstance(error, VoicemindError):
        return {"code": error.code, "kind": kind}
    if isinstance(error, TimeoutError):
        return {"code": "timed_out", "kind": kind}
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"code": "internal_error", "kind": kind, "where": where}
