"""Where one statement of a person ends and the next begins, also in recognised speech without any punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from voicemind.mind.reflection.words import (
    ADVERBS,
    AUXILIARIES,
    BASE_VERBS,
    CONNECTORS,
    HEADS,
    SAYING,
    is_past,
    is_verb,
    word_set,
)

_LONGEST = 300
"""Characters of the longest stretch that is looked at in one piece; the work grows with its square."""

_AHEAD = 80
"""Characters in which the verb of a statement shows up."""

_END = re.compile(r"""(?<![.!?…])[.!?…]++["'”’)]*(?=\s|$)|[\r\n;]+|\s[–—-]\s""")
_ABBREVIATIONS = word_set("dr mr mrs ms st prof sr jr vs etc approx e.g i.e no dept ave mt")
_SUBJECT = r"(?:i|i['’]\w+|im|ive|my|our|we|we['’]\w+|he|she|they|his|her|its|he['’]s|she['’]s)"
_LEAD = (
    r"(?:(?:now|then|today|currently|also|still|later|yesterday|recently|sadly|luckily|last \w+|this \w+|next \w+)\s+)?"
)
_ASKING = (
    r"(?:what|who|where|when|why|how|do|does|did|can|could|would|will|is|are|should|shall|have|has)"
    r"\s+(?:you|your|i|my|we|it|the|that|is|are|do|about|old|many|much)"
)
_ASKS = re.compile(_ASKING, re.IGNORECASE)
_JOINT = re.compile(
    rf"(?:\s*,\s*(?:and|but|so|plus|also|then|yet)?\s*|\s+(?:and|but|plus|so)\s+(?:also\s+)?)(?={_LEAD}{_SUBJECT}\b|{_ASKING}\b)",
    re.IGNORECASE,
)
_RUN_ON = re.compile(r"\s+(?=(?:i|i['’]\w+|im|ive|my|she|he)\s)", re.IGNORECASE)
_SHARED = re.compile(r",?\s+(?:and|but)\s+(?:(?:also|now|still|then)\s+)?(?=[a-z]+\b)", re.IGNORECASE)
_OPENING_PART = word_set("when while before after since as because if once until although though")
_FOLLOWS = word_set("""a an the my in at on as for with to from no not two three four five six seven eight nine ten some
    many lots about every over under""")


@dataclass(frozen=True, slots=True)
class Clause:
    """One statement, verbatim.

    `text` is a slice of the turn. `before` is what the same sentence says in front of it. `asks` marks a question.
    `implied` holds the subject where the statement shares that of the one before ("… and work as a nurse").
    """

    text: str
    before: str = ""
    asks: bool = False
    implied: str = ""


def clauses(text: str) -> list[Clause]:
    """All statements of a turn, in order; each `text` occurs in `text` as it stands."""
    return [clause for sentence, asks in _sentences(text) for clause in _clauses_of(sentence, asks=asks)]


def sentences(text: str) -> Iterator[tuple[int, int, int, bool]]:
    """Each sentence as where it begins, where its words end, where its closing marks end, and whether it asks."""
    start = 0
    for end in _END.finditer(text):
        word = text[start : end.start()].rsplit(None, 1)[-1:] or [""]
        if end[0].startswith(".") and (word[0].lower() in _ABBREVIATIONS or re.fullmatch(r"[A-HJ-Z]", word[0])):
            continue
        yield start, end.start(), end.end(), "?" in end[0]
        start = end.end()
    yield start, len(text), len(text), False


def _sentences(text: str) -> Iterator[tuple[str, bool]]:
    for start, stop, _, asks in sentences(text):
        yield from _pieces(text[start:stop], asks=asks)


