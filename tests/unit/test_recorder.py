"""What a recorder keeps while the disk hangs, and the moment at which nobody waits for its writer any more."""

from pathlib import Path

import pytest

from voicemind.clock import monotonic_s
from voicemind.conversation.recorder import NOTES_LIMIT_BYTES, Recorder, Work
from voicemind.conversation.tape import Shelf, Tape

FRAME = bytes(640)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder("0" * 32, Tape(Shelf(tmp_path), "0" * 32, began_s=monotonic_s(), largest_bytes=1 << 30))


def test_no_more_is_kept_than_the_limit_and_then_nothing(tmp_path: Path, recorder: Recorder) -> None:
    frames = 0
    while not recorder.stopped:
        recorder.note(FRAME)
        frames += 1
    assert recorder.stopped == "slow"
    assert NOTES_LIMIT_BYTES // 2 < frames * len(FRAME) <= NOTES_LIMIT_BYTES
    recorder.note(FRAME)
    recorder.write()
    assert recorder.is_closed
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_makes_room_for_more(recorder: Recorder) -> None:
    for _ in range(3):
        for _ in range(NOTES_LIMIT_BYTES // len(FRAME) // 2):
            recorder.note(FRAME)
        recorder.write()
        assert recorder.stopped == ""
    recorder.is_over = True
    recorder.write()
    assert recorder.is_closed


def test_work_that_was_called_off_before_it_began_is_never_begun(tmp_path: Path, recorder: Recorder) -> None:
    recorder.note(FRAME)
    work = Work([recorder])
    work.call_off()
    assert work.is_done
    work.do()
    assert list(tmp_path.iterdir()) == []
    Work([recorder]).do()
    assert list(tmp_path.iterdir())
    recorder.drop()
    recorder.write()
