"""The page's own share of a conversation, measured to the sample: capture, gapless playback, interruption, ducking, and what it reports."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np
import pytest
from playwright.async_api import expect
from tests.browsing import Visit, silence, spoken, visiting
from tests.pretending import RATE_HZ, Pretended, Socket, place_ms, pretending, ramp

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

LIMIT_S = 240
FRAME_MS = 40
FIRST_FRAME_MS = 2500
"""A reply sounds as soon as 200 ms of it have come: what comes in one piece cannot run dry while the rest is on its way on a busy machine."""
AHEAD_MS = 2500
"""How far the sound is sent ahead of what is played: the test itself may be late by nearly as much."""
OF_MS = 6000
"""How long the replies are."""
TRIES = 12
"""How often a machine that is busy with something else may be late with a silence; one that always is has none of these in time."""


@pytest.fixture
async def server() -> AsyncIterator[Pretended]:
    async with pretending() as server:
        yield server


@pytest.fixture
async def visit(server: Pretended, tmp_path: Path) -> AsyncIterator[Visit]:
    async with visiting(server.url, microphone=silence(tmp_path)) as visit:
        yield visit


async def begun(server: Pretended, visit: Visit) -> Socket:
    await visit.start()
    socket = await server.ready()
    await visit.until_state("listening")
    return socket


async def speak(
    socket: Socket, start_ms: int, end_ms: int, *, generation: int = 1, first_ms: int = FIRST_FRAME_MS
) -> None:
    """Send a piece of a reply at once, in frames of which the first is long, unless enough is there already."""
    for at, until in pairwise([start_ms, *range(start_ms + first_ms, end_ms, FRAME_MS), end_ms]):
        await socket.sound(ramp(at, until, of_ms=OF_MS), generation=generation, position=at * RATE_HZ // 1000)


async def test_what_the_microphone_hears_arrives_whole_and_in_order_at_16_khz(
    server: Pretended, tmp_path: Path
) -> None:
    with anyio.fail_after(LIMIT_S):
        async with visiting(server.url, microphone=spoken(tmp_path, "My cat is called Biscuit.")) as visit:
            assert await visit.microphones() == []
            socket = await begun(server, visit)
            await socket.until_frames(200)
            frames = socket.frames[:200]
            assert {len(frame) for frame in frames} == {16 + 640}
            headers = [struct.unpack_from("<IId", frame) for frame in frames]
            assert {kind for kind, _, _ in headers} == {1}
            assert [sequence for _, sequence, _ in headers] == list(range(len(frames)))
            captured = [at for _, _, at in headers]
            rate = await visit.tapped("rate")
            assert (captured[-1] - captured[0]) / rate == pytest.approx((len(frames) - 1) * 0.02, abs=0.02)
            heard = np.frombuffer(b"".join(frame[16:] for frame in frames), "<i2") / 32_768
            loud = np.sqrt(np.mean(heard.reshape(-1, 1600) ** 2, axis=1))
            assert loud.max() > 0.02
            assert loud.min() < 0.001
            await visit.page.get_by_test_id("end").click()
            await socket.until("end")
            await socket.tell("complete", conversationId="c1", reason="end", turns=0)
            await expect(visit.page.get_by_test_id("again")).to_be_visible(timeout=30_000)
            assert await visit.microphones() == ["ended"]


async def test_a_reply_sounds_without_a_gap_and_the_server_is_told_how_far_it_is(
    server: Pretended, visit: Visit
) -> None:
    with anyio.fail_after(LIMIT_S):
        socket = await begun(server, visit)
        sent = 0
        while sent < OF_MS:
            wanted = min(OF_MS, (int(await socket.until_played(1, sent - AHEAD_MS)) if sent else 0) + AHEAD_MS + 400)
            end = wanted // FRAME_MS * FRAME_MS
            await speak(socket, sent, end, first_ms=FRAME_MS if sent else FIRST_FRAME_MS)
            sent = end
        await socket.until_played(1, OF_MS - 3)
        (run,) = await visit.until_silent()
        rate = await visit.tapped("rate")
        assert (run.end - run.start) / rate * 1000 == pytest.approx(OF_MS, abs=3)
        assert [place_ms(run.first, of_ms=OF_MS), place_ms(run.last, of_ms=OF_MS)] == pytest.approx([0, OF_MS], abs=40)
        assert (await visit.figures())["underruns"] == 0
        told = [message["ms"] for message in socket.said if message["type"] == "played"]
        assert told == sorted(told)
        assert len(told) >= OF_MS / 1000
        assert not any(message["type"] == "metrics" for message in socket.said)


async def test_a_reply_that_runs_dry_is_reported(server: Pretended, visit: Visit) -> None:
    with anyio.fail_after(LIMIT_S):
        socket = await begun(server, visit)
        await speak(socket, 0, 400)
        await visit.until_silent()
        await speak(socket, 400, 1000)
        report = await socket.until("metrics")
        first, second = await visit.until_silent(after=(await visit.runs())[0].end)
        rate = await visit.tapped("rate")
        assert report["underruns"] == 1
        assert report["gapMs"] == pytest.approx((second.start - first.end) / rate * 1000, abs=10)


@pytest.mark.parametrize("way", ["Space", "button", "light"])
async def test_an_interruption_is_silent_in_the_page_before_the_server_has_answered(
    server: Pretended, visit: Visit, way: str
) -> None:
    with anyio.fail_after(LIMIT_S):
        socket = await begun(server, visit)
        delays: list[float] = []
        generation = 0
        while generation < 3 or (min(delays) > 50 and generation < TRIES):
            generation += 1
            known = await visit.runs()
            await speak(socket, 0, OF_MS - 1000, generation=generation)
            await socket.until_played(generation, 500)
            told = len(socket.said)
            await interrupt(visit, way)
            await socket.until("interrupt", after=told)
            run = (await visit.until_silent(after=known[-1].end if known else 0))[-1]
            rate, asked = await visit.tapped("rate"), (await visit.tapped("asked"))[-1]
            delays.append((run.end - asked) / rate * 1000)
            assert (await visit.figures())["samplesUntilSilent"] <= rate * 0.005 + 128  # the fade, in whole quanta
            await socket.until("played", after=told)
            await socket.until_played(generation, (asked - run.start) / rate * 1000 - 50)
        print(f"\n{way}: silent {', '.join(f'{delay:.1f}' for delay in sorted(delays))} ms after the request")
        assert min(delays) <= 50

        before = await visit.runs()
        await speak(
            socket, OF_MS - 1000, OF_MS - 600, generation=generation
        )  # it was on its way when the person interrupted
        await socket.tell("interrupted", generation=generation, heard="")
        await speak(socket, 0, 400, generation=generation + 1)
        (later,) = (await visit.until_silent(after=before[-1].end))[len(before) :]
        assert (later.end - later.start) / rate * 1000 == pytest.approx(400, abs=3)
        assert place_ms(later.first, of_ms=OF_MS) < 40


async def interrupt(visit: Visit, way: str) -> None:
    if way == "Space":
        await visit.page.keyboard.press("Space")
    else:
        await visit.page.locator(".light" if way == "light" else "[data-testid=interrupt]").click()


async def test_a_false_alarm_is_soft_then_silent_and_then_goes_on_where_it_was_cut(
    server: Pretended, visit: Visit
) -> None:
    with anyio.fail_after(LIMIT_S):
        socket = await begun(server, visit)
        await socket.tell("agent_response", text="One two", final=False, generation=1)
        await speak(socket, 0, OF_MS - 500)
        await socket.until_played(1, 400)
        await socket.tell("ducked", generation=1, gain=0.3)
        await socket.until_played(1, 900)
        told = len(socket.said)
        await socket.tell("interrupted", generation=1, heard="One")
        await socket.until("played", after=told)
        (soft,) = await visit.until_silent()
        rate = await visit.tapped("rate")
        heard_ms = (soft.end - soft.start) / rate * 1000
        await socket.until_played(1, heard_ms - 60)
        await expect(visit.page.get_by_test_id("turn-agent")).to_have_attribute("data-interrupted", "true")
        cut_ms = [message["ms"] for message in socket.said if message["type"] == "played"][-1]
        start_ms = int(cut_ms)
        await speak(socket, start_ms, OF_MS)
        await socket.tell("ducked", generation=1, gain=1.0)
        await socket.until_played(1, OF_MS - 3)
        _, loud = await visit.until_silent(after=soft.end)
        assert cut_ms == pytest.approx(heard_ms, abs=60)
        assert soft.last < 0.1 + 0.8 * heard_ms / OF_MS  # as soft as it was, then faded
        assert (loud.end - loud.start) / rate * 1000 == pytest.approx(OF_MS - start_ms, abs=3)
        assert place_ms(loud.last, of_ms=OF_MS) == pytest.approx(OF_MS, abs=40)
        assert (await visit.figures())["underruns"] == 0
        await expect(visit.page.get_by_test_id("turn-agent")).to_have_attribute("data-interrupted", "false")


async def test_what_was_not_heard_is_struck_through(server: Pretended, visit: Visit) -> None:
    with anyio.fail_after(LIMIT_S):
        socket = await begun(server, visit)
        await socket.tell("agent_response", text="One two three four", final=False, generation=1)
        await socket.tell("interrupted", generation=1, heard="One two")
        await socket.tell("agent_response", text="One two", final=True, generation=1, interrupted=True, turn=1)
        await socket.tell("heard", generation=1, turn=1, text="One two", unheard="three four", interrupted=True)
        await expect(visit.page.get_by_test_id("unheard")).to_have_text("three four")
        await expect(visit.page.get_by_test_id("turn-agent")).to_have_count(1)


async def test_a_session_that_is_gone_is_followed_by_another_on_the_same_conversation(
    server: Pretended, visit: Visit
) -> None:
    with anyio.fail_after(LIMIT_S):
        first = await begun(server, visit)
        await first.tell("agent_response", text="Hello.", final=True, generation=1, turn=1)
        await first.close(1012)
        second = await server.socket()
        assert second.wanted["resume"] == "1"
        assert await second.until("resume") == {"type": "resume", "sessionId": "s1", "secret": "sesame", "sequence": 2}
        await visit.until_state("reconnecting")
        await visit.type("Are you there?")
        await second.close(4404)
        third = await server.ready()
        assert (third.wanted["greet"], "resume" in third.wanted) == ("0", False)
        typed = await third.until("text", text="Are you there?")
        await third.tell("transcript", text=typed["text"], final=True, turn=2, id=typed["id"])
        await third.tell("agent_response", text="Yes.", final=True, generation=1, turn=3)
        await expect(visit.page.get_by_test_id("turn-agent").locator(".text")).to_have_text(["Hello.", "Yes."])
        assert await visit.texts("turn-user") == ["Are you there?"]
        await visit.until_state("listening")
        assert await visit.microphones() == ["live"]
