"""How a reply sounds: as usual, softer, or not at all for now. Knows how it is, and commands what is missing to how it should be. Pure."""

from __future__ import annotations

from voicemind.engines.cascade.happenings import Duck, GoOn, Hold
from voicemind.engines.cascade.voice import Contest


class Posture:
    """Of the newest reply."""

    def __init__(self) -> None:
        self.held = False
        self.held_aloud = False
        """Whether it was held when some of it was out already."""
        self.soft = False

    def reset(self) -> None:
        """Another reply, or none: as usual."""
        self.held = self.held_aloud = self.soft = False

    def adjust(self, reply: int, contest: Contest, *, is_aloud: bool, must_wait: bool) -> list[Duck | Hold | GoOn]:
        """What to do. `is_aloud`: some of the reply is out; `must_wait`: it may not sound, whoever contends.

        A reply that has not begun to sound waits where one that sounds is only made softer.
        """
        if must_wait or contest is Contest.CONFIRMED or (contest is Contest.SUSPECTED and not is_aloud):
            if self.held and self.held_aloud == is_aloud:
                return []
            self.held, self.held_aloud = True, is_aloud
            return [Hold(reply, is_aloud)]
        commands: list[Duck | Hold | GoOn] = []
        if self.soft != (is_aloud and contest is Contest.SUSPECTED):
            self.soft = not self.soft
            commands.append(Duck(reply, self.soft))
        if self.held:
            self.held = self.held_aloud = False
            commands.append(GoOn(reply))
        return commands
