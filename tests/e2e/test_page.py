"""The page in a real browser: speak into the microphone, read along, hear the answer, see what was remembered."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect
from tests.browsing import silence, visiting
from tests.needs import CHROMIUM
from tests.serving import own_process, until_ready

from voicemind.speech.audio import Pcm, resampled, write_wav
from voicemind.speech.tts.contract import sound_of
from voicemind.speech.tts.piper import PiperTts

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.models]

SENTENCE = "My cat is called Biscuit and I live in Oslo."
ROOT_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LISTENS = {"VOICEMIND_STT": "moonshine", "VOICEMIND_TTS": "piper", "VOICEMIND_VAD": "silero"}
"""The real ways to hear and speak; the mind is the scripted one, so that a browser and a language model do not fight for two cores."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with own_process(tmp_path, **LISTENS) as served:
        yield served.url


async def recording(folder: Path) -> Path:
    """The sentence as a microphone would bring it: 48 kHz, silence before and after."""
    tts = PiperTts()
    await tts.start()
    samples = b"".join([piece.samples async for piece in sound_of(tts.speak(SENTENCE))])
    await tts.aclose()
    sound = resampled(Pcm(samples, tts.rate_hz), 48_000).samples
    path = folder / "sentence.wav"
    path.write_bytes(write_wav(Pcm(bytes(48_000 * 2 * 3) + sound + bytes(48_000 * 2 * 20), 48_000)))
    return path


@pytest.fixture
async def page(tmp_path: Path, server: str) -> AsyncIterator[Page]:
    sound = await recording(tmp_path)
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}%noloop",
        "--autoplay-policy=no-user-gesture-required",
        *ROOT_FLAGS,
    ]
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        await until_ready(client, limit_s=120)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, CHROMIUM))),
            args=flags,
            ignore_default_args=["--mute-audio"],
        )
        context = await browser.new_context(permissions=["microphone"])
        page = await context.new_page()
        await page.goto(server)
        yield page
        await browser.close()


async def test_a_spoken_sentence_is_seen_answered_heard_and_remembered(page: Page) -> None:
    with anyio.fail_after(300):
        await page.get_by_test_id("agent-counsellor").click()
        await page.get_by_test_id("user").fill("ann")
        await page.get_by_test_id("start").click()
        said = page.get_by_test_id("turn-user").first
        await expect(said).to_contain_text(re.compile("biscuit", re.IGNORECASE), timeout=90_000)
        await expect(page.get_by_test_id("turn-agent").last).to_contain_text(re.compile(r"\w"), timeout=60_000)
        while await page.evaluate("window.__voicemind.playedPeak") < 0.02:  # noqa: ASYNC110 - the page's policy forbids scripts that wait inside it
            await anyio.sleep(0.1)
        await page.get_by_test_id("end").click()
        after = page.get_by_test_id("after").filter(has_text="Biscuit")
        await expect(after.first).to_be_visible(timeout=60_000)
        await expect(page.get_by_test_id("before").filter(has_text="Biscuit")).to_have_count(0)


async def test_the_talk_can_be_typed_and_interrupted_with_the_keyboard_alone(server: str, tmp_path: Path) -> None:
    with anyio.fail_after(300):
        async with httpx.AsyncClient(base_url=server, timeout=30) as client:
            await until_ready(client, limit_s=120)
        async with visiting(server, microphone=silence(tmp_path)) as visit:
            page = visit.page
            await visit.start("thalia")
            replies = page.get_by_test_id("turn-agent")
            await expect(replies.first).to_have_attribute("data-final", "true", timeout=60_000)
            await visit.until_state("listening")
            box = page.get_by_test_id("text-input")
            await box.fill("Tell me a long story about the palace, the harbour and the king.")
            await box.press("Enter")
            await expect(replies).to_have_count(2, timeout=30_000)
            await visit.until_state("speaking")
            await box.press("Escape")
            await page.keyboard.press("Space")
            await expect(replies.last).to_have_attribute("data-interrupted", "true", timeout=60_000)
