"""From what a person said to candidates for memory: statements about that person, in the third person, with their words as evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voicemind.mind.reflection import screen
from voicemind.mind.reflection.clauses import Clause, clauses
from voicemind.mind.reflection.kinds import Kind, is_worth_keeping, kind_of, with_capitals
from voicemind.mind.reflection.third_person import in_third_person, plain_statement, quoted
from voicemind.mind.reflection.words import ANIMALS, HE, RELATIVES, SHE, is_verb, word_set
from voicemind.store.values import Turn

LONGEST = 240
"""Characters of the longest statement that becomes an entry; a longer one is no single fact."""

LONGEST_TURN = 10_000
"""Characters of a turn that are read: a quarter of an hour of speech. What is pasted behind them is no memory."""

_STATED = re.compile(r"^(?:I|my|our|we)\b", re.IGNORECASE)
_CALL_ME = re.compile(
    r"^(?:please )?(?:(?:you can|just|everyone|everybody|people|my friends|friends|they) )?(?:all )?calls? me ([A-Za-z][\w'’-]+(?: [A-Z][\w'’-]+)?)$",
    re.IGNORECASE,
)
_TITLES = word_set(
    "master god lord king queen admin administrator root boss daddy mommy sir crazy maybe later back if when again a an the your"
)
_RELATION = re.compile(
    rf"\b(?:my|a|an|the user's|their) (?:\w+ )?({'|'.join(sorted(RELATIVES | ANIMALS, key=len, reverse=True))})\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"^(he|she|it|his|her|its)(['’]s)?\b\s*", re.IGNORECASE)
_NAME = re.compile(r"\b(?:called|named|name is|name's) ((?:[A-Z][\w'’-]*)(?: [A-Z][\w'’-]*)?)")
_BESIDE = re.compile(
    rf"\b(?i:{'|'.join(sorted(RELATIVES | ANIMALS, key=len, reverse=True))})(?: is)?,? ([A-Z][\w'’-]+)"
)
_GONE = re.compile(r"\b(?:died|dead|passed away|was put (?:down|to sleep)|ran away|was run over)\b", re.IGNORECASE)
_COMMANDS = re.compile(
    r"^(?:i )?(?:stop|tell|give|show|let|make|help|read|write|sing|repeat|say|explain|talk|speak|answer|try|go|come|open|close|play|find|search|list|remind)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that may become an entry.

    `text` is the entry; `quote` the person's words in turn `turn`, verbatim. A `sure` one needs no second opinion;
    of the others `keep` is the verdict if nobody gives one.
    """

    turn: int
    quote: str
    text: str
    kind: Kind
    sure: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class Extraction:
    """The candidates in the order they were said, and the `seq` of each turn of which something was refused as an instruction."""

    candidates: tuple[Candidate, ...]
    refused: tuple[int, ...]


@dataclass(slots=True)
class _Context:
    """What a following sentence may refer to: names that are known, and the relative or animal mentioned last."""

    names: dict[str, str]
    relation: str = ""


def extract(turns: Iterable[Turn], *, remembered: Sequence[str] = ()) -> Extraction:
    """Candidates from the user's turns; the agent's are never read.

    `remembered` are the texts of the mind's entries: a name in them may be the subject of a statement.
    """
    context = _Context(_names(remembered))
    candidates: list[Candidate] = []
    refused: list[int] = []
    for turn in turns:
        if turn.role != "user":
            continue
        context.relation = ""
        said = turn.generated[:LONGEST_TURN]
        if screen.is_tampered(said):
            refused.append(turn.seq)
            continue
        for clause in clauses(said):
            if screen.is_instruction(plain_statement(clause.text)):
                refused.append(turn.seq)
                break  # what follows an attempt in the same turn belongs to it
            found = _candidate(clause, turn.seq, context)
            if found is not None and screen.is_instruction(found.text):
                refused.append(turn.seq)
            elif found is not None:
                candidates.append(found)
                context.names |= _names([found.text])
    return Extraction(tuple(candidates), tuple(dict.fromkeys(refused)))


