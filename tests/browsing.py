"""A page in a real browser for tests: what its microphone hears, what its loudspeaker plays to the sample, and what it said on the way."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from playwright.async_api import Page, async_playwright, expect
from tests.needs import CHROMIUM

from voicemind.speech.audio import Pcm, resampled, write_wav

MICROPHONE_HZ = 48_000
ROOT_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
STATE, AGENT, USER = "state", "turn-agent", "turn-user"
expect.set_options(timeout=30_000)
"""The default is five seconds, which a busy machine exceeds."""
IN_STATE = "state => document.querySelector('[data-testid=state]')?.dataset.state === state"

TAP = """
(() => {
  const tap = { rate: 0, blocks: [], asked: [], states: [], microphones: [] };
  window.__tap = tap;
  const source = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process([input]) {
      if (input.length) this.port.postMessage({ frame: currentFrame, samples: input[0].slice() });
      return true;
    }
  })`;
  const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const { addModule } = AudioWorklet.prototype;
  AudioWorklet.prototype.addModule = async function (url) {
    await addModule.call(this, address);
    return addModule.call(this, url);
  };
  const { connect } = AudioNode.prototype;
  let context = null;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode && this instanceof AudioWorkletNode && this.numberOfInputs === 0) {
      context = this.context;
      tap.rate = context.sampleRate;
      const node = new AudioWorkletNode(context, 'tap');
      node.port.onmessage = ({ data }) => tap.blocks.push(data);
      connect.call(this, node);
      connect.call(node, target);
    }
    return connect.call(this, target, ...rest);
  };
  const ask = () => context && tap.asked.push(Math.round(context.currentTime * context.sampleRate));
  addEventListener('keydown', ask, true);
  addEventListener('click', ask, true);
  const { getUserMedia } = MediaDevices.prototype;
  MediaDevices.prototype.getUserMedia = async function (...asked) {
    const stream = await getUserMedia.apply(this, asked);
    tap.microphones.push(...stream.getTracks());
    return stream;
  };
  addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => {
      const state = document.querySelector('[data-testid=state]')?.dataset.state;
      if (state && state !== tap.states.at(-1)) tap.states.push(state);
    }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });
  });
})();
"""
"""Listens at the loudspeaker's own node, on the clock of its context; the page knows nothing of it."""

RUNS = """
() => {
  const runs = [];
  let next = 0;
  for (const { frame, samples } of window.__tap.blocks) {
    const start = Math.max(frame, next); // now and then Chromium tells two blocks in a row the same frame
    next = start + samples.length;
    samples.forEach((sample, index) => {
      if (sample === 0) return;
      const at = start + index;
      const run = runs.at(-1);
      if (run && run.end === at) { run.end = at + 1; run.last = sample; run.sum += sample; }
      else runs.push({ start: at, end: at + 1, first: sample, last: sample, sum: sample });
    });
  }
  return { runs, rate: window.__tap.rate, last: window.__tap.blocks.at(-1)?.frame ?? 0 };
}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Samples without a silent one among them: from `start` up to `end` of the context's samples, what the first and last were, and the mean."""

    start: int
    end: int
    first: float
    last: float
    mean: float


class Visit:
    """One page that is open."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def start(self, agent: str = "counsellor") -> None:
        """Choose somebody, and begin to talk."""
        await self.page.get_by_test_id(f"agent-{agent}").click()
        await self.page.get_by_test_id("start").click()

    async def type(self, text: str) -> None:
        """Type something and send it."""
        await self.page.get_by_test_id("text-input").fill(text)
        await self.page.get_by_test_id("send").click()

    async def until_state(self, state: str) -> None:
        """Wait for the state word; the page looks with every frame, since a short state is easily missed."""
        await self.page.wait_for_function(IN_STATE, arg=state, timeout=30_000)

    async def texts(self, kind: str) -> list[str]:
        """What one side has said, as it stands in the thread."""
        return await self.page.get_by_test_id(kind).locator(".text").all_text_contents()

    async def figures(self) -> dict[str, Any]:
        """What the loudspeaker's own worklet counted."""
        return dict(await self.page.evaluate("window.__voicemind"))

    async def tapped(self, name: str) -> Any:
        """What the tap noted: `rate` in hertz, `asked` (when keys and clicks came, in samples), `states`."""
        return await self.page.evaluate(f"window.__tap.{name}")

    async def runs(self) -> list[Run]:
        """Everything that was played so far."""
        return (await self._played())[0]

    async def until_silent(self, *, after: int = 0) -> list[Run]:
        """Wait until something that began after this sample has been over for 100 ms; all runs."""
        while True:
            runs, silent_s = await self._played()
            if runs and runs[-1].start >= after and silent_s > 0.1:
                return runs
            await anyio.sleep(0.05)

    async def _played(self) -> tuple[list[Run], float]:
        """All runs, and for how many seconds the last of them has been over."""
        found = await self.page.evaluate(RUNS)
        runs = [
            Run(r["start"], r["end"], r["first"], r["last"], r["sum"] / (r["end"] - r["start"])) for r in found["runs"]
        ]
        return runs, (found["last"] - runs[-1].end) / found["rate"] if runs else 0.0

    async def microphones(self) -> list[str]:
        """The state of every microphone track that was ever opened: `live` or `ended`."""
        return list(await self.page.evaluate("window.__tap.microphones.map((track) => track.readyState)"))


@asynccontextmanager
async def visiting(url: str, *, microphone: Path | None = None, flags: Sequence[str] = ()) -> AsyncIterator[Visit]:
    """A fresh browser that shows the page; `microphone` is a WAV that is heard once, without one it hears a device that beeps."""
    fake = [] if microphone is None else [f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, CHROMIUM))),
            args=[
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
                *fake,
                *ROOT_FLAGS,
                *flags,
            ],
            ignore_default_args=["--mute-audio"],
        )
        context = await browser.new_context(permissions=["microphone"], bypass_csp=True)
        await context.add_init_script(TAP)
        page = await context.new_page()
        await page.goto(url)
        try:
            yield Visit(page)
        finally:
            await browser.close()


def silence(folder: Path, *, seconds: int = 60) -> Path:
    """A microphone in a quiet room."""
    path = folder / "silence.wav"
    path.write_bytes(write_wav(Pcm(bytes(2 * MICROPHONE_HZ * seconds), MICROPHONE_HZ)))
    return path


def spoken(folder: Path, text: str, *, after_s: int = 2) -> Path:
    """A microphone before which somebody says this after so many seconds, and then is silent."""
    path = folder / "spoken.wav"
    raw = subprocess.run(["espeak-ng", "--stdout", "-a", "180", text], capture_output=True, check=True).stdout
    rate, start = int.from_bytes(raw[24:28], "little"), raw.index(b"data") + 8
    samples = resampled(Pcm(raw[start : start + (len(raw) - start) // 2 * 2], rate), MICROPHONE_HZ).samples
    path.write_bytes(
        write_wav(Pcm(bytes(2 * MICROPHONE_HZ * after_s) + samples + bytes(2 * MICROPHONE_HZ * 30), MICROPHONE_HZ))
    )
    return path
