"""A recording's files, at times that the test chooses: what is in them at each moment, and after the writer's death."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from voicemind.clock import utc_now
from voicemind.conversation.tape import Happening, Place, Shelf, Tape, Trimmed
from voicemind.engines.contract import AgentSound, AgentTurn, Hushed, UserTurn
from voicemind.speech.audio import Pcm
from voicemind.store.values import Modality, Role, Turn

RATE = 16_000
NAME = "0" * 32
FRAME_S = 0.04
LARGE = 1 << 30


def tone(seconds: float, rate: int = RATE) -> bytes:
    return (np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate) * 9000).astype("<i2").tobytes()


def speaking(start_s: float, seconds: float) -> list[tuple[float, Happening]]:
    """The person, in frames of 20 ms that arrive when they are complete."""
    sound = tone(seconds)
    return [
        (start_s + (number + 1) * 0.02, sound[number * 640 : (number + 1) * 640]) for number in range(len(sound) // 640)
    ]


def answering(generation: int, start_s: float, seconds: float) -> list[tuple[float, Happening]]:
    """A reply at 24 kHz, sent 400 ms ahead."""
    sound = tone(seconds, 24_000)
    return [
        (
            max(start_s, start_s + number * FRAME_S - 0.4),
            AgentSound(generation, number * 960, Pcm(sound[number * 1920 : (number + 1) * 1920], 24_000)),
        )
        for number in range(len(sound) // 1920)
    ]


def turn(seq: int, role: Role, *, modality: Modality = "speech") -> Turn:
    return Turn(seq, role, "Something.", "Something.", interrupted=False, modality=modality, created_at=utc_now())


def played(shelf: Shelf) -> npt.NDArray[np.int16]:
    with wave.open(str(shelf.wav(NAME))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def onset_s(side: npt.NDArray[np.int16], after_s: float = 0.0) -> float:
    first = round(after_s * RATE)
    return (first + int(np.argmax(np.abs(side[first:].astype(np.int32)) > 1000))) / RATE


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "recordings")


def tape(shelf: Shelf, *, began_s: float = 100.0, largest_bytes: int = LARGE) -> Tape:
    return Tape(shelf, NAME, began_s=began_s, largest_bytes=largest_bytes)


def write(one: Tape, noted: list[tuple[float, Happening]], *, until_s: float) -> None:
    """As the flushes do: second by second, then the end."""
    noted = sorted(noted, key=lambda pair: pair[0])
    at_s = 100.0
    while at_s < until_s:
        due = [pair for pair in noted if at_s <= pair[0] < at_s + 1]
        at_s += 1
        one.write(due, now_s=at_s, is_over=False)
    one.write([pair for pair in noted if pair[0] >= at_s], now_s=until_s, is_over=True)


def test_both_sides_and_their_turns_are_where_they_sounded(shelf: Shelf) -> None:
    noted = [
        *speaking(101.0, 1.5),
        (103.0, UserTurn(turn(1, "user"))),
        *answering(1, 103.5, 2.0),
        (105.5, AgentTurn(1, turn(2, "agent"))),
        *speaking(107.0, 1.0),
        (108.4, UserTurn(turn(3, "user"))),
        (109.0, UserTurn(turn(4, "user", modality="text"))),
    ]
    write(tape(shelf), noted, until_s=110.0)
    sound = played(shelf)
    assert len(sound) == 10 * RATE
    assert onset_s(sound[:, 0]) == pytest.approx(1.0, abs=FRAME_S)
    assert onset_s(sound[:, 1]) == pytest.approx(3.5, abs=FRAME_S)
    assert onset_s(sound[:, 0], after_s=4.0) == pytest.approx(7.0, abs=FRAME_S)
    assert shelf.duration_ms(NAME) == 10_000
    places = shelf.places(NAME)
    assert [(place.turn, place.role) for place in places] == [(1, "user"), (2, "agent"), (3, "user"), (4, "user")]
    found = [at for place in places for at in (place.start_ms, place.end_ms)]
    assert found == pytest.approx([1000, 2500, 3500, 5500, 7000, 8000, 9000, 9000], abs=FRAME_S * 1000)


def test_an_interrupted_reply_ends_where_it_was_cut(shelf: Shelf) -> None:
    noted = [*answering(1, 101.0, 5.0)]
    noted = [pair for pair in noted if pair[0] < 102.2]
    noted += [(102.2, Hushed(1)), (102.21, AgentTurn(1, turn(1, "agent")))]
    write(tape(shelf), noted, until_s=106.0)
    right = played(shelf)[:, 1]
    assert np.abs(right[round(2.15 * RATE) : round(2.19 * RATE)]).max() > 1000
    assert not right[round(2.21 * RATE) :].any()
    assert shelf.places(NAME) == [Place(1, "agent", 1000, 2200)]


def test_a_second_session_goes_on_behind_the_first(shelf: Shelf) -> None:
    first = [*speaking(100.5, 1.0), (101.8, UserTurn(turn(1, "user")))]
    write(tape(shelf), first, until_s=103.0)
    second = [*speaking(100.5, 1.0), (101.8, UserTurn(turn(2, "user")))]
    write(tape(shelf), second, until_s=103.0)
    sound = played(shelf)
    assert len(sound) == 7 * RATE
    assert [place.start_ms for place in shelf.places(NAME)] == pytest.approx([500, 4500], abs=FRAME_S * 1000)
    assert onset_s(sound[:, 0], after_s=2.0) == pytest.approx(4.5, abs=FRAME_S)


def test_at_its_largest_size_a_recording_ends_and_can_be_played(shelf: Shelf) -> None:
    one = tape(shelf, largest_bytes=3 * RATE * 4)
    with pytest.raises(Trimmed):
        write(one, speaking(100.0, 9.0), until_s=110.0)
    one.write(speaking(111.0, 1.0), now_s=112.0, is_over=True)
    assert len(played(shelf)) == 3 * RATE
    assert b'"length":60' in shelf.outline(NAME)
    another = tape(shelf, largest_bytes=3 * RATE * 4)
    with pytest.raises(Trimmed):
        write(another, [], until_s=102.0)
    assert len(played(shelf)) == 3 * RATE


def test_a_writer_that_dies_leaves_what_had_sounded_two_seconds_before(shelf: Shelf) -> None:
    noted = [*speaking(100.0, 6.0), (101.0, UserTurn(turn(1, "user")))]
    one = tape(shelf)
    one.write([pair for pair in noted if pair[0] < 106.0], now_s=106.0, is_over=False)
    assert len(played(shelf)) == 4 * RATE
    assert np.abs(played(shelf)[:, 0]).max() > 8000
    assert [place.turn for place in shelf.places(NAME)] == [1]
    with shelf.wav(NAME).with_suffix(".turns").open("ab") as file:
        file.write(b'{"turn":2,"ro')
    assert [place.turn for place in shelf.places(NAME)] == [1]
    assert b'"length":80' in shelf.outline(NAME)
    write(tape(shelf), [*speaking(100.5, 1.0), (101.8, UserTurn(turn(3, "user")))], until_s=103.0)
    assert [place.turn for place in shelf.places(NAME)] == [1, 3]
    assert len(played(shelf)) == (4 + 1 + 3) * RATE


def test_files_are_for_their_owner_alone_and_go_together(shelf: Shelf) -> None:
    write(tape(shelf), [*speaking(100.5, 1.0), (101.8, UserTurn(turn(1, "user")))], until_s=103.0)
    folder = shelf.wav(NAME).parent
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".peaks", ".turns", ".wav"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(shelf.listed()) == [NAME]
    assert shelf.remove([NAME])
    assert list(folder.iterdir()) == []
