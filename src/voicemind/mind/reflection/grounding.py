"""What a proposal must rest on before it may change a mind, whoever made it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from voicemind.mind.agent import Agent, Block
from voicemind.mind.reflection.contract import Add, Merge, Operation, Remove, Supersede, Update
from voicemind.mind.reflection.likeness import content, same_text
from voicemind.mind.reflection.screen import is_about_agent, is_instruction, is_secret, is_tampered
from voicemind.store.values import Entry, Evidence, Turn

LONGEST_TEXT = 400
"""Characters of an entry: a statement, not a story."""
_SUPPORTED = 0.5
"""Share of an entry's content words that must occur in what it rests on: the cited turn, what it answers, the entries that it replaces."""
_REPEATED = 0.8
"""Share of the agent's content words from which on it only says again what it was told, or knew."""
_STOP = re.compile(r"[.!?…。！？]+(?=\s|$|\w)|[\r\n]+")
_AHEAD = re.compile(
    r"\b(?:will|['’]ll|shall|going to|let us|let['’]s|goals?|plans?|plan(?:ned|ning)|aims?|intend\w*|intention|want|would like|['’]d like|hope|wish|try|practi[sc]e|"
    r"work on|working on|next|soon|tomorrow|agree[ds]?|promise\w*|could|should|need to|must|keep|begin|start|continue|step|task|until)\b",
    re.IGNORECASE,
)
_ADDRESS = content("I me my mine myself you your yours we our us told said say remember mentioned")


