"""Which stored turns a telling of the talk tells again, and where the two part ways. Pure.

A platform may tell only the newest part of a talk, break what one side said into other pieces, leave out what nobody heard, and cut what
was cut. So turns are compared by their words in order, and never by their number. Only turns with words are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voicemind.conversation.beginnings import Turns, likely_starts
from voicemind.conversation.told import Run, Told
from voicemind.conversation.wording import Effort, Shown, shown, sounded, spelled
from voicemind.store.turn_edits import HeardTurn, RewordedTurn
from voicemind.store.values import Turn


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a run of the person's words goes along the stored turns.

    `users` are the places of the person's turns it says, `unheard` those of the agent's between them, and `rest` the words (as `spelled`)
    that are left.
    """

    users: tuple[int, ...]
    unheard: tuple[int, ...]
    rest: str


@dataclass(slots=True)
class Walk:
    """A way along stored turns and a telling, side by side.

    The telling begins at the place `start`; `at` is the place behind what it tells. `told` is what has no stored turn; `cut` is the place
    from which on the stored turns are contradicted by that. `matched` counts what is the same in both.
    """

    start: int = 0
    at: int = 0
    matched: int = 0
    is_smooth: bool = True
    edits: dict[int, HeardTurn | RewordedTurn] = field(default_factory=dict[int, HeardTurn | RewordedTurn])
    told: list[Told] = field(default_factory=list[Told])
    cut: int | None = None


def next_of_person(turns: Sequence[Turn], at: int) -> int | None:
    """The place of the person's next turn."""
    return next((place for place in range(at, len(turns)) if turns[place].role == "user"), None)


def take(turns: Turns, at: int, run: Run) -> Taken:
    """Follow the person's words from the place `at` on."""
    following = next_of_person(turns, at)
    if following is None:
        return Taken((), (), run.spelled)
    if run.spelled == turns.key(following):
        return Taken((following,), tuple(range(at, following)), "")
    rest = run.spelled
    users: list[int] = []
    unheard: list[int] = []
    while following is not None and rest:
        words = turns.key(following)
        if not rest.startswith(words):
            break
        unheard += range(users[-1] + 1 if users else at, following)
        users.append(following)
        rest = rest[len(words) :]
        following = next_of_person(turns, following + 1)
    return Taken(tuple(users), tuple(unheard), rest)


def boundary(turns: Turns, places: Sequence[int], ask: Run) -> tuple[int, int]:
    """How many of the person's sayings are how many of the turns at these places, whole."""
    best, texts, users = (0, 0), 0, 0
    told = stored = ""
    while texts < len(ask.texts) and users < len(places):
        told += spelled(ask.texts[texts])
        texts += 1
        while users < len(places) and len(stored) < len(told):
            stored += turns.key(places[users])
            users += 1
        if told == stored:
            best = (texts, users)
    return best


def best_walk(turns: Turns, past: Sequence[Run], ask: Run | None) -> Walk | None:
    """The way on which the most is the same; None where nothing is. From the very beginning where that is as good as any other."""
    first = _walk(turns, past, 0)
    if first.is_smooth and first.matched:
        return first
    best, score = first, _score(turns, first, ask)
    for place, skipped in likely_starts(turns, past, lambda place, run: _begins(turns, place, run)):
        most = 2 * min(len(turns) - place, len(past) - skipped) + 2 - skipped
        if most < max(score, 1) or (most == score and best is first):
            continue
        walk = _walk(turns, past[skipped:], place)
        found = _score(turns, walk, ask) - skipped
        if found >= max(score, 1) and (found > score or best is not first):
            best, score = walk, found
    if len(past) == 1 and ask and not score:  # the greeting was told to nobody so far
        taken = take(turns, 0, ask)
        return Walk() if taken.users and not taken.rest else None
    return best if score else None


def heard(turn: Turn, words: str) -> HeardTurn | None:
    """The edit that is needed so that the person heard these words of the agent's turn."""
    unsure = turn.heard is None and turn.interrupted
    known = turn.generated if turn.heard is None else turn.heard
    if not unsure and (known.strip() == words.strip() or (bool(words.strip()) and sounded(known) == sounded(words))):
        return None
    return HeardTurn(turn.seq, words)


def _begins(turns: Turns, place: int, run: Run) -> bool:
    turn = turns[place]
    if turn.role != run.side:
        return False
    if run.side == "user":
        return not take(turns, place, run).rest
    ours = turns.key(place)
    return ours.startswith(run.beginning) or run.sounded.startswith(ours)


