"""What is said to have been heard is what somebody would recognise in the sound up to there."""

from __future__ import annotations

import re

import anyio
import pytest

from voicemind.engines.cascade.heard import SpokenClause, heard_text
from voicemind.engines.cascade.speakable import Reader
from voicemind.speech.audio import INPUT_RATE_HZ, Pcm, resampled
from voicemind.speech.stt.moonshine import MoonshineStt
from voicemind.speech.tts.contract import Mark
from voicemind.speech.tts.piper import PiperTts

pytestmark = [pytest.mark.anyio, pytest.mark.models, pytest.mark.alone]

SENTENCES = (
    "The king asked for silver, for bread, and finally for peace.",
    "My sister wants to visit me next week, and I like to walk along the harbour.",
)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.casefold())


async def test_the_words_up_to_a_cut_are_those_that_are_recognised_in_the_sound_up_to_there() -> None:
    tts, stt = PiperTts(), MoonshineStt()
    errors: list[int] = []
    with anyio.fail_after(180):
        await tts.start()
        await stt.start()
        for text in SENTENCES:
            clause = SpokenClause(text, spoken=Reader("en").read(text), rate_hz=tts.rate_hz)
            sound = b""
            async for piece in tts.speak(clause.said.text):
                if isinstance(piece, Mark):
                    clause.marks.append((piece.chars, int(piece.ms / 1000 * tts.rate_hz)))
                else:
                    sound += piece.samples
            clause.samples, clause.complete = len(sound) // 2, True
            for tenth in (4, 6, 8):
                played = clause.samples * tenth // 10
                async with stt.utterance() as utterance:
                    await utterance.feed(resampled(Pcm(sound[: played * 2], tts.rate_hz), INPUT_RATE_HZ).samples)
                    recognised = await utterance.finish()
                errors.append(abs(len(_words(recognised)) - len(_words(heard_text([clause], played)))))
        await tts.aclose()
        await stt.aclose()
    print("words off", errors)
    assert sum(errors) / len(errors) <= 0.7
    assert max(errors) <= 2
