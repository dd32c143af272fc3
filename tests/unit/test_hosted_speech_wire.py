"""What is told to and by speech services, whatever they tell and whenever they break off."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.speech_services import spoken_words, words_in

from voicemind.errors import ProviderUnavailable, UpstreamAuth
from voicemind.speech.audio import Pcm
from voicemind.speech.elevenlabs import Account, decoded
from voicemind.speech.hosted import Failed, code_in, meaning
from voicemind.speech.stt.elevenlabs_wire import LARGEST_CHUNK, Dictation
from voicemind.speech.tts.contract import Mark
from voicemind.speech.tts.elevenlabs_wire import Spoken

ACCOUNT = Account("key")
STEPS = st.lists(st.sampled_from(["speak", "pause", "send", "answer", "break", "stale"]), max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


class _Scribe:
    """A service that hears what it is told, and whose socket can break."""

    def __init__(self, dictation: Dictation) -> None:
        self._dictation = dictation
        self._sound = bytearray()
        self._answers: list[dict[str, Any]] = []

    def send(self) -> bool:
        message = self._dictation.next_message()
        if message is None:
            return False
        told = json.loads(message)
        chunk = base64.b64decode(told["audio_base_64"])
        assert len(chunk) <= LARGEST_CHUNK
        self._sound += chunk
        if told["commit"]:
            self._answers.append({"message_type": "committed_transcript", "text": words_in(bytes(self._sound))})
            self._sound.clear()
        elif words := words_in(bytes(self._sound)):
            self._answers.append({"message_type": "partial_transcript", "text": words})
        return True

    def answer(self) -> None:
        if self._answers:
            self._dictation.hear(self._answers.pop(0))

    def breaks(self) -> None:
        self._sound.clear()
        self._answers.clear()
        self._dictation.again()


@given(STEPS)
def test_whenever_the_socket_breaks_every_word_is_heard_once(steps: list[str]) -> None:
    dictation = Dictation(ACCOUNT)
    scribe, said = _Scribe(dictation), 0
    for step in steps:
        match step:
            case "speak":
                dictation.add(spoken_words(said, said + 40))  # 12 seconds
                said += 40
            case "pause":
                dictation.add(bytes(48_000))
            case "send":
                scribe.send()
            case "answer":
                scribe.answer()
            case "break":
                scribe.breaks()
            case _:
                dictation.hear({"message_type": "partial_transcript", "text": "w0"})
    if not dictation.has_sound:
        return
    dictation.end()
    while scribe.send():
        pass
    for _ in range(200):
        scribe.answer()
    assert dictation.over
    heard = dictation.text.split()
    assert sorted(set(heard), key=lambda word: int(word[1:])) == [f"w{number}" for number in range(said)]
    assert len(heard) <= said + said // 100  # a commit after a minute without a pause may cut a word in two


@given(JSON)
def test_whatever_is_told_of_an_utterance_ends_in_words_or_in_our_own_error(message: Any) -> None:
    dictation = Dictation(ACCOUNT)
    with suppress(Failed):
        dictation.hear({"message_type": "partial_transcript", **decoded(json.dumps(message))})
    assert isinstance(dictation.text, str)


@given(st.text(max_size=40), st.lists(st.tuples(st.text(max_size=3) | st.integers(), JSON, JSON), max_size=30), JSON)
def test_marks_rise_within_the_text_whatever_the_alignment_says(
    text: str, said: list[tuple[Any, Any, Any]], other: Any
) -> None:
    spoken, marks = Spoken(text, 24_000), [Mark(0, 0.0)]
    chars, starts, lasts = ([item[place] for item in said] for place in range(3))
    sound = base64.b64encode(bytes(4801)).decode()
    for alignment in (
        {"chars": chars, "charStartTimesMs": starts, "charDurationsMs": lasts},
        {"chars": list(text), "charStartTimesMs": [0] * len(text), "charDurationsMs": [100] * len(text)},
        other,
    ):
        for piece in spoken.heard({"audio": sound, "alignment": alignment}):
            if isinstance(piece, Mark):
                assert piece.chars > marks[-1].chars
                assert piece.ms > marks[-1].ms
                marks.append(piece)
            else:
                assert len(piece.samples) % 2 == 0
    assert marks[-1].chars <= len(text)
    assert marks[-1].ms <= 301
    assert text.endswith(spoken.rest)


def test_sound_that_is_cut_in_the_middle_of_a_sample_is_put_together() -> None:
    spoken, sound = Spoken("Hello.", 24_000), b""
    for piece in (b"\x01", b"\x02\x03", b"\x04\x05\x06"):
        for found in spoken.heard({"audio": base64.b64encode(piece).decode()}):
            assert isinstance(found, Pcm)
            sound += found.samples
    assert sound == bytes(range(1, 7))
    with pytest.raises(Failed, match="no sound"):
        spoken.heard({"audio": "§"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"detail":{"status":"quota_exceeded","message":"m"}}', "quota_exceeded"),
        (b'{"error":{"code":"insufficient_quota","type":"t"}}', "insufficient_quota"),
        (b'{"error":{"code":null,"type":"t"}}', "t"),
        (b'{"error":"voice_not_found"}', "voice_not_found"),
        (b"[1]", ""),
        (b"\xff", ""),
        (b"[" * 90_000, ""),
    ],
)
def test_a_service_s_own_word_for_an_error_is_found(body: bytes, code: str) -> None:
    assert code_in(body) == code


def test_statuses_mean_what_has_to_be_done() -> None:
    assert isinstance(meaning("p", 403), UpstreamAuth)
    assert isinstance(meaning("p", 599), ProviderUnavailable)
    assert "credit" in str(meaning("p", 401, "quota_exceeded"))