def _score(turns: Turns, walk: Walk, ask: Run | None) -> int:
    same = 2 * walk.matched - sum(isinstance(edit, RewordedTurn) for edit in walk.edits.values())
    if ask is None or walk.told:
        return same
    taken = take(turns, walk.at, ask)
    return same + 2 * (bool(taken.users) and not taken.rest)


def _walk(turns: Turns, runs: Sequence[Run], start: int) -> Walk:
    walk = Walk(start, start)
    for number, run in enumerate(runs):
        if _is_the_same(turns, walk.at, run):  # as nearly everything is
            walk.at, walk.matched = walk.at + 1, walk.matched + 1
            continue
        if walk.at == len(turns):
            walk.told += [part for later in runs[number:] for part in later.parts]
            break
        follows = runs[number + 1] if number + 1 < len(runs) else None
        goes_on = _tell_person(walk, turns, run, follows) if run.side == "user" else _tell_agent(walk, turns, run)
        if not goes_on:
            walk.told += [part for later in runs[number:] for part in later.parts]
            break
        if walk.told:
            walk.told += [part for later in runs[number + 1 :] for part in later.parts]
            break
    return walk


def _is_the_same(turns: Turns, at: int, run: Run) -> bool:
    """Whether a run is the turn at this place, letter for letter, and changes nothing of it."""
    if at == len(turns) or len(run.parts) != 1:
        return False
    turn = turns[at]
    if turn.role == "user":
        return run.side == "user" and run.parts[0].text == turn.generated.strip()
    if run.side == "user" or (at + 1 < len(turns) and turns[at + 1].role == "agent"):
        return False
    return bool(run.parts[0].text) and run.parts[0].text == turn.reached.strip()


def _tell_person(walk: Walk, turns: Turns, run: Run, follows: Run | None) -> bool:
    """Go along the person's words; False where the stored turns go on otherwise."""
    taken = take(turns, walk.at, run)
    if taken.users and not taken.rest:
        unheard(walk, turns, [place for place in taken.unheard if place >= walk.start and walk.matched])
        walk.at, walk.matched = taken.users[-1] + 1, walk.matched + 1
        return True
    walk.is_smooth = False
    following = next_of_person(turns, walk.at)
    if following is not None and follows is not None:
        end = following
        while end < len(turns) and turns[end].role == "user":
            end += 1
        replies = turns[end : next_of_person(turns, end)]
        if replies and shown([turn.generated for turn in replies], follows.texts, effort=turns.effort).any:
            if end - following == 1:  # the reply is the same: the words before it were recognised better
                walk.edits[turns[following].seq] = RewordedTurn(turns[following].seq, run.text)
            walk.at = end
            return True
    walk.cut = walk.at if walk.matched or following is None else following
    return False


def _tell_agent(walk: Walk, turns: Turns, run: Run) -> bool:
    """Go along the agent's words; False where they are none of ours and nothing follows them."""
    following = next_of_person(turns, walk.at)
    end = len(turns) if following is None else following
    if end == walk.at:  # said by the platform alone
        walk.is_smooth = False
        return True
    ours = turns[walk.at : end]
    seen = _seen(ours, run, turns.effort)
    if not seen.any:
        walk.is_smooth = False
        if following is None:
            walk.cut = walk.at
            return False
        walk.at = end
        return True
    first = next(place for place, words in enumerate(seen.heard) if words)
    last = max(place for place, words in enumerate(seen.heard) if words)
    if not walk.matched and walk.at == walk.start:  # a telling of the newest part begins anywhere
        walk.start += first
    else:
        first = 0
    for place, words in enumerate(seen.heard):
        if first <= place <= last or (place > last and following is not None):
            edit = heard(ours[place], words)
            if edit:
                walk.edits[edit.seq] = edit
    walk.at = end if following is not None else walk.at + last + 1
    walk.matched += 1
    if seen.rest and following is None:
        walk.cut = walk.at if walk.at < len(turns) else None
        walk.told.append(Told("agent", seen.rest))
    return True


def _seen(ours: Sequence[Turn], run: Run, effort: Effort) -> Shown:
    if len(ours) == 1 and ours[0].heard is not None and [ours[0].heard.strip()] == run.texts:
        return Shown((ours[0].heard,))
    return shown([turn.generated for turn in ours], run.texts, effort=effort)


def unheard(walk: Walk, turns: Sequence[Turn], places: Sequence[int]) -> None:
    """The turns at these places stay, and nobody heard them."""
    for place in places:
        edit = heard(turns[place], "")
        if edit:
            walk.edits[edit.seq] = edit
