"""What Silero remembers of every microphone, and the judging of one window of each in a single call. Never waits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voicemind.speech.vad.silero_graph import CONTEXT, SOUND, STATE, WINDOW

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

CALM = 0.1
"""Less likely than this, a window counts as calm."""
SETTLED = 8
"""After so many calm windows in a row (256 ms) the model's memory is that of a silence."""
NEAR_DB = 3.0
"""What is no louder than the room by this much ..."""
QUIET_DB = -45.0
"""... and quieter than this, of full scale, is not worth asking about in a settled silence."""
FLOOR_FALL = 0.3
FLOOR_RISE_DB = 0.06
"""A calm window raises the floor by this much (about 2 dB a second)."""
_SILENCE = 0.0005**2
"""Mean square of full scale, -66 dB: nobody speaks so softly."""
_FIRST_PLACES = 16


class Ears:
    """A place for each microphone. The model is asked only where the energy of a window says that it may be more than the room.

    In a settled silence, a window within `NEAR_DB` of the room's own noise, and below `QUIET_DB`, has likelihood 0 without asking.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._free: list[int] = []
        self._contexts = np.zeros((0, CONTEXT), dtype=np.float32)
        self._states = np.zeros((0, STATE), dtype=np.float32)
        self._floors_db = np.zeros(0, dtype=np.float32)
        self._calm = np.zeros(0, dtype=np.int32)

    def opened(self) -> int:
        """A fresh place."""
        if not self._free:
            self._grow()
        place = self._free.pop()
        self._contexts[place], self._states[place] = 0.0, 0.0
        self._floors_db[place], self._calm[place] = 0.0, 0
        return place

    def closed(self, place: int) -> None:
        """Nobody is at this place any longer."""
        self._free.append(place)

    def judge(self, places: Places, windows: Floats) -> Floats:
        """One window of each of these places, which differ, shape (n, 512); how likely each is speech, shape (n,). Raises what the session raises."""
        power = np.einsum("ij,ij->i", windows, windows) / WINDOW
        levels_db = 10 * np.log10(power + 1e-12)
        floors_db, calm = self._floors_db[places], self._calm[places]
        is_room = (calm >= SETTLED) & (levels_db < floors_db + NEAR_DB) & (levels_db < QUIET_DB)
        asked = np.flatnonzero(~(is_room | (power < _SILENCE)))
        likelihoods = np.zeros(len(places), dtype=np.float32)
        if asked.size:
            likelihoods[asked] = self._asked(places[asked], windows[asked])
        self._contexts[places] = windows[:, -CONTEXT:]
        is_calm = likelihoods < CALM
        self._calm[places] = np.where(is_calm, calm + 1, 0)
        risen_db = np.minimum(floors_db + FLOOR_RISE_DB, levels_db)
        fallen_db = floors_db + FLOOR_FALL * (levels_db - floors_db)
        followed_db = np.where(levels_db < floors_db, fallen_db, risen_db)
        self._floors_db[places] = np.where(is_calm, followed_db, floors_db)
        return likelihoods

    def _asked(self, places: Places, windows: Floats) -> Floats:
        sound = np.empty((len(places), SOUND), dtype=np.float32)
        sound[:, :CONTEXT] = self._contexts[places]
        sound[:, CONTEXT : CONTEXT + WINDOW] = windows
        sound[:, CONTEXT + WINDOW :] = sound[:, CONTEXT + WINDOW - 2 : WINDOW - 2 : -1]
        given = {"sound": sound, "state": self._states[places]}
        likelihoods, self._states[places] = self._session.run(["likelihood", "next"], given)
        judged: Floats = likelihoods[:, 0]
        return judged

    def _grow(self) -> None:
        had = len(self._calm)
        more = had or _FIRST_PLACES
        self._free.extend(range(had + more - 1, had - 1, -1))
        self._contexts = np.concatenate((self._contexts, np.zeros((more, CONTEXT), dtype=np.float32)))
        self._states = np.concatenate((self._states, np.zeros((more, STATE), dtype=np.float32)))
        self._floors_db = np.concatenate((self._floors_db, np.zeros(more, dtype=np.float32)))
        self._calm = np.concatenate((self._calm, np.zeros(more, dtype=np.int32)))
