"""The queue of reflections, which the store keeps beside what they write."""

from __future__ import annotations

from voicemind.store.contract import Store
from voicemind.store.values import Reflection


class Reflections:
    """Implements `Queue` for the reflections of all tenants."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, worker: str, *, lease_s: float) -> Reflection | None:
        return await self._store.claim_reflection(worker, lease_s=lease_s)

    async def renew(self, job: Reflection, *, lease_s: float) -> bool:
        return await self._store.renew_reflection(job, lease_s=lease_s)

    async def postpone(self, job: Reflection, *, error: str, delay_s: float | None, failed: bool) -> None:
        await self._store.postpone_reflection(job, error=error, delay_s=delay_s, failed=failed)
