"""Sound as a value: WAV files of every width come in, and what is none is refused."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.errors import BadAudio
from voicemind.speech.audio import Pcm, as_floats, from_floats, read_wav, resampled, write_wav


def _wav(frames: bytes, *, channels: int = 1, width: int = 2, rate_hz: int = 16_000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(frames)
    return out.getvalue()


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=200), st.sampled_from([8_000, 16_000, 22_050, 48_000]))
def test_a_wav_that_we_wrote_reads_back_the_same(samples: list[int], rate_hz: int) -> None:
    pcm = Pcm(struct.pack(f"<{len(samples)}h", *samples), rate_hz)

    assert read_wav(write_wav(pcm)) == pcm


@given(st.binary(max_size=300))
def test_what_is_no_wav_is_bad_audio_and_nothing_else(content: bytes) -> None:
    with pytest.raises(BadAudio):
        read_wav(content)


@given(st.integers(0, 80), st.binary(max_size=8))
def test_a_damaged_header_is_bad_audio_or_sound(cut: int, noise: bytes) -> None:
    whole = _wav(bytes(64))
    try:
        pcm = read_wav(whole[:cut] + noise + whole[cut + len(noise) :])
    except BadAudio:
        return
    assert len(pcm.samples) % 2 == 0


@pytest.mark.parametrize(
    ("width", "frame"),
    [(1, b"\xc0"), (2, b"\x00\x40"), (3, b"\x00\x00\x40"), (4, b"\x00\x00\x00\x40")],
)
def test_every_sample_width_means_the_same_loudness(width: int, frame: bytes) -> None:
    assert read_wav(_wav(frame * 4, width=width)).samples == b"\x00\x40" * 4


def test_stereo_is_mixed_down() -> None:
    assert read_wav(_wav(struct.pack("<4h", 100, 300, -100, -300), channels=2)).samples == struct.pack("<2h", 200, -200)


@pytest.mark.parametrize("rate_hz", [4_000, 192_000])
def test_a_rate_that_no_microphone_has_is_refused(rate_hz: int) -> None:
    with pytest.raises(BadAudio, match="Hz"):
        read_wav(_wav(bytes(8), rate_hz=rate_hz))


def test_a_header_without_sound_is_refused() -> None:
    with pytest.raises(BadAudio, match="no sound"):
        read_wav(_wav(b""))


def test_a_file_that_claims_four_gigabytes_is_refused_or_read_as_far_as_it_goes() -> None:
    content = bytearray(_wav(bytes(32)))
    content[40:44] = b"\xfe\xff\xff\xff"

    assert len(read_wav(bytes(content)).samples) == 32


def test_resampling_keeps_the_duration() -> None:
    pcm = Pcm(bytes(44_100 * 2), 44_100)

    assert resampled(pcm, 16_000).duration_ms == pytest.approx(1000, abs=1)
    assert resampled(pcm, 44_100) == pcm


def test_what_is_too_loud_is_clipped_instead_of_wrapped() -> None:
    loud = np.array([2.0, -2.0, 0.0], dtype=np.float32)

    assert from_floats(loud) == struct.pack("<3h", 32767, -32767, 0)
    assert as_floats(struct.pack("<h", -32768))[0] == -1.0
