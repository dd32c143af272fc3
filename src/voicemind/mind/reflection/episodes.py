"""What a person tells of their life beside the facts that last: kept word for word, in order to be recalled when it is spoken of again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from voicemind.mind.plain import one_line
from voicemind.mind.reflection import screen
from voicemind.mind.reflection.clauses import sentences
from voicemind.mind.reflection.extract import LONGEST_TURN, is_command
from voicemind.mind.reflection.third_person import in_third_person, plain_statement, quoted
from voicemind.mind.reflection.words import STOP_WORDS, word_set
from voicemind.store.values import Turn

LONGEST_EPISODE = 340
"""Characters of a person's words in one episode; a longer story becomes several."""

LONGEST_CUE = 300
"""Characters that are taken from each neighbour, the nearest ones."""

_OWN = re.compile(r"\b(?:i|i['’]\w+|im|ive|my|mine|me|myself|we|we['’]\w+|us|our|ours)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your|yours|yourself|you['’]\w+|u)\b", re.IGNORECASE)
_UNREAL = re.compile(
    r"\b(?:imagine|pretend|suppos(?:e|ing)|hypothetically|what if|let['’]?s say|for example|as if|(?:just )?(?:kidding|joking)|i wish|"
    r"dream(?:t|ed)? (?:that|about)|in (?:my|the|a) (?:dream|story|book|game|film|movie|novel)|if (?:i|we) (?:were|was|had|could)|sarcasm|yeah,? right)\b",
    re.IGNORECASE,
)
_EMPTY = STOP_WORDS | word_set("""yep nope ok okay oh ah wow hey hi hello well really now still even much quite pretty super totally definitely
    absolutely always thanks thank glad happy great good nice cool awesome amazing fun sure sorry hope know think guess see agree love lovely
    wonderful sounds sound look looks like lot lots haha lol bye later soon take care right let get got going go feel feels felt one thing things
    something""")


@dataclass(frozen=True, slots=True)
class Episode:
    """What the person said in one turn about their life.

    `quotes` are their words, verbatim and in order; `text` is the entry: in the third person where the rules are sure,
    else word for word. `cue` are words near it, for finding it again alone.
    """

    turn: int
    text: str
    quotes: tuple[str, ...]
    cue: str


def episodes(
    turns: Sequence[Turn], *, refused: Iterable[int] = (), told: Mapping[int, Sequence[str]] | None = None
) -> tuple[Episode, ...]:
    """The episodes of a conversation's user turns.

    Turns in `refused` (what was said there reads like an instruction) yield none; nor do those whose every statement is
    among the quotes that `told` gives for the turn: what becomes a lasting entry anyway.
    """
    shut = set(refused)
    return tuple(
        episode
        for at, turn in enumerate(turns)
        if turn.role == "user" and turn.seq not in shut and not screen.is_tampered(turn.generated[:LONGEST_TURN])
        for episode in _of_turn(turn, (told or {}).get(turn.seq, ()), cue=_cue(turns, at, shut))
    )


def _of_turn(turn: Turn, told: Sequence[str], *, cue: str) -> Iterator[Episode]:
    said = turn.generated[:LONGEST_TURN]
    spans = [(start, end) for start, stop, end, asks in sentences(said) if not asks and _tells(said[start:stop])]
    for group in _grouped(spans):
        pieces = [said[start:end].strip() for start, end in group]
        if _is_worth_it(pieces) and not all(_is_told(piece, told) for piece in pieces):
            text = _text(pieces)
            if not screen.is_instruction(text):
                yield Episode(turn.seq, text, tuple(_joined(said, group)), cue)


def _tells(sentence: str) -> bool:
    """Whether a sentence states something: no question, command, secret, joke or courtesy, and not about the listener alone."""
    statement = plain_statement(sentence)
    if not statement or not _meaning(statement) or (_YOU.search(statement) and not _OWN.search(statement)):
        return False
    checks = (screen.is_question, screen.is_small_talk, screen.is_secret, screen.is_instruction, is_command)
    return not any(check(statement) for check in checks) and not _UNREAL.search(sentence)


def _grouped(spans: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    size = 0
    for start, end in spans:
        if group and size + end - start > LONGEST_EPISODE:
            yield group
            group, size = [], 0
        if end - start <= LONGEST_EPISODE:
            group.append((start, end))
            size += end - start
    if group:
        yield group


def _is_worth_it(pieces: Sequence[str]) -> bool:
    """Whether enough is said: two words that mean something where the person speaks of themselves, else three."""
    return len(_meaning(" ".join(pieces))) >= (2 if any(_OWN.search(piece) for piece in pieces) else 3)


def _meaning(text: str) -> set[str]:
    """The words that say more than "Wow, thanks"."""
    return {word for word in re.findall(r"\w+", text.lower()) if word not in _EMPTY and len(word) > 1}


def _is_told(piece: str, told: Sequence[str]) -> bool:
    """Whether nearly all of the words are those of lasting statements."""
    left = piece
    for quote in told:
        left = left.replace(quote, " ")
    return len(re.findall(r"\w+", left)) < 3


def _text(pieces: Sequence[str]) -> str:
    plain = [one_line(piece) for piece in pieces]
    rewritten = [in_third_person(plain_statement(piece)) for piece in plain]
    if all(rewritten):
        return " ".join(sentence for sentence in rewritten if sentence)
    return quoted(" ".join(plain))


def _joined(said: str, group: Sequence[tuple[int, int]]) -> Iterator[str]:
    """The words of neighbouring sentences as one quote."""
    first, last = group[0]
    for start, end in group[1:]:
        if start > last:
            yield said[first:last].strip()
            first = start
        last = end
    yield said[first:last].strip()


def _cue(turns: Sequence[Turn], at: int, shut: set[int]) -> str:
    """The end of the turn before and the beginning of the one after."""
    before = _near(turns[at - 1], shut)[-LONGEST_CUE:] if at else ""
    after = _near(turns[at + 1], shut)[:LONGEST_CUE] if at + 1 < len(turns) else ""
    return " ".join(f"{before} {after}".split())


def _near(turn: Turn, shut: set[int]) -> str:
    said = turn.reached
    if turn.seq in shut or screen.is_tampered(said) or screen.is_instruction(said) or screen.is_secret(said):
        return ""
    return one_line(said, limit=LONGEST_TURN)
