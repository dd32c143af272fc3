"""What a job is, what a queue promises about it, and what its handler owes."""

from __future__ import annotations

from typing import Protocol, TypeVar


class Job(Protocol):
    """Work that waits in a queue: ids and counts, never contents.

    Its handler reads what it needs when it runs, so that nothing which is erased meanwhile lives on in a queue.
    """

    @property
    def id(self) -> str:
        """Unique in its queue."""
        ...

    @property
    def conversation_id(self) -> str:
        """Which conversation it is about: the logs name it."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was claimed, this time included; the number also tells one claim from the next."""
        ...

    @property
    def failures(self) -> int:
        """How many attempts before this one failed: those that were cut off are not among them."""
        ...

    @property
    def lost(self) -> int:
        """How many leases of it ran out, as they do when a process dies."""
        ...


J = TypeVar("J", bound=Job)


class Queue(Protocol[J]):
    """Hands out jobs under leases. Every method may raise StorageUnavailable.

    A claim ends in one of four ways: the handler finishes the job, it is postponed, it is given up, or its lease runs
    out because nobody renewed it, and then it can be claimed again.
    """

    async def claim(self, worker: str, *, lease_s: float) -> J | None:
        """The oldest job that is due, now leased to `worker`, this attempt counted; None where none is due. No two callers get the same one."""
        ...

    async def renew(self, job: J, *, lease_s: float) -> bool:
        """Lease it for `lease_s` seconds from now; False where this claim holds it no longer."""
        ...

    async def postpone(self, job: J, *, error: str, delay_s: float | None, failed: bool) -> None:
        """Note the code of what went wrong and make the job due after `delay_s` seconds; None gives it up, visibly.

        It counts as a failure where it `failed`, not where it was cut off. Changes nothing where this claim holds it no longer.
        """
        ...


class Handler(Protocol[J]):
    """Does the work of one kind of job."""

    async def do(self, job: J) -> J:
        """Do the work and mark the job done, the result and the mark in one transaction; returns the job as it is then.

        It may be called again for a job whose earlier run was cut off anywhere, and at the same time in two processes
        where one was too slow to renew its lease: then one of them writes, and both return what was written.
        """
        ...

    async def settled(self, job: J) -> None:
        """The attempt is over and everybody who waited was told. `job` is what `do` returned, or as it was claimed where that failed."""
        ...
