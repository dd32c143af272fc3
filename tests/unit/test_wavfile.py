"""A WAV file that grows: whoever opens it at any moment can play it, also when its writer was killed in the middle."""

import os
import subprocess
import sys
import textwrap
import wave
from pathlib import Path

import numpy as np
import pytest

from voicemind.speech.wavfile import HEADER_BYTES, PIXEL, GrowingWav, duration_ms, header, peaks

KILLED_IN_THE_MIDDLE = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from voicemind.speech.wavfile import GrowingWav
    file = GrowingWav(Path(sys.argv[1]))
    for second in range(5):
        file.append(bytes([second + 1, 0]) * 32000)
    written = os.pwrite
    def torn(descriptor, content, at):
        written(descriptor, bytes(content)[: len(content) // 2 + 1], at)
        os.kill(os.getpid(), signal.SIGKILL)
    os.pwrite = torn
    file.append(bytes([9, 0]) * 32000)
""")


def played(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Both sides, as the standard library reads them."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def test_it_can_be_played_after_every_piece(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    file = GrowingWav(path)
    assert len(played(path)) == 0
    for number in range(1, 5):
        file.append(np.full((1600, 2), number, "<i2").tobytes())
        sound = played(path)
        assert len(sound) == 1600 * number == file.samples
        assert (sound[-1] == number).all()
    file.close()
    file.close()
    assert duration_ms(path) == 400


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        GrowingWav(tmp_path / "one.wav").close()
    finally:
        os.umask(before)
    assert (tmp_path / "one.wav").stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    for number in (1, 2):
        file = GrowingWav(path)
        file.append(np.full((800, 2), number, "<i2").tobytes())
        file.close()
    assert played(path)[:, 0].tolist() == [1] * 800 + [2] * 800


def test_a_writer_that_is_killed_leaves_a_file_that_plays_and_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(path)], capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr.decode()
    sound = played(path)
    assert len(sound) == 5 * 16_000
    assert sound[::16_000, 0].tolist() == [1, 2, 3, 4, 5]
    file = GrowingWav(path)
    file.append(np.full((1600, 2), 7, "<i2").tobytes())
    file.close()
    whole = played(path)
    assert len(whole) == file.samples
    assert (whole[-1600:] == 7).all()


@pytest.mark.parametrize("size", [0, 7, 43])
def test_a_file_that_is_cut_within_its_header_begins_anew(tmp_path: Path, size: int) -> None:
    path = tmp_path / "one.wav"
    path.write_bytes(header(0)[:size])
    GrowingWav(path).close()
    assert len(played(path)) == 0


def test_the_outline_has_the_least_and_the_greatest_value_of_each_side(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    file = GrowingWav(path)
    left = np.zeros(PIXEL * 2 + 100, np.int16)
    right = left.copy()
    left[5], left[6], right[PIXEL + 1] = 32767, -32768, 12_800
    file.append(np.stack([left, right], axis=1).tobytes())
    file.close()
    outline = peaks(path)
    assert {key: outline[key] for key in outline if key != "data"} == {
        "version": 2, "channels": 2, "sample_rate": 16_000, "samples_per_pixel": PIXEL, "bits": 8, "length": 3
    }  # fmt: skip
    assert outline["data"] == [-128, 127, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0]


def test_half_a_sample_at_the_end_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    path.write_bytes(header(PIXEL * 4) + bytes(PIXEL * 4) + b"abc")
    assert peaks(path)["length"] == 1
    assert duration_ms(path) == 50
    assert path.stat().st_size > HEADER_BYTES
