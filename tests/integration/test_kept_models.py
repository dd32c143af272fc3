"""Models that are made here of others, and opened from the cache afterwards."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

from voicemind.models.kept import digest, kept
from voicemind.speech.tts import piper
from voicemind.speech.tts.contract import Mark
from voicemind.speech.tts.piper import PiperTts


def never() -> bytes:
    pytest.fail("made anew")


def test_a_model_is_made_once(tmp_path: Path) -> None:
    first = kept(tmp_path / "models", "voice", lambda: b"graph")

    assert isinstance(first, Path)
    assert first.read_bytes() == b"graph"
    assert kept(tmp_path / "models", "voice", never) == first
    assert [file.name for file in (tmp_path / "models").iterdir()] == [f"voice-{digest(first)}.onnx"]


def test_a_file_that_is_not_what_was_kept_is_made_again(tmp_path: Path) -> None:
    first = kept(tmp_path, "voice", lambda: b"graph")
    assert isinstance(first, Path)
    first.write_bytes(b"gra")

    assert kept(tmp_path, "voice", lambda: b"graph") == first
    assert first.read_bytes() == b"graph"


def test_what_was_made_of_another_model_is_not_taken_for_it(tmp_path: Path) -> None:
    kept(tmp_path, "voice-1", lambda: b"one")

    other = kept(tmp_path, "voice-2", lambda: b"two")

    assert isinstance(other, Path)
    assert other.read_bytes() == b"two"


def test_without_a_place_to_keep_it_a_model_is_used_from_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert kept(tmp_path / "file" / "models", "voice", lambda: b"graph") == b"graph"


@pytest.mark.models
@pytest.mark.anyio
async def test_the_voice_that_tells_its_times_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with anyio.fail_after(120):
        first = PiperTts(tmp_path)
        await first.start()
        await first.aclose()
        monkeypatch.setattr(piper, "_with_durations", lambda _: pytest.fail("made anew"))
        second = PiperTts(tmp_path)
        await second.start()
        async with aclosing(second.speak("Good day.")) as pieces:
            said = [piece async for piece in pieces]
        await second.aclose()

    assert [piece.chars for piece in said if isinstance(piece, Mark)] == [0, 4, 5, len("Good day.")]
