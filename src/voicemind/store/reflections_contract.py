"""What a store promises about reflections: who does one, what becomes of it, and what waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from voicemind.store.values import MindKey, NewVersion, Reflection, ReflectionStatus, Turn


class Reflections(Protocol):
    """The reflection of each ended conversation."""

    async def unreflected_turns(self, key: MindKey, *, limit: int = 40) -> tuple[Turn, ...]:
        """User turns of ended conversations whose reflection on this mind has not happened yet, oldest first; the newest `limit` of them.

        What waits for a person's word is not among them: nobody may remember it before that.
        """
        ...

    async def reflection(self, tenant: str, conversation_id: str) -> Reflection | None:
        """The reflection of a conversation; None where it has not ended."""
        ...

    async def reflections(
        self,
        tenant: str,
        *,
        status: ReflectionStatus | None = None,
        agent: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> tuple[Reflection, ...]:
        """Reflections, the newest first; with `before`, those older than that reflection id."""
        ...

    async def claim_reflection(self, worker: str, *, lease_s: float) -> Reflection | None:
        """Take the oldest reflection (of any tenant) that is due: waiting, or running under a lease that ran out; None where there is none.

        Marks it running, counts the attempt, and as lost the lease that ran out, and leases it to `worker`; no two callers get the same one.
        """
        ...

    async def renew_reflection(self, reflection: Reflection, *, lease_s: float) -> bool:
        """Lease a claimed reflection for `lease_s` seconds from now; False where it is over or another claim holds it."""
        ...

    async def finish_reflection(
        self, reflection: Reflection, *, parent: int, version: NewVersion | None, notes: str
    ) -> Reflection:
        """Write the version (None: nothing changed, no new version), mark the reflection done and the conversation reflected, in one transaction.

        Raises StaleVersion where `parent` is not the newest version; UnknownConversation where it was erased meanwhile.
        Called again for a reflection that is done, changes nothing and returns it.
        """
        ...

    async def propose_reflection(
        self, reflection: Reflection, *, parent: int, proposal: Sequence[Mapping[str, Any]], notes: str
    ) -> Reflection:
        """Keep the proposal for a person to decide on, as status `review`; `before` becomes `parent`. Called again, changes nothing.

        Raises StaleVersion where `parent` is not the newest version: what it was made from may have been erased since.
        """
        ...

    async def postpone_reflection(
        self, reflection: Reflection, *, error: str, delay_s: float | None, failed: bool = True
    ) -> None:
        """Note the code of what went wrong and make the reflection due again after `delay_s` seconds; None gives it up: it and its conversation are `failed`.

        Counts as a failure unless `failed` is false: it was merely cut off.
        """
        ...

    async def retry_reflection(self, tenant: str, conversation_id: str) -> Reflection:
        """Make a failed reflection due now, its attempts counted from the beginning, its conversation `ended` again; any other is unchanged.

        Returns the reflection as it is then. Raises UnknownConversation where there is none.
        """
        ...

    async def pending_reflections(self, key: MindKey) -> int:
        """How many reflections on this mind are waiting or running."""
        ...
