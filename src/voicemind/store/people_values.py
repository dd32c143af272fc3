"""What is kept about people, their erasure, and the agents they make, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A person, as far as we know them: the id that somebody gave them."""

    tenant: str
    id: str
    anonymous: bool
    created_at: datetime
    conversations: int = 0


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure: numbers alone.

    `counts` maps `conversations`, `turns`, `reflections`, `minds`, `versions` (rewritten), `entries`, `evidence`, `users`, `recordings` to how many
    are gone. `scrubbed` says whether the bytes have left the files too; until then the sweep tries again.
    """

    tenant: str
    id: str
    created_at: datetime
    counts: Mapping[str, int]
    scrubbed: bool = False


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """An agent that was made through the API: its definition as plain JSON."""

    tenant: str
    slug: str
    definition: Mapping[str, Any]
    updated_at: datetime
