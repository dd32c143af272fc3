"""Ends an answer before a stop string, wherever the network cut it."""

from __future__ import annotations

from collections.abc import Sequence

from voicemind.llm.contract import TextDelta, ToolCall


class Cutter:
    """Ends a text before a stop string, also where the service does not: it holds back what may become one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held: str = ""
        self.over = False

    def feed(self, pieces: Sequence[TextDelta | ToolCall]) -> Sequence[TextDelta | ToolCall]:
        """What may be given on now, words next to each other joined; a refusal's words and calls are not cut."""
        if len(pieces) < 2 and not self._stops:
            return pieces
        given: list[TextDelta | ToolCall] = []
        said: list[str] = []
        for piece in pieces:
            if isinstance(piece, TextDelta) and not piece.is_refusal:
                said.append(piece.text)
                continue
            _say(given, self._cut("".join(said)))
            if self.over:
                return given
            _say(given, self.rest())
            said = []
            given.append(piece)
        _say(given, self._cut("".join(said)))
        return given

    def rest(self) -> str:
        """What was held back for nothing."""
        held, self._held = self._held, ""
        return held

    def _cut(self, text: str) -> str:
        if not self._stops or not text:
            return text
        text = self._held + text
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self._held, self.over = "", True
            return text[: min(places)]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _say(given: list[TextDelta | ToolCall], text: str) -> None:
    if text:
        given.append(TextDelta(text))


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text begin the stop string."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
