"""Recognisers that somebody else runs, and everything that can go wrong on the way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import anyio
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from tests.speech_services import (
    ElevenLabsPeer,
    Fault,
    OpenAiPeer,
    elevenlabs_service,
    openai_audio_service,
    spoken_words,
)
from tests.upstreams import KEY

from voicemind.errors import ProviderError, ProviderRefused, ProviderUnavailable, UpstreamAuth
from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.elevenlabs import Account
from voicemind.speech.stt.contract import Utterance
from voicemind.speech.stt.elevenlabs import ElevenLabsStt
from voicemind.speech.stt.openai import OpenAiStt

pytestmark = pytest.mark.anyio


@pytest.fixture
async def peer() -> AsyncIterator[ElevenLabsPeer]:
    async with elevenlabs_service() as peer:
        yield peer


@pytest.fixture
async def service() -> AsyncIterator[OpenAiPeer]:
    async with openai_audio_service() as service:
        yield service


def _stt(peer: ElevenLabsPeer, *, key: str = KEY, limit_s: float = 10, **account: Any) -> ElevenLabsStt:
    return ElevenLabsStt(Account(key, peer.url, limit_s=limit_s, **account))


def _words(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last))


async def _until(utterance: Utterance, words: str) -> None:
    with anyio.fail_after(10):
        while await utterance.partial() != words:
            await anyio.lowlevel.checkpoint()


async def _heard(stt: ElevenLabsStt, samples: bytes) -> str:
    with anyio.fail_after(30):
        async with stt.utterance() as utterance:
            for start in range(0, len(samples), 640):
                await utterance.feed(samples[start : start + 640])
            return await utterance.finish()


@pytest.mark.parametrize("close", [1008, 1011])
async def test_a_socket_that_breaks_in_the_middle_costs_no_word_and_doubles_none(
    peer: ElevenLabsPeer, close: int
) -> None:
    peer.faults.append(Fault(after=4, close=close, reason="something went wrong"))
    async with _stt(peer).utterance() as utterance:
        await utterance.feed(spoken_words(0, 8))
        await _until(utterance, _words(0, 8))
        for number in range(8, 12):
            await utterance.feed(spoken_words(number, number + 1))
            await _until(utterance, _words(0, number + 1))
        assert await utterance.finish() == _words(0, 12)
    assert len(peer.addresses) == 2


async def test_a_service_that_breaks_again_and_again_is_given_up(peer: ElevenLabsPeer) -> None:
    peer.faults.extend(Fault(after=1, close=1011) for _ in range(4))
    with pytest.raises(ProviderUnavailable):
        await _heard(_stt(peer), spoken_words(0, 3))
    assert len(peer.addresses) == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("auth_error", UpstreamAuth),
        ("quota_exceeded", ProviderRefused),
        ("unaccepted_terms", ProviderRefused),
        ("invalid_request", ProviderRefused),
        ("chunk_size_exceeded", ProviderRefused),
    ],
)
async def test_what_the_service_will_never_do_is_not_asked_again(
    peer: ElevenLabsPeer, error: str, kind: type[ProviderError]
) -> None:
    peer.faults.append(Fault(after=1, error=error))
    with pytest.raises(kind) as refused:
        await _heard(_stt(peer), spoken_words(0, 3))
    assert len(peer.addresses) == 1
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "error",
    ["rate_limited", "queue_overflow", "resource_exhausted", "transcriber_error", "session_time_limit_exceeded"],
)
async def test_what_the_service_cannot_do_now_is_asked_again(peer: ElevenLabsPeer, error: str) -> None:
    peer.faults.append(Fault(after=1, error=error))
    assert await _heard(_stt(peer), spoken_words(0, 5)) == _words(0, 5)
    assert len(peer.addresses) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_service_that_lets_nobody_in_for_a_moment_is_asked_again(peer: ElevenLabsPeer, status: int) -> None:
    peer.faults.append(Fault(status=status, body={"detail": {"status": "system_busy"}}))
    assert await _heard(_stt(peer), spoken_words(0, 2)) == _words(0, 2)


async def test_a_key_that_is_not_accepted_is_said_so_at_once_and_shown_nowhere(peer: ElevenLabsPeer) -> None:
    account = Account("sk-canary-wrong", peer.url)
    with pytest.raises(UpstreamAuth) as refused:
        await _heard(ElevenLabsStt(account), spoken_words(0, 2))
    assert len(peer.addresses) == 1
    assert "canary" not in f"{refused.value}{account}{peer.addresses}"


async def test_a_plan_without_zero_retention_is_explained_in_plain_words(peer: ElevenLabsPeer) -> None:
    with pytest.raises(ProviderRefused, match="Enterprise plans only; set ELEVENLABS_ENABLE_LOGGING=true"):
        await _heard(_stt(peer, keeps=False), spoken_words(0, 2))
    peer.zero_retention = True
    assert await _heard(_stt(peer, keeps=False), spoken_words(0, 2)) == "w0 w1"
    assert all("enable_logging=false" in address for address in peer.addresses)


@pytest.mark.parametrize("fault", [Fault(status=0), Fault(silent=True)])
async def test_a_service_that_never_answers_is_waited_for_so_long_and_no_longer(
    peer: ElevenLabsPeer, fault: Fault
) -> None:
    peer.faults.extend(fault for _ in range(5))
    with anyio.fail_after(5), pytest.raises(ProviderUnavailable):
        await _heard(_stt(peer, limit_s=0.3), spoken_words(0, 2))


async def test_an_address_where_nobody_listens_is_unavailable() -> None:
    with anyio.fail_after(10), pytest.raises(ProviderUnavailable):
        await _heard(ElevenLabsStt(Account(KEY, "http://127.0.0.1:9", limit_s=1)), spoken_words(0, 2))


async def test_stale_partials_that_come_again_are_left_out(peer: ElevenLabsPeer) -> None:
    told: list[str] = []
    with anyio.fail_after(20):
        async with _stt(peer).utterance() as utterance:
            for number in range(6):
                await utterance.feed(spoken_words(number, number + 1))
                while not told or told[-1] != _words(0, number + 1):
                    told.append(await utterance.partial())
                    await anyio.lowlevel.checkpoint()
            for _ in range(20):
                told.append(await utterance.partial())
                await anyio.lowlevel.checkpoint()
            told.append(await utterance.finish())
    partials = [message["text"] for message in peer.sent if message["message_type"] == "partial_transcript"]
    assert any(len(later) < len(sooner) for sooner, later in pairwise(partials))
    assert all(len(sooner) <= len(later) for sooner, later in pairwise(told))
    assert told[-1] == _words(0, 6)


async def test_a_long_speech_is_committed_in_between_and_told_again_only_from_there(peer: ElevenLabsPeer) -> None:
    with anyio.fail_after(30):
        async with _stt(peer).utterance() as utterance:
            await utterance.feed(spoken_words(0, 104) + bytes(3 * INPUT_RATE_HZ) + spoken_words(104, 110))
            await _until(utterance, _words(0, 110))
            assert [message["text"] for message in peer.sent if message["message_type"] == "committed_transcript"] == [
                _words(0, 104)
            ]
            peer.messages.clear()
            await peer.cut(1011)
            await utterance.feed(spoken_words(110, 112))
            assert await utterance.finish() == _words(0, 112)
    again = sum(len(message["audio_base_64"]) for message in peer.messages) * 3 / 4 / 2 / INPUT_RATE_HZ
    assert again < 5
    assert len(peer.addresses) == 2


async def test_a_single_short_word_is_long_enough(peer: ElevenLabsPeer) -> None:
    assert await _heard(_stt(peer), spoken_words(0, 1)[: INPUT_RATE_HZ // 5]) == "w0"
    assert await _heard(_stt(peer), spoken_words(0, 1)[:777]) == "w0"


async def test_silence_and_nothing_have_no_words(peer: ElevenLabsPeer) -> None:
    assert await _heard(_stt(peer), b"") == ""
    assert peer.addresses == []
    assert await _heard(_stt(peer), bytes(8000)) == ""


async def test_an_utterance_that_is_given_up_leaves_no_socket_and_lets_errors_out_as_they_are(
    peer: ElevenLabsPeer,
) -> None:
    async def give_up() -> None:
        async with _stt(peer).utterance() as utterance:
            await utterance.feed(spoken_words(0, 3))
            await _until(utterance, _words(0, 3))
            raise LookupError

    with anyio.fail_after(10):
        with pytest.raises(LookupError):
            await give_up()
        while peer.open_sockets:
            await anyio.lowlevel.checkpoint()


def _openai(service: OpenAiPeer, *, key: str = KEY, limit_s: float = 10) -> OpenAiStt:
    return OpenAiStt(api_key=key, model="whisper-1", base_url=service.url, limit_s=limit_s)


async def _transcribed(stt: OpenAiStt, samples: bytes) -> str:
    with anyio.fail_after(20):
        await stt.start()
        try:
            async with stt.utterance() as utterance:
                await utterance.feed(samples)
                return await utterance.finish()
        finally:
            await stt.aclose()


@pytest.mark.parametrize("status", [429, 500, 529])
async def test_an_overloaded_transcription_is_asked_for_again(service: OpenAiPeer, status: int) -> None:
    service.queue.append(lambda: JSONResponse({}, status, headers={"Retry-After": "0"}))
    assert await _transcribed(_openai(service), spoken_words(0, 3)) == _words(0, 3)
    assert [asked["model"] for asked in service.asked] == ["whisper-1"] * 2


async def test_a_transcription_that_stays_overloaded_is_given_up(service: OpenAiPeer) -> None:
    service.queue.extend(lambda: JSONResponse({}, 503) for _ in range(5))
    with pytest.raises(ProviderUnavailable):
        await _transcribed(_openai(service), spoken_words(0, 3))
    assert len(service.asked) == 3


async def test_a_transcription_without_the_right_key_is_refused_without_showing_it(service: OpenAiPeer) -> None:
    with pytest.raises(UpstreamAuth) as refused:
        await _transcribed(_openai(service, key="sk-canary-wrong"), spoken_words(0, 3))
    assert len(service.asked) == 1
    assert "canary" not in str(refused.value)


async def test_a_used_up_credit_is_not_asked_for_again(service: OpenAiPeer) -> None:
    service.queue.append(lambda: JSONResponse({"error": {"code": "insufficient_quota", "message": KEY}}, 429))
    with pytest.raises(ProviderRefused, match="credit"):
        await _transcribed(_openai(service), spoken_words(0, 3))
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [PlainTextResponse("<html>"), JSONResponse({"text": 3}), JSONResponse([]), PlainTextResponse("[" * 90_000)],
)
async def test_what_is_no_transcript_is_said_to_be_none(service: OpenAiPeer, answer: Response) -> None:
    service.queue.append(lambda: answer)
    with pytest.raises(ProviderUnavailable, match="no transcript"):
        await _transcribed(_openai(service), spoken_words(0, 3))


async def test_silence_is_not_sent(service: OpenAiPeer) -> None:
    assert await _transcribed(_openai(service), bytes(32_000)) == ""
    assert service.asked == []


async def test_a_transcription_of_nobody_is_unavailable() -> None:
    nobody = OpenAiStt(api_key=KEY, model="m", base_url="http://127.0.0.1:9/v1", limit_s=1)
    with pytest.raises(ProviderUnavailable):
        await _transcribed(nobody, spoken_words(0, 3))
