"""The files of a recording: its sound, where in it each turn is, and its outline. Everything here waits for the disk, in a worker thread."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from voicemind.engines.contract import AgentSound, AgentTurn, Ducked, Hushed, UserTurn
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.tracks import SETTLED_AFTER_S, Span, Tracks
from voicemind.speech.wavfile import FRAME_BYTES, GrowingWav, duration_ms, peaks
from voicemind.store.values import Turn

Happening = bytes | AgentSound | Hushed | Ducked | UserTurn | AgentTurn
HAPPENINGS = (AgentSound, Hushed, Ducked, UserTurn, AgentTurn)
PAUSE_SAMPLES = INPUT_RATE_HZ
"""Silence between two sessions of one conversation."""
_SOUND, _TURNS, _OUTLINE = ".wav", ".turns", ".peaks"


class Trimmed(Exception):
    """The recording has reached its largest size: it ends there."""


class Place(msgspec.Struct, frozen=True):
    """Where in a recording a turn is, in milliseconds."""

    turn: int
    role: str
    start_ms: int
    end_ms: int


class Shelf:
    """A folder of recordings, for its owner's eyes only. Names are 32 hexadecimal digits. Its methods raise OSError unless they say otherwise."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def wav(self, name: str) -> Path:
        """The file of the sound; it need not exist."""
        return self._folder / f"{name}{_SOUND}"

    def made(self) -> None:
        """Make the folder where there is none."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(self, name: str, places: Sequence[Place]) -> None:
        """Put down where turns are: a line for each, so that nothing is lost with the process."""
        lines = b"".join(b"\n" + msgspec.json.encode(place) + b"\n" for place in places)
        with open(self._folder / f"{name}{_TURNS}", "ab", opener=_private) as file:
            file.write(lines)

    def places(self, name: str) -> list[Place]:
        """Where each turn is, in order; a line that its writer did not finish is left out."""
        path = self._folder / f"{name}{_TURNS}"
        if not path.is_file():
            return []
        found: dict[int, Place] = {}
        for line in path.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                place = msgspec.json.decode(line, type=Place)
                found[place.turn] = place
        return [found[turn] for turn in sorted(found)]

    def duration_ms(self, name: str) -> int:
        """How long it sounds."""
        return duration_ms(self.wav(name))

    def outline(self, name: str) -> bytes:
        """The JSON of its outline: what was kept at its end, or made now of a recording that goes on or was never finished."""
        path = self._folder / f"{name}{_OUTLINE}"
        return path.read_bytes() if path.is_file() else msgspec.json.encode(peaks(self.wav(name)))

    def finish(self, name: str) -> None:
        """Keep the outline."""
        content = self.outline(name)
        with open(self._folder / f"{name}{_OUTLINE}", "wb", opener=_private) as file:
            file.write(content)

    def begin(self, name: str) -> GrowingWav:
        """Open the sound; what was kept at its last end holds no more."""
        self.made()
        (self._folder / f"{name}{_OUTLINE}").unlink(missing_ok=True)
        return GrowingWav(self.wav(name))

    def listed(self) -> dict[str, float]:
        """The names of which there is any file, and when its newest was written, in seconds since 1970."""
        found: dict[str, float] = {}
        if not self._folder.is_dir():
            return found
        with os.scandir(self._folder) as files:
            for file in files:
                name = file.name.partition(".")[0]
                try:
                    written = file.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:  # it went meanwhile
                    continue
                except OSError:  # of unknown age: never too old
                    written = math.inf
                found[name] = max(found.get(name, 0.0), written)
        return found

    def remove(self, names: Collection[str]) -> bool:
        """Take these away; False where one could not be. Raises nothing."""
        done = True
        for name in names:
            for suffix in (_OUTLINE, _TURNS, _SOUND):
                try:
                    (self._folder / f"{name}{suffix}").unlink(missing_ok=True)
                except OSError:
                    done = False
        return done


class Tape:
    """One session's part of a recording. Raises OSError where the disk does, Trimmed at its largest size; then it is closed."""

    def __init__(self, shelf: Shelf, name: str, *, began_s: float, largest_bytes: int) -> None:
        self._shelf, self._name = shelf, name
        self._began_s, self._largest_bytes = began_s, largest_bytes
        self._tracks = Tracks()
        self._file: GrowingWav | None = None
        self._before = 0
        """Samples that earlier sessions have put into the file, and a pause."""
        self._is_closed = False

    def write(self, noted: Sequence[tuple[float, Happening]], *, now_s: float, is_over: bool) -> None:
        """Write what happened up to `now_s`, but for what may still change; with `is_over`, everything, and close."""
        if self._is_closed:
            return
        try:
            file = self._opened()
            places = [place for at_s, happening in noted if (place := self._happen(happening, self._at(at_s)))]
            if places:
                self._shelf.note(self._name, places)
            until = max(self._at(now_s), self._tracks.person.end) if is_over else self._at(now_s - SETTLED_AFTER_S)
            self._append(file, self._tracks.take(until))
            if is_over:
                self.drop()
                self._shelf.finish(self._name)
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Write nothing more."""
        self._is_closed = True
        if self._file is not None:
            self._file.close()

    def _opened(self) -> GrowingWav:
        if self._file is None:
            self._file = self._shelf.begin(self._name)
            if self._file.samples:
                self._append(self._file, bytes(PAUSE_SAMPLES * FRAME_BYTES))
            self._before = self._file.samples
        return self._file

    def _append(self, file: GrowingWav, sound: bytes) -> None:
        room = max(self._largest_bytes - file.bytes, 0) // FRAME_BYTES * FRAME_BYTES
        file.append(sound[:room])
        if len(sound) > room:
            self.drop()
            self._shelf.finish(self._name)
            raise Trimmed

    def _at(self, at_s: float) -> int:
        return round((at_s - self._began_s) * INPUT_RATE_HZ)

    def _happen(self, happening: Happening, at: int) -> Place | None:
        """Where the turn is that this stores, if it stores one."""
        person, agent = self._tracks.person, self._tracks.agent
        match happening:
            case bytes():
                person.hear(happening, at=at)
            case AgentSound(generation, position, pcm):
                agent.say(generation, position, pcm, at=at)
            case Hushed(generation):
                agent.hush(generation, at=at)
            case Ducked(_, is_soft):
                agent.soften(at=at, is_soft=is_soft)
            case UserTurn(turn):
                return self._place(turn, person.said(by=at) if turn.modality == "speech" else Span(at, at))
            case AgentTurn(generation, turn):
                return self._place(turn, agent.said(generation, by=at))
        return None

    def _place(self, turn: Turn, span: Span) -> Place:
        start, end = (max(one + self._before, 0) * 1000 // INPUT_RATE_HZ for one in (span.start, span.end))
        return Place(turn.seq, turn.role, start, end)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
