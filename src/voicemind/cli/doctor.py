"""`voicemind doctor`: prints what was chosen and why, how fast the language model is here, and what is missing."""

from __future__ import annotations

import os
from contextlib import aclosing

import anyio
import msgspec
import typer
from rich.table import Table
from rich.text import Text

from voicemind.cli.answering import answering
from voicemind.cli.diagnosis import Check, examined
from voicemind.cli.screen import err, out, said
from voicemind.config import Settings
from voicemind.errors import Misconfigured, VoicemindError
from voicemind.llm.contract import Ask, Finished, Llm, Message, TextDelta, ToolCall
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents

QUESTION = "Tell me in three sentences how rain is made."
TOKENS = 48
MEASURE_LIMIT_S = 180.0
FLUENT_TOKENS_S = 7.0
"""Speech takes about four tokens a second; below this the first sentence keeps a person waiting."""
STRONG, LIGHT = "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"
MARKS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "missing": ("✗", "red")}


class Pace(msgspec.Struct, frozen=True):
    """How fast a language model answers."""

    first_token_s: float
    tokens_per_s: float


async def examine(settings: Settings, *, as_json: bool, measure: bool) -> None:
    """Look at everything and print it. Raises typer.Exit(1) where something needed is missing."""
    from voicemind import assembly

    checks = await examined(settings, assembly.PROVIDERS)
    checks[2:2] = answering(settings, _agents(settings), assembly.PROVIDERS["llm"])
    is_whole = all(check.state != "missing" for check in checks)
    if (
        measure
        and settings.llm == "local"
        and not any(check.name in ("language model", "model file") and check.state == "missing" for check in checks)
    ):
        with err.status("measuring the language model…"):
            checks.append(await speed(assembly.build_llm(settings), model=settings.llm_model))
    if as_json:
        said(msgspec.json.encode({"ok": is_whole, "checks": checks}).decode())
    else:
        _print(checks, is_whole=is_whole)
    if not is_whole:
        raise typer.Exit(1)


def _agents(settings: Settings) -> list[Agent]:
    """Those whose files can be read; that some cannot is told by a check of its own."""
    try:
        return list(load_agents(settings.agents_dir).values())
    except Misconfigured:
        return []


async def speed(llm: Llm, *, model: str) -> Check:
    """What the model does here, and which one fits this machine."""
    try:
        with anyio.fail_after(MEASURE_LIMIT_S):
            pace = await measured(llm)
    except (VoicemindError, TimeoutError) as error:
        return Check(
            "speed",
            "note",
            f"the model could not be measured: {error or 'it took too long'}",
            "VOICEMIND_LOG_LEVEL=debug voicemind doctor",
        )
    finally:
        with anyio.CancelScope(shield=True):
            await llm.aclose()
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        return Check(
            "speed",
            "note",
            f"{pace.tokens_per_s:.1f} tokens/s, but this machine is busy",
            "voicemind doctor, once it is not",
        )
    return advice(pace, model=model)


def advice(pace: Pace, *, model: str) -> Check:
    """Which model fits a machine where `model` has this pace.

    >>> advice(Pace(0.6, 3.0), model=STRONG).fix
    'VOICEMIND_LLM_MODEL=qwen2.5-coder-0.5b'
    """
    found = f"{pace.tokens_per_s:.1f} tokens/s, first token after {pace.first_token_s:.1f} s"
    if model == STRONG and pace.tokens_per_s < FLUENT_TOKENS_S:
        return Check(
            "speed", "note", f"{found}: slow for speech, the smaller model fits better", f"VOICEMIND_LLM_MODEL={LIGHT}"
        )
    if model == LIGHT and pace.tokens_per_s > FLUENT_TOKENS_S * 3:
        return Check(
            "speed", "note", f"{found}: this machine can run the stronger model", f"VOICEMIND_LLM_MODEL={STRONG}"
        )
    return Check("speed", "ok", f"{found}: the right model for this machine")


async def measured(llm: Llm) -> Pace:
    """Ask one question and take the times. Raises ProviderUnavailable, ProviderRefused or Misconfigured."""
    await llm.start()
    asked = anyio.current_time()
    first = asked
    tokens = 0
    ask = Ask((Message("system", "You answer briefly."), Message("user", QUESTION)), max_tokens=TOKENS, temperature=0.0)
    async with aclosing(llm.stream(ask)) as pieces:
        async for piece in pieces:
            match piece:
                case TextDelta():
                    first = first if tokens else anyio.current_time()
                    tokens += 1
                case Finished(usage=usage):
                    tokens = usage.completion or tokens
                case ToolCall():  # it was offered no tool
                    pass
    return Pace(first - asked, max(tokens - 1, 0) / max(anyio.current_time() - first, 1e-6))


def _print(checks: list[Check], *, is_whole: bool) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for check in checks:
        mark, colour = MARKS[check.state]
        found = Text(check.found)
        if check.fix:
            found.append(f"\n→ {check.fix}", style="bold")
        table.add_row(Text(mark, style=colour), Text(check.name), found)
    out.print(table, soft_wrap=False)
    said(
        "Everything needed is here." if is_whole else "Something needed is missing: the lines marked ✗ say what to do."
    )