def _candidate(clause: Clause, turn: int, context: _Context) -> Candidate | None:
    if clause.asks or screen.is_secret(clause.text) or screen.is_supposed(clause.before):
        return None
    statement = plain_statement(f"{clause.implied} {clause.text}" if clause.implied else clause.text)
    if not statement or _is_no_statement(statement):
        return None
    relation = _RELATION.search(statement)
    text = _called(statement) or _by_reference(statement, context) or _own(statement)
    if relation:
        context.relation = relation[1].lower()
    if text is None or len(text) > LONGEST or len(text.split()) < 3:
        return None
    text = with_capitals(text)
    kind, sure = kind_of(text)
    if not re.search(r"the user\b", text, re.IGNORECASE):  # about a name that is known
        return Candidate(turn, clause.text, text, "life", sure=bool(_GONE.search(text)), keep=True)
    verbatim = text.startswith("The user said:")
    return Candidate(turn, clause.text, text, kind, sure=sure and not verbatim, keep=sure or is_worth_keeping(text))


def is_command(statement: str) -> bool:
    """Whether a plain statement tells the listener to do something."""
    return bool(_COMMANDS.match(statement)) and not re.match(r"i\b", statement, re.IGNORECASE)


def _is_no_statement(statement: str) -> bool:
    checks = (screen.is_question, screen.is_small_talk, screen.is_supposed)
    return any(check(statement) for check in checks) or bool(
        re.search(r"\b(?:you|your|yours|yourself)\b", statement, re.IGNORECASE)
    )


def _called(statement: str) -> str | None:
    """ "Call me Anna" asks for something, and states a name."""
    called = _CALL_ME.match(statement)
    if not called or called[1].split()[0].lower() in _TITLES:
        return None
    return f"The user wants to be called {called[1][0].upper()}{called[1][1:]}."


def _own(statement: str) -> str | None:
    if _STATED.match(statement):
        words = statement.split()
        if len(words) < 3 and _COMMANDS.match(statement):
            return None
        return in_third_person(statement) or (quoted(statement) if any(is_verb(word) for word in words[1:]) else None)
    if _COMMANDS.match(statement):
        return None
    return in_third_person(statement)


def _by_reference(statement: str, context: _Context) -> str | None:
    """ "Her name is Emma" after "I have a daughter"; "Biscuit died" where Biscuit is known."""
    words = statement.split()
    known = context.names.get(re.sub(r"['’]s$", "", words[0].strip(",").lower()))
    if (
        known
        and len(words) > 1
        and (is_verb(words[1]) or re.search(r"['’]s$", words[0]))
        and not re.search(r"\b(?:I|my|me)\b", statement)
    ):
        return f"{known}{words[0][len(known) :]} {' '.join(words[1:])}."
    pronoun = _PRONOUN.match(statement)
    if not pronoun or not context.relation or not _agrees(pronoun[1].lower(), context.relation):
        return None
    rest = statement[pronoun.end() :]
    named = re.match(r"(?:name is|name's|name’s) (.+)$", rest) if pronoun[1].lower() in {"his", "her", "its"} else None
    if named:
        return f"The user's {context.relation} is called {named[1]}."
    if pronoun[1].lower() not in {"he", "she"} and not re.match(r"(?:is|was) (?:called|named) ", rest):
        return None
    verb = "is " if pronoun[2] else ""
    if re.search(r"\b(?:I|my|me)\b", rest) or not (verb or is_verb(rest.split(" ")[0])):
        return None
    return f"The user's {context.relation} {verb}{rest}."


def _agrees(pronoun: str, relation: str) -> bool:
    if pronoun in {"she", "her"}:
        return relation not in HE
    if pronoun in {"he", "his"}:
        return relation not in SHE
    return relation in ANIMALS or relation == "baby"


def _names(texts: Iterable[str]) -> dict[str, str]:
    """Names that texts give to somebody or something, by their lower-case form."""
    found: list[str] = [name for text in texts for pattern in (_NAME, _BESIDE) for name in pattern.findall(text)]
    return {name.lower(): name for name in found}
