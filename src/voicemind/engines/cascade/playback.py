"""How far has a reply been played? Decided from its pace, from what the client tells, and from where it was cut and went on. Pure."""

from __future__ import annotations

from voicemind.engines.cascade.pace import Pace

LONGEST_REPLY_MS = 3_600_000.0
"""No reply sounds longer than an hour, whatever a client says."""
TRUSTED_S = 2.0
"""How long a client that tells how far it has played is believed to play on without telling: several of its reports may be late, but one that has
stopped must not be taken for one that plays."""
LONGEST_LAG_S = 1.0
"""How long the end of a reply is waited for where the client is behind, and how much of it may be taken for heard then."""


class Playback:
    """Positions are samples; those of the stream count what the client was given, those of the reply what of the reply it was.

    They differ once a word that was cut has been said again.
    """

    def __init__(self, rate_hz: int) -> None:
        self.pace = Pace(rate_hz)
        self._rate_hz = rate_hz
        self._told: int | None = None
        self._ever_told = False
        self._most_told = 0
        self._told_at = 0.0
        self._lag = 0
        self._again = 0
        """Samples of the stream that were said again; below 0 where the client had played on after the cut, and need not be given that again."""
        self._floor = 0
        """What of the stream was taken for played when the reply went on: told of less after that, it is nevertheless not said a third time."""
        self._cut: tuple[int, int, float] | None = None
        """Of the last cut: how much of the stream was out, how much of that had been said again, and the moment. Until the client throws it away, it plays on."""
        self._cut_at = self._reached = 0
        """Where the stream was cut; what of the reply has certainly sounded."""

    def told(self, ms: float, now: float) -> None:
        """The client says how much has left its loudspeaker. It never takes anything back, and is not believed to be ahead of what it was sent."""
        if not ms >= 0:
            return
        samples = int(min(ms, LONGEST_REPLY_MS) / 1000 * self._rate_hz)
        by_pace = self.pace.played(now)
        if self._cut and samples > by_pace:
            out, again, cut_at = self._cut
            most = min(out, self._cut_at + int((now - cut_at) * self._rate_hz))
            self._reached = max(self._reached, min(samples, most) - again)
        else:
            self._reached = max(self._reached, min(samples, by_pace) - self._again)
        self._told = self._most_told = max(self._most_told, samples)
        self._ever_told = True
        self._told_at = now
        self._lag = max(0, self.pace.played(now) - self._told)

    def position(self, now: float) -> int:
        """How much of the stream has sounded."""
        by_pace = self.pace.played(now)
        if self._told is None:
            return by_pace
        ahead = int(min(now - self._told_at, TRUSTED_S) * self._rate_hz)
        return min(by_pace, max(self._floor, self._told, min(by_pace - self._lag, self._told + ahead)))

    def played(self, now: float) -> int:
        """How much of the reply has sounded."""
        return max(self._reached, self.position(now) - self._again)

    def owes_word(self) -> bool:
        """Whether a client that tells how far it plays has not told how far it had played when it was cut."""
        return self._ever_told and self._told is None

    def reached_end(self, now: float) -> bool:
        """Whether all that was sent may be taken for heard, once it has had its time: a client that tells must have told of nearly all of it, one that
        never did is believed. Of sound that is shorter than the lag itself, half must have been played."""
        sent = self.pace.position
        return not self._ever_told or sent - self.position(now) <= min(LONGEST_LAG_S * self._rate_hz, sent / 2)

    def stop(self, now: float) -> None:
        """The client throws away what it has not played; it may still tell that this was more than is known."""
        position = self.position(now)
        self._cut, self._cut_at = (self.pace.position, self._again, now), position
        self._settle(position)

    def go_on(self, begin: int, now: float) -> None:
        """What comes next in the stream is the reply from sample `begin` on."""
        position = self.position(now)
        self._settle(position)
        self._again, self._floor = position - begin, position

    def _settle(self, position: int) -> None:
        self.pace.stop(position)
        self._told, self._lag = None, 0

    def silent_at(self) -> float:
        """The moment at which the client has played everything, as far as it is known."""
        return self.pace.silent_at() + min(self._lag / self._rate_hz, LONGEST_LAG_S)
