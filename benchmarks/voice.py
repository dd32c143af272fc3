"""Metric 3a: from the end of somebody's speech to the first sound of the answer, embedded models, one session, beside the same models in a row.

The person's sentences are spoken by the embedded voice and sent at the pace of speech. The control is what a plain script would do with the same
models and the same prompt: wait out the same silence, recognise the utterance, let the model answer to its end, have it spoken, take the first sound.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from statistics import median

import anyio
import httpx
from tests.serving import own_process, until_ready
from tests.talking import Talk, talking

from voicemind.config import Settings
from voicemind.engines.cascade.endpoint import EndpointLimits
from voicemind.llm.contract import Ask, Llm, Message, TextDelta
from voicemind.mind.agent_files import load_agents
from voicemind.mind.prompt import compose
from voicemind.speech.audio import INPUT_RATE_HZ, Pcm, resampled
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts, sound_of

Result = dict[str, float | int | str]
SENTENCES = (
    "My cat is called Biscuit and I live in Oslo.",
    "I did not sleep well last night.",
    "What would you do in my place?",
    "My sister wants to visit me next week.",
    "I like to walk along the harbour in the evening.",
)
FRAME = INPUT_RATE_HZ // 50 * 2
LOCAL = {"VOICEMIND_LLM": "local", "VOICEMIND_STT": "moonshine", "VOICEMIND_TTS": "piper", "VOICEMIND_VAD": "silero"}


async def measure(*, rounds: int = 2) -> Result:
    """Milliseconds; every sentence of every round once through the server and once through the control."""
    from voicemind.assembly import STTS, TTSS, build_llm

    settings = Settings.load(llm="local")
    llm, stt, tts = build_llm(settings), STTS["moonshine"](settings), TTSS["piper"](settings)
    for provider in (llm, stt, tts):
        await provider.start()
    system = Message("system", compose(load_agents(None)["counsellor"], None, channel="voice"))
    ours: list[float] = []
    control: list[float] = []
    try:
        sounds = [await _spoken(tts, text) for text in SENTENCES]
        await llm.warm((system,))
        with (
            tempfile.TemporaryDirectory() as folder,
            own_process(Path(folder), **LOCAL, VOICEMIND_CACHE_DIR=str(settings.cache_dir)) as server,
        ):
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                await until_ready(client, limit_s=120)
                for _ in range(rounds):
                    async with talking(client, binary=True, agent="counsellor", greet=False) as talk:
                        await talk.until("state", state="listening")
                        for sound in sounds:
                            ours.append(await _answered(talk, sound))
                            control.append(await _in_a_row(llm, stt, tts, system, sound))
    finally:
        for provider in (llm, stt, tts):
            await provider.aclose()
    return {
        "first_sound_p50_ms": round(median(ours)),
        "first_sound_p95_ms": round(sorted(ours)[int(len(ours) * 0.95)]),
        "in_a_row_p50_ms": round(median(control)),
        "in_a_row_p95_ms": round(sorted(control)[int(len(control) * 0.95)]),
        "ratio": round(median(ours) / median(control), 2),
        "sentences": len(ours),
        "prompt_chars": len(system.content),
        "model": settings.llm_model,
        "cache": "the mind is read ahead; earlier turns of the talk are cached",
    }


async def _spoken(tts: Tts, text: str) -> bytes:
    samples = b""
    async with aclosing(tts.speak(text)) as pieces:
        async for piece in sound_of(pieces):
            samples += piece.samples
    return resampled(Pcm(samples, tts.rate_hz), INPUT_RATE_HZ).samples


async def _answered(talk: Talk, sound: bytes) -> float:
    """Send the sentence at the pace of speech and silence after it until the answer is over; how long after the sentence's end it began to sound."""
    finished = anyio.Event()
    began = time.perf_counter()
    ended = began + len(sound) / 2 / INPUT_RATE_HZ

    async def send() -> None:
        number = 0
        while not finished.is_set():
            frame = sound[number * FRAME : (number + 1) * FRAME]
            await talk.send_sound(frame.ljust(FRAME, b"\0"))
            number += 1
            await anyio.sleep(max(0.0, began + number * 0.02 - time.perf_counter()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        first = await _first_sound(talk)
        await talk.until("agent_response", final=True)
        finished.set()
    return (first - ended) * 1e3


async def _first_sound(talk: Talk) -> float:
    with anyio.fail_after(60):
        while not isinstance(await talk.socket.recv(), bytes):
            pass
    return time.perf_counter()


async def _in_a_row(llm: Llm, stt: Stt, tts: Tts, system: Message, sound: bytes) -> float:
    began = time.perf_counter()
    async with stt.utterance() as utterance:
        await utterance.feed(sound)
        heard = await utterance.finish()
    said = ""
    async with aclosing(llm.stream(Ask((system, Message("user", heard)), max_tokens=160))) as pieces:
        async for piece in pieces:
            said += piece.text if isinstance(piece, TextDelta) else ""
    async with aclosing(tts.speak(said)) as spoken:
        await anext(spoken, None)
    return (time.perf_counter() - began) * 1e3 + EndpointLimits().over_ms