def _pieces(sentence: str, *, asks: bool) -> Iterator[tuple[str, bool]]:
    """The sentence; one that never ends, in stretches between spaces."""
    sentence = sentence.strip()
    while len(sentence) > _LONGEST:
        cut = sentence.rfind(" ", 0, _LONGEST)
        cut = cut if cut > 0 else _LONGEST
        yield sentence[:cut], asks
        sentence = sentence[cut:].strip()
    yield sentence, asks


def _clauses_of(sentence: str, *, asks: bool) -> Iterator[Clause]:
    cuts = [(0, 0)]
    for joint in _JOINT.finditer(sentence):
        if _stands_alone(sentence[cuts[-1][1] : joint.start()]) and (
            _ASKS.match(sentence, joint.end()) or _has_verb_after_subject(sentence[joint.end() : joint.end() + _AHEAD])
        ):
            cuts.append((joint.start(), joint.end()))
    cuts.append((len(sentence), len(sentence)))
    pieces = [(cuts[at][1], cuts[at + 1][0]) for at in range(len(cuts) - 1)]
    for at, (start, end) in enumerate(pieces):
        question = asks and at == len(pieces) - 1
        for piece_start, piece_end, implied in _finer(sentence, start, end):
            piece = sentence[piece_start:piece_end].strip()
            if piece:
                yield Clause(piece, sentence[:piece_start], question, implied)


def _finer(sentence: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Run-on statements without punctuation, then verbs that share one subject."""
    at = start
    for joint in _RUN_ON.finditer(sentence, start, end):
        if _runs_on(sentence[at : joint.start()], sentence[joint.end() : min(end, joint.end() + _AHEAD)]):
            yield from _by_verb(sentence, at, joint.start())
            at = joint.end()
    yield from _by_verb(sentence, at, end)


def _runs_on(left: str, right: str) -> bool:
    words = [word.lower() for word in left.split()]
    if words and words[0] in _OPENING_PART:
        return False
    if len(words) < 3 or "," in left or not _stands_alone(left) or not _has_verb_after_subject(right):
        return False
    last, earlier = words[-1], words[-2]
    if last in CONNECTORS | HEADS | SAYING | ADVERBS or is_verb(last):
        return False
    return earlier not in {"the", "a", "an", "every", "this", "that", "all", "any", "no"}


def _by_verb(sentence: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """ "I live in Oslo and work as a nurse" holds two statements with one subject."""
    piece = sentence[start:end]
    head = re.match(r"\s*(?:\w+\s+){0,2}?(i)\s+((?:\w+\s+)*?)([a-z]+)\b", piece, re.IGNORECASE)
    at = start
    if (
        head
        and head[3].lower() not in AUXILIARIES
        and not re.search(r"\bto\s+(?!the|a|my)[a-z]+", piece, re.IGNORECASE)
    ):
        for joint in _SHARED.finditer(sentence, start, end):
            words = sentence[joint.end() : min(end, joint.end() + _AHEAD)].lower().split()
            if joint.start() > at and len(words) > 1 and _carries_on(words[0], words[1]):
                yield at, joint.start(), "I" if at > start else ""
                at = joint.end()
    yield at, end, "I" if at > start else ""


def _carries_on(verb: str, following: str) -> bool:
    return (verb in BASE_VERBS or verb == "am" or is_past(verb)) and following in _FOLLOWS


def _stands_alone(left: str) -> bool:
    """Whether there is a verb: "my wife" in "my wife and I live here" is no statement."""
    words = left.split()
    if re.match(r"\s*\w+['’](m|ve|s|re)\s", left):
        return True
    return any(is_verb(word) for word in words[1:])


def _has_verb_after_subject(right: str) -> bool:
    words = right.split()[:8]
    if words and re.match(r"\w+['’]\w+|im$|ive$", words[0], re.IGNORECASE):
        return True
    owned = bool(words) and words[0].lower() in {"my", "our", "his", "her", "its"}
    if owned and len(words) > 2 and re.search(r"['’]s$", words[1]):
        return True
    return any(is_verb(word) for word in words[2 if owned else 1 :])
