"""A proposal on its way through a database and a person's hands: operations as plain JSON, and what the person decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from voicemind.errors import BadRequest
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove, Supersede, Update
from voicemind.mind.reflection.grounding import LONGEST_TEXT

_KINDS: Mapping[str, type[Operation]] = {
    "add": Add,
    "update": Update,
    "supersede": Supersede,
    "remove": Remove,
    "merge": Merge,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says of one operation; `text` replaces its text where it is edited."""

    verdict: Literal["accept", "edit", "reject"]
    text: str = ""


def encoded(operations: Sequence[Operation]) -> tuple[dict[str, Any], ...]:
    """The operations as plain JSON, each with its kind as `op`."""
    return tuple({"op": _NAMES[type(operation)], **msgspec.to_builtins(operation)} for operation in operations)


def decoded(rows: Sequence[Mapping[str, Any]]) -> tuple[Operation, ...]:
    """The operations that `encoded` wrote. Raises ValueError for anything else."""
    return tuple(
        msgspec.convert({name: value for name, value in row.items() if name != "op"}, _KINDS[row["op"]]) for row in rows
    )


def decided(operations: Sequence[Operation], decisions: Sequence[Decision]) -> tuple[Operation, ...]:
    """The operations that a person wants, in the person's words. Raises BadRequest where the two do not fit together."""
    if len(operations) != len(decisions):
        raise BadRequest(f"There are {len(operations)} operations to decide on, in their order.", param="decisions")
    wanted: list[Operation] = []
    for at, (operation, decision) in enumerate(zip(operations, decisions, strict=True)):
        if decision.verdict == "reject":
            continue
        if decision.verdict == "edit":
            if isinstance(operation, Remove) or not one_line(decision.text):
                raise BadRequest("There is no text to edit here, or no new text.", param=f"decisions[{at}].text")
            if len(decision.text) > LONGEST_TEXT:
                raise BadRequest(f"An entry has 1 to {LONGEST_TEXT} characters.", param=f"decisions[{at}].text")
            operation = replace(operation, text=decision.text)  # noqa: PLW2901 - the same operation in other words
        wanted.append(operation)
    return tuple(wanted)
