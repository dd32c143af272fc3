"""What `voicemind doctor` says of several language models."""

from __future__ import annotations

from pathlib import Path

import msgspec

from voicemind.assembly import PROVIDERS
from voicemind.cli.answering import answering
from voicemind.config import Settings
from voicemind.mind.agent import Models
from voicemind.mind.agent_files import load_agents

AGENTS = list(load_agents().values())


def _settings(tmp_path: Path, **given: str) -> Settings:
    return Settings(llm="scripted", cache_dir=tmp_path, openai_api_key="sk-canary", **given)  # type: ignore[arg-type]


def test_one_model_needs_no_line_of_its_own(tmp_path: Path) -> None:
    assert answering(_settings(tmp_path), AGENTS, PROVIDERS["llm"]) == []


def test_several_models_are_told_with_what_each_answers(tmp_path: Path) -> None:
    settings = _settings(tmp_path, strong_llm="openai:gpt-large", fallback_llms="openai")
    ida = msgspec.structs.replace(AGENTS[0], slug="ida", models=Models(fast="openai:gpt-ida"))
    (who,) = answering(settings, [*AGENTS, ida], PROVIDERS["llm"])
    assert who.state == "ok"
    for told in (
        "most turns: scripted",
        "more: openai:gpt-large",
        "cannot: openai:gpt-5.4-mini",
        "ida: openai:gpt-ida and openai:gpt-ida",
    ):
        assert told in who.found
    assert "canary" not in str(who)


def test_a_further_model_that_cannot_answer_is_missing(tmp_path: Path) -> None:
    settings = _settings(tmp_path, fast_llm="anthropic", strong_llm="local", fallback_llms="magic")
    _, *problems = answering(settings, AGENTS, PROVIDERS["llm"])
    assert [(check.name, check.state) for check in problems] == [
        ("model anthropic", "missing"),
        ("model local", "missing"),
        ("model magic", "missing"),
    ]
    assert problems[0].fix == "VOICEMIND_ANTHROPIC_API_KEY=the key"