@dataclass(frozen=True, slots=True)
class Grounded:
    """The operations that rest on what was said, and sentences about the others."""

    operations: tuple[Operation, ...]
    notes: str = ""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What there is to rest on, `tampered` turns aside. `remembered` are the texts that the agent already knew, by `same_text`."""

    conversation_id: str
    turns: Mapping[int, Turn]
    tampered: frozenset[int]
    entries: Mapping[str, Entry]
    remembered: frozenset[str]
    person: frozenset[str]
    english: bool


def grounded(
    operations: Sequence[Operation],
    agent: Agent,
    *,
    turns: Sequence[Turn],
    conversation_id: str,
    entries: Iterable[Entry] = (),
    person: str = "",
) -> Grounded:
    """Only what may be written, whoever proposed it.

    The block is one that reflection writes. Every piece of evidence quotes, word for word, a turn of this conversation in which
    nobody tampered and which was heard: the person's, or the agent's own where the block holds goals and the agent did not merely repeat what it
    remembered; what the agent itself intends needs words of its own. The text gives no orders, carries no markup and no secret, and is made of words of what it rests on. `entries` are those that
    may be changed: of the blocks, and of the archive as far as the conversation touches it. `person` is what the mind calls
    the person.
    """
    known = {entry.id: entry for entry in entries}
    cited = {piece.turn for operation in operations for piece in operation.evidence}
    ground = _Ground(
        conversation_id,
        {turn.seq: turn for turn in turns},
        frozenset(turn.seq for turn in turns if turn.seq in cited and is_tampered(turn.reached)),
        known,
        frozenset(same_text(entry.text) for entry in known.values()),
        content(person),
        agent.language.startswith("en"),
    )
    blocks = {block.label: block for block in agent.reflective}
    kept = tuple(
        _owning_up(operation, ground)
        for operation in operations
        if operation.block in blocks and _holds(operation, blocks, ground)
    )
    refused = len(operations) - len(kept)
    changes = f"{refused} proposed change{'' if refused == 1 else 's'}"
    return Grounded(kept, f"Refused {changes} without ground in the conversation." if refused else "")


def _holds(operation: Operation, blocks: Mapping[str, Block], ground: _Ground) -> bool:
    block = blocks[operation.block]
    if not all(_occurs(piece, block, ground) for piece in operation.evidence):
        return False
    if not operation.evidence and not isinstance(operation, Merge):
        return False
    if block.holds == "own_goals" and operation.evidence and not _is_its_own(operation, ground):
        return False
    if isinstance(operation, Remove):
        return True
    if block.holds == "facts" and is_about_agent(operation.text):
        return False
    return _is_clean(operation.text) and _is_supported(operation, ground, own=block.holds == "own_goals")


def _is_clean(text: str) -> bool:
    return (
        bool(same_text(text))
        and len(text) <= LONGEST_TEXT
        and not (is_tampered(text) or is_instruction(text) or is_secret(text))
    )


def _occurs(piece: Evidence, block: Block, ground: _Ground) -> bool:
    turn = ground.turns.get(piece.turn)
    if turn is None or piece.conversation_id != ground.conversation_id or not piece.quote.strip():
        return False
    said = turn.reached
    if piece.quote not in said or turn.seq in ground.tampered or is_instruction(_sentence(piece.quote, said)):
        return False
    if turn.role == "user":
        return True
    return block.holds != "facts" and _is_ahead(piece.quote, ground) and not _is_recited(piece.quote, ground)


def _sentence(quote: str, said: str) -> str:
    """The quote with what else its sentences say: half an order is none."""
    at = said.find(quote)
    start = max((end.end() for end in _STOP.finditer(said, 0, at)), default=0)
    stop = _STOP.search(said, at + len(quote))
    return said[start : stop.start() if stop else len(said)]


def _is_ahead(quote: str, ground: _Ground) -> bool:
    """Whether the agent speaks of what is to come; what it says that somebody is or did founds no goal."""
    return not ground.english or bool(_AHEAD.search(quote))


def _is_recited(quote: str, ground: _Ground) -> bool:
    """Whether the agent only said what it remembered, in these words or nearly."""
    said, meant = same_text(quote), content(quote) - _ADDRESS
    return any(
        text and (text in said or said in text or _is_mostly(meant, content(text))) for text in ground.remembered
    )


def _is_its_own(operation: Operation, ground: _Ground) -> bool:
    """Whether the agent itself said so, and did not merely repeat what it was told to say."""
    for piece in operation.evidence:
        turn, before = ground.turns[piece.turn], ground.turns.get(piece.turn - 1)
        told = content(before.generated) if before and before.role == "user" else frozenset[str]()
        if turn.role == "agent" and not _is_mostly(content(piece.quote) - _ADDRESS, told):
            return True
    return False


def _is_mostly(words: frozenset[str], known: frozenset[str]) -> bool:
    return bool(words) and len(words & known) / len(words) >= _REPEATED


def _is_supported(operation: Add | Update | Supersede | Merge, ground: _Ground, *, own: bool) -> bool:
    """Whether enough of the text was said: of all of it, and of what the entries did not say before."""
    wanted = content(operation.text) - ground.person
    if not wanted:
        return False
    told = _told_by(operation.evidence, ground, own=own)
    known: frozenset[str] = frozenset()
    for entry_id in _replaced(operation):
        if entry := ground.entries.get(entry_id):
            known |= content(entry.text)
    if isinstance(operation, Merge) and not operation.evidence:
        return wanted <= known
    new = wanted - known
    return len(new & told) >= _SUPPORTED * len(new) and len(wanted & (told | known)) >= _SUPPORTED * len(wanted)


def _told_by(evidence: Iterable[Evidence], ground: _Ground, *, own: bool = False) -> frozenset[str]:
    """The words of the cited turns, of the agent's `own` alone; a person who answers a question speaks of what was asked."""
    words: frozenset[str] = frozenset()
    for piece in evidence:
        turn, before = ground.turns[piece.turn], ground.turns.get(piece.turn - 1)
        if own:
            words |= content(turn.reached) if turn.role == "agent" else frozenset()
            continue
        words |= content(turn.reached)
        if before and (before.role == "user" or before.reached.rstrip().endswith("?")):
            words |= content(before.reached)
    return words


def _owning_up(operation: Operation, ground: _Ground) -> Operation:
    """A new text that repeats words of the entry that it replaces, and of nothing else, rests on that entry's evidence too."""
    if not isinstance(operation, Supersede) or operation.inherits:
        return operation
    old = ground.entries.get(operation.entry_id)
    borrowed = content(operation.text) - ground.person - _told_by(operation.evidence, ground)
    return replace(operation, inherits=True) if old and borrowed & content(old.text) else operation


def _replaced(operation: Operation) -> tuple[str, ...]:
    match operation:
        case Update(entry_id=entry_id) | Supersede(entry_id=entry_id):
            return (entry_id,)
        case Merge(entry_ids=entry_ids):
            return entry_ids
        case _:
            return ()
