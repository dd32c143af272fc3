"""Whom talking in real time is open to, while it is rolled out step by step. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from voicemind.errors import NotRolledOut

SALT = "realtime"
"""Sets this roll-out apart: it must not be the same people who are the first every time."""


@dataclass(frozen=True, slots=True)
class RollOut:
    """Real-time voice for `percent` of all people, 0 to 100: the same ones each time, and those of a smaller share are in every larger one."""

    percent: float = 100.0

    def includes(self, tenant: str, user_id: str) -> bool:
        """Whether this person may talk in real time."""
        return share_of(tenant, user_id) < self.percent

    def refuse(self, tenant: str, user_id: str) -> None:
        """Raises NotRolledOut where they may not."""
        if not self.includes(tenant, user_id):
            raise NotRolledOut("Talking is not open to you yet. You can write instead.")


def share_of(tenant: str, user_id: str) -> float:
    """Where a person stands among all, from 0 up to but not including 100: evenly spread, and the same on every machine."""
    digest = hashlib.sha256("\0".join((SALT, tenant, user_id)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") * 100 / 2**48
