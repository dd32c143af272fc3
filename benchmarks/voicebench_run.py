"""voicebench 0.2 (PyPI), which judges a conversation by its sound alone: how soon ours answers, whether it stops when interrupted, and not for a cough."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import anyio
import anyio.to_thread
from rich.console import Console

from benchmarks.completions_servers import NotInstalledError, environment_of
from benchmarks.sessions_servers import ours
from benchmarks.sessions_sound import speech
from voicemind.speech.audio import INPUT_RATE_HZ, Pcm, write_wav

VOICEBENCH = "voicebench==0.2.0"
SESSIONS = 3
LIMIT_S = 240.0
_SENTENCES_MS = (1_800, 1_200, 1_400, 900)

Result = dict[str, float | int | str]
console = Console()


async def measure() -> Result:
    """Milliseconds from the end of a sentence; the scripted models take 500 of them, the silence that ends a sentence comes on top."""
    try:
        programs = await anyio.to_thread.run_sync(environment_of, "voicebench", VOICEBENCH)
    except NotInstalledError as error:
        console.print(f"[bold]voicebench is left out[/bold]: {error}")
        return {"left_out": str(error)}
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with ours(folder / "server", cores=set(cores[:1])) as target:
            await _written(folder, target.url)
            command = [str(programs / "voicebench"), "run", "scenario.yaml", "--out", "out", "--format", "json", "-q"]
            command += ["-n", str(SESSIONS)]
            with anyio.fail_after(LIMIT_S):
                done = await anyio.run_process(
                    command,
                    cwd=folder,
                    check=False,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "PYTHONPATH": str(folder)},
                )
        report = folder / "out" / "report.json"
        if not report.exists():
            raise RuntimeError(f"voicebench failed: {done.stdout.decode(errors='replace')[-1000:]}")
        return _figures(json.loads(report.read_text()))


async def _written(folder: Path, url: str) -> None:
    """The scenario of voicebench's own example, with recorded speech instead of a hum, since Silero takes no hum for speech."""
    spoken = await speech()
    start = 0
    for number, ms in enumerate(_SENTENCES_MS):
        end = start + ms * INPUT_RATE_HZ // 1000 * 2
        (folder / f"{number}.wav").write_bytes(write_wav(Pcm(spoken[start:end], INPUT_RATE_HZ)))
        start = end
    shutil.copy(Path(__file__).with_name("voicebench_adapter.py"), folder)
    cough = {"synth": "noise", "duration_ms": 180, "level_db": -25}
    turns = [
        {"id": "opening", "audio": {"file": "0.wav"}},
        {"id": "answer", "audio": {"file": "1.wav"}, "start": {"after": "agent_speech_end", "delay_ms": 400}},
        {
            "id": "barge-in",
            "audio": {"file": "2.wav"},
            "start": {"after": "agent_speech_start", "delay_ms": 900},
            "expect": "stop",
        },
        {"id": "cough", "audio": cough, "start": {"after": "agent_speech_start", "delay_ms": 600}, "expect": "ignore"},
        {"id": "confirm", "audio": {"file": "3.wav"}, "start": {"after": "agent_speech_end", "delay_ms": 500}},
    ]
    adapter = {"type": "voicebench_adapter:VoicemindAdapter", "options": {"url": url}}
    scenario = {"name": "voicemind", "sample_rate": INPUT_RATE_HZ, "frame_ms": 20, "adapter": adapter, "turns": turns}
    (folder / "scenario.yaml").write_text(json.dumps(scenario))  # JSON is YAML too


def _figures(report: dict[str, dict[str, object]]) -> Result:
    """Its own summary, the nested statistics flattened."""
    result: Result = {}
    for name, value in report["summary"].items():
        if isinstance(value, dict):
            result |= {f"{name}_{part}": value[part] for part in ("p50", "p90", "max") if value.get(part) is not None}
        elif isinstance(value, int | float | str):
            result[name] = value
    return result
