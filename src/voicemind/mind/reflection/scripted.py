"""A reflector without a model: for tests, the demo and whoever wants to say exactly what is remembered."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voicemind.mind.agent import Agent
from voicemind.mind.reflection.contract import Add, Operation, Proposal, Remove
from voicemind.mind.reflection.grounding import grounded
from voicemind.mind.reflection.likeness import same_text
from voicemind.store.values import ArchivedEntry, Entry, Evidence, MindVersion, Turn

_ORDER = re.compile(r"^[ \t]*(remember|forget):[ \t]*(\S[^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class ScriptedReflector:
    """Proposes the operations that it was given, else what the person's lines say: "remember: X" and "forget: X".

    X is added word for word to the first block that holds facts; what is to be forgotten is the entry with the same words.
    """

    name = "scripted"

    def __init__(self, operations: Sequence[Operation] | None = None) -> None:
        self._operations = operations

    async def reflect(
        self,
        agent: Agent,
        version: MindVersion,
        turns: Sequence[Turn],
        *,
        conversation_id: str,
        person: str = "",
        archived: Sequence[ArchivedEntry] = (),
    ) -> Proposal:
        """See the contract."""
        block = next((block for block in agent.reflective if block.holds == "facts"), None)
        if self._operations is not None or block is None:
            return Proposal(tuple(self._operations or ()))
        held = (
            *version.blocks.get(block.label, ()),
            *(found.entry for found in archived if found.block == block.label),
        )
        operations = [operation for turn in turns for operation in _ordered(turn, block.label, held, conversation_id)]
        sound = grounded(operations, agent, turns=turns, conversation_id=conversation_id, entries=held, person=person)
        return Proposal(sound.operations, sound.notes)


def _ordered(turn: Turn, block: str, held: Sequence[Entry], conversation_id: str) -> list[Operation]:
    if turn.role != "user":
        return []
    operations: list[Operation] = []
    for order, text in _ORDER.findall(turn.generated):
        evidence = (Evidence(conversation_id, turn.seq, text),)
        if order.lower() == "remember":
            operations.append(Add(block, text, evidence, "the person asked for it"))
        else:
            operations += [
                Remove(block, entry.id, evidence, "the person asked for it")
                for entry in held
                if same_text(entry.text) == same_text(text)
            ]
    return operations
