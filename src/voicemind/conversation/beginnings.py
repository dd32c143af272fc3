"""Where in a stored talk a telling of its newest part may begin: few places, since each is then looked at closely. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voicemind.conversation.told import Run
from voicemind.conversation.wording import Effort, sounded, spelled
from voicemind.store.values import Turn

LIKELY = 12
"""Of the places that begin as the telling does, so many are looked at: those from which on the most is told word for word."""
AT_THE_ENDS = 4
"""So many of the first and of the last places as well, for a telling in other words."""


class Turns(list[Turn]):
    """Turns with words, which remember what they are compared by. For one thread and one request."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        super().__init__(turns)
        self.effort = Effort()
        self._keys: dict[int, str] = {}

    def key(self, place: int) -> str:
        """What was said at this place, `spelled` or `sounded`."""
        key = self._keys.get(place)
        if key is None:
            turn = self[place]
            key = (spelled if turn.role == "user" else sounded)(turn.generated)
            self._keys[place] = key
        return key


def few(places: Sequence[int]) -> Sequence[int]:
    """The first and the last of many places."""
    return places if len(places) <= 2 * LIKELY else (*places[:LIKELY], *places[-LIKELY:])


def likely_starts(turns: Turns, past: Sequence[Run], begins: Callable[[int, Run], bool]) -> list[tuple[int, int]]:
    """Places, in order, with how many runs at the beginning of the telling are skipped there: none or one."""
    found: list[tuple[int, int]] = []
    for skipped in range(min(2, len(past))):
        places = [place for place in range(1 - skipped, len(turns)) if begins(place, past[skipped])]
        if len(places) > LIKELY + 2 * AT_THE_ENDS:
            places = _likely(places, told_from(turns, past[skipped:]))
        found += [(place, skipped) for place in places]
    return sorted(found)


def told_from(turns: Turns, runs: Sequence[Run]) -> list[int]:
    """How many sayings from each place on are told word for word, by the Z algorithm: in linear time."""
    told = [
        (part.side, spelled(part.text) if part.side == "user" else sounded(part.text))
        for run in runs
        for part in run.parts
        if part.text
    ]
    stored = [(turn.role, turns.key(place)) for place, turn in enumerate(turns)]
    line: list[tuple[str, str] | None] = [*told, None, *stored]
    same = [0] * len(line)
    left = right = 0
    for at in range(1, len(line)):
        length = min(right - at, same[at - left]) if at < right else 0
        while at + length < len(line) and line[length] == line[at + length]:
            length += 1
        same[at] = length
        if at + length > right:
            left, right = at, at + length
    return same[len(told) + 1 :]


def _likely(places: Sequence[int], told: Sequence[int]) -> list[int]:
    """The places at both ends, and those from which on the most is told; of equals, the later ones."""
    ranked = sorted(places, key=lambda place: (told[place], place))
    return list({*ranked[-LIKELY:], *places[:AT_THE_ENDS], *places[-AT_THE_ENDS:]})
