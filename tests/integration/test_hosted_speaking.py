"""Voices that somebody else runs, and everything that can go wrong on the way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from tests.speech_services import (
    CHAR_MS,
    VOICE,
    ElevenLabsPeer,
    Fault,
    OpenAiPeer,
    elevenlabs_service,
    hum,
    openai_audio_service,
)
from tests.upstreams import KEY

from voicemind.errors import ProviderRefused, ProviderUnavailable, UpstreamAuth
from voicemind.speech.audio import Pcm
from voicemind.speech.elevenlabs import Account
from voicemind.speech.tts.contract import Mark, Sounding, Tts
from voicemind.speech.tts.elevenlabs import ElevenLabsTts
from voicemind.speech.tts.openai import OpenAiTts

pytestmark = pytest.mark.anyio

TEXT = "The road is long and the night is cold, but somebody waits for us there."


@pytest.fixture
async def peer() -> AsyncIterator[ElevenLabsPeer]:
    async with elevenlabs_service() as peer:
        yield peer


@pytest.fixture
async def service() -> AsyncIterator[OpenAiPeer]:
    async with openai_audio_service() as service:
        yield service


@pytest.fixture
async def tts(peer: ElevenLabsPeer) -> AsyncIterator[ElevenLabsTts]:
    tts = _tts(peer)
    yield tts
    await tts.aclose()


def _tts(peer: ElevenLabsPeer, *, key: str = KEY, limit_s: float = 10, **account: Any) -> ElevenLabsTts:
    return ElevenLabsTts(Account(key, peer.url, limit_s=limit_s, **account), voice=VOICE)


async def _said(tts: Tts, text: str, into: list[Sounding] | None = None) -> list[Sounding]:
    said: list[Sounding] = [] if into is None else into
    with anyio.fail_after(120):
        async with aclosing(tts.speak(text)) as pieces:
            async for piece in pieces:
                said.append(piece)  # noqa: PERF401 - what came before an error counts
    return said


def _ms(said: list[Sounding]) -> float:
    return sum(piece.duration_ms for piece in said if isinstance(piece, Pcm))


def _marks(said: list[Sounding]) -> list[Mark]:
    return [piece for piece in said if isinstance(piece, Mark)]


async def test_one_socket_serves_all_that_is_said_one_after_the_other(peer: ElevenLabsPeer, tts: ElevenLabsTts) -> None:
    for _ in range(5):
        said = await _said(tts, TEXT)
        assert _ms(said) == CHAR_MS * (len(TEXT) + 1)
        assert [TEXT[: mark.chars].split() for mark in _marks(said)] == [
            TEXT.split()[: number + 1] for number in range(len(TEXT.split()))
        ]
        assert all(abs(mark.ms - CHAR_MS * mark.chars) < 1 for mark in _marks(said))
    assert len(peer.addresses) == 1
    assert peer.most_contexts == 1


@pytest.mark.parametrize("close", [1008, 1011])
async def test_a_voice_that_breaks_off_goes_on_from_the_last_word(
    peer: ElevenLabsPeer, tts: ElevenLabsTts, close: int
) -> None:
    peer.faults.append(Fault(after=3, close=close))
    said = await _said(tts, TEXT)
    assert [text.split() for text in peer.texts] == [TEXT.split(), TEXT.split()[6:]]
    assert abs(_ms(said) - CHAR_MS * len(TEXT)) < 3 * CHAR_MS
    marks = _marks(said)
    assert [mark.chars for mark in marks] == sorted({mark.chars for mark in marks})
    assert [mark.ms for mark in marks] == sorted({mark.ms for mark in marks})
    assert marks[-1].chars == len(TEXT)


async def test_a_voice_that_breaks_off_twice_keeps_what_was_said_and_tells(
    peer: ElevenLabsPeer, tts: ElevenLabsTts
) -> None:
    peer.faults.extend([Fault(after=3, close=1011), Fault(after=2, close=1011)])
    said: list[Sounding] = []
    with pytest.raises(ProviderUnavailable):
        await _said(tts, TEXT, said)
    assert TEXT[: _marks(said)[-1].chars].split() == TEXT.split()[:10]
    assert len(peer.addresses) == 2


async def test_a_voice_that_does_not_say_where_it_is_cannot_go_on(peer: ElevenLabsPeer, tts: ElevenLabsTts) -> None:
    peer.aligned = False
    peer.faults.append(Fault(after=3, close=1011))
    said: list[Sounding] = []
    with pytest.raises(ProviderUnavailable):
        await _said(tts, TEXT, said)
    assert _ms(said) > 0
    assert len(peer.texts) == 1


async def test_an_interruption_closes_its_context_and_the_next_text_hears_nothing_of_it(
    peer: ElevenLabsPeer, tts: ElevenLabsTts
) -> None:
    with anyio.fail_after(10):
        async with aclosing(tts.speak(TEXT)) as pieces:
            await anext(pieces)
    said = await _said(tts, "And now?")
    assert _ms(said) == CHAR_MS * len("And now? ")
    assert len(peer.addresses) == 1
    contexts = {message["context_id"] for message in peer.messages if "context_id" in message}
    closed = [message["context_id"] for message in peer.messages if message.get("close_context")]
    assert set(closed) == contexts
    assert len(contexts) == 2


async def test_twenty_interruptions_never_leave_more_contexts_open_than_the_service_allows(
    peer: ElevenLabsPeer, tts: ElevenLabsTts
) -> None:
    peer.hold = anyio.Event()
    with anyio.fail_after(20):
        for _ in range(20):
            async with aclosing(tts.speak(TEXT)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Pcm):
                        break
            peer.hold.set()
            peer.hold = anyio.Event()
        peer.hold.set()
        peer.hold = None
        assert _ms(await _said(tts, "Yes.")) == CHAR_MS * len("Yes. ")
    assert peer.most_contexts <= 5


async def test_a_long_text_that_is_interrupted_is_stopped_with_its_socket(
    peer: ElevenLabsPeer, tts: ElevenLabsTts
) -> None:
    with anyio.fail_after(10):
        async with aclosing(tts.speak(TEXT * 6)) as pieces:
            await anext(pieces)
        while peer.open_sockets:
            await anyio.lowlevel.checkpoint()


async def test_a_kept_socket_that_has_died_is_replaced_without_a_word(peer: ElevenLabsPeer, tts: ElevenLabsTts) -> None:
    peer.faults.append(Fault(after=3, close=1000))
    assert await _said(tts, "Yes.")
    said = await _said(tts, TEXT)
    assert _ms(said) >= CHAR_MS * len(TEXT)
    assert len(peer.addresses) == 2


@pytest.mark.parametrize("code", ["too_many_concurrent_requests", "system_busy"])
async def test_a_busy_service_is_asked_again_and_then_named(
    peer: ElevenLabsPeer, tts: ElevenLabsTts, code: str
) -> None:
    busy = Fault(status=429, body={"detail": {"status": code, "message": KEY}})
    peer.faults.extend([busy, busy])
    assert await _said(tts, "Yes.")
    peer.faults.extend([busy] * 5)
    async with aclosing(tts.speak(TEXT)) as first:  # takes the kept socket, so that the next needs one of its own
        await anext(first)
        with pytest.raises(ProviderUnavailable) as refused:
            await _said(tts, "No.")
    assert ("at once on this plan" in str(refused.value)) == (code == "too_many_concurrent_requests")
    assert KEY not in str(refused.value)


async def test_used_up_credit_that_comes_as_401_is_not_taken_for_a_wrong_key(
    peer: ElevenLabsPeer, tts: ElevenLabsTts
) -> None:
    peer.faults.append(Fault(status=401, body={"detail": {"status": "quota_exceeded"}}))
    with pytest.raises(ProviderRefused, match="credit") as refused:
        await _said(tts, "Yes.")
    assert not isinstance(refused.value, UpstreamAuth)


async def test_an_error_in_the_middle_is_not_repeated_where_that_cannot_help(
    peer: ElevenLabsPeer, tts: ElevenLabsTts
) -> None:
    peer.faults.append(Fault(after=2, error="quota_exceeded"))
    said: list[Sounding] = []
    with pytest.raises(ProviderRefused):
        await _said(tts, TEXT, said)
    assert _ms(said) > 0
    assert len(peer.addresses) == 1


async def test_a_wrong_key_and_a_missing_zero_retention_are_told_apart(peer: ElevenLabsPeer) -> None:
    with pytest.raises(UpstreamAuth):
        await _said(_tts(peer, key="sk-canary-wrong"), "Yes.")
    with pytest.raises(ProviderRefused, match="Enterprise"):
        await _said(_tts(peer, keeps=False), "Yes.")


@pytest.mark.parametrize("fault", [Fault(status=0), Fault(silent=True)])
async def test_a_voice_that_never_comes_is_given_up(peer: ElevenLabsPeer, fault: Fault) -> None:
    peer.faults.extend(fault for _ in range(5))
    tts = _tts(peer, limit_s=0.3)
    with anyio.fail_after(20), pytest.raises(ProviderUnavailable):
        await _said(tts, "Yes.")
    await tts.aclose()


async def test_a_rate_of_16_kHz_is_asked_for_and_given(peer: ElevenLabsPeer) -> None:  # noqa: N802
    tts = ElevenLabsTts(Account(KEY, peer.url), voice=VOICE, rate_hz=16_000)
    said = await _said(tts, TEXT)
    assert {piece.rate_hz for piece in said if isinstance(piece, Pcm)} == {16_000}
    assert _ms(said) == CHAR_MS * (len(TEXT) + 1)
    assert "output_format=pcm_16000" in peer.addresses[0]
    await tts.aclose()


@pytest.fixture
async def openai(service: OpenAiPeer) -> AsyncIterator[OpenAiTts]:
    tts = OpenAiTts(api_key=KEY, model="tts-1", voice="alloy", base_url=service.url, limit_s=5)
    await tts.start()
    yield tts
    await tts.aclose()


async def test_a_voice_that_comes_byte_by_byte_is_whole(service: OpenAiPeer, openai: OpenAiTts) -> None:
    service.packet = 1
    said = await _said(openai, "Yes, sir.")
    assert b"".join(piece.samples for piece in said if isinstance(piece, Pcm)) == hum(0, 9 * CHAR_MS, 24_000)
    assert all(isinstance(piece, Pcm) and len(piece.samples) >= 1900 for piece in said[:-1])


async def test_a_voice_that_is_left_early_stops(service: OpenAiPeer, openai: OpenAiTts) -> None:
    with anyio.fail_after(20):
        async with aclosing(openai.speak("word " * 4000)) as pieces:
            await anext(pieces)
            assert service.running == 1
        await service.idle.wait()


def _breaking() -> Response:
    async def some() -> AsyncIterator[bytes]:
        yield hum(0, 1000, 24_000)
        raise ConnectionError

    return StreamingResponse(some())


async def test_a_voice_that_breaks_off_is_kept_as_far_as_it_came(service: OpenAiPeer, openai: OpenAiTts) -> None:
    service.queue.append(_breaking)
    said: list[Sounding] = []
    with pytest.raises(ProviderUnavailable):
        await _said(openai, TEXT, said)
    assert _ms(said) > 900
    assert len(service.asked) == 1


async def test_an_overloaded_voice_is_asked_again(service: OpenAiPeer, openai: OpenAiTts) -> None:
    service.queue.extend([lambda: JSONResponse({}, 429, headers={"Retry-After": "0.1"}), lambda: JSONResponse({}, 500)])
    assert round(_ms(await _said(openai, TEXT))) == CHAR_MS * len(TEXT)
    service.queue.extend(lambda: JSONResponse({}, 500) for _ in range(5))
    with pytest.raises(ProviderUnavailable):
        await _said(openai, TEXT)


@pytest.mark.parametrize("body", [b"RIFF....WAVE", b'{"error": 1}', b"ID3\x04"])
async def test_what_is_no_raw_sound_is_not_played(service: OpenAiPeer, openai: OpenAiTts, body: bytes) -> None:
    service.queue.append(lambda: Response(body))
    with pytest.raises(ProviderRefused, match="raw samples"):
        await _said(openai, TEXT)


async def test_openai_s_own_voices_are_known_and_those_of_other_servers_are_theirs() -> None:
    own = OpenAiTts(api_key=KEY, model="tts-1", voice="cedar")
    assert own.voices[0] == "cedar"
    assert "alloy" in own.voices
    assert OpenAiTts(api_key="", model="kokoro", voice="af", base_url="http://127.0.0.1:1/v1").voices == ()
