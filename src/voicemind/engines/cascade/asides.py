"""What waits for its moment: a greeting, a listener's "yes" that may have been an answer, and the words of somebody who is leaving. Pure."""

from __future__ import annotations

from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.words import plain


class Asides:
    """Of one conversation."""

    def __init__(self) -> None:
        self.greeting = ""
        """What is to be said as soon as nobody makes a sound."""
        self._agreed = ""
        self._agreed_s = 0.0

    def agreed(self, text: str, began_s: float) -> None:
        """Somebody said this while the agent spoke, from that second on: a listener's sound, or the answer to what is being asked."""
        self._agreed, self._agreed_s = text, began_s

    def disagreed(self) -> None:
        """It was no answer."""
        self._agreed = ""

    def answer(self, at_s: float, *, within_s: float) -> list[on.Command]:
        """The agent has asked something by now: what was said in its last seconds is the answer."""
        if not self._agreed or at_s - self._agreed_s > within_s:
            return []
        return [on.Keep(self._agreed, "speech")]


def still_kept(happening: on.Happening) -> list[on.Command]:
    """What is done while the person leaves: words are kept, nothing is answered."""
    match happening:
        case on.Recognised(_, text) if plain(text):
            return [on.Keep(text.strip(), "speech")]
        case on.Typed(text, message_id):
            return [on.Keep(text, "text", message_id)]
        case on.Interrupted():
            return [on.Hush(0)]
        case _:
            return []
