"""Which ids from outside every database can hold."""

from __future__ import annotations

from collections.abc import Mapping

from voicemind.errors import BadRequest
from voicemind.store.tables import ID_LENGTH
from voicemind.store.turns import storable


def check_ids(ids: Mapping[str, str]) -> None:
    """Raises BadRequest for an id that not every database can hold; `param` names it."""
    for name, given in ids.items():
        if len(given) > ID_LENGTH or storable(given) != given:
            raise BadRequest(f"{name} must be text of at most {ID_LENGTH} characters", param=name)
