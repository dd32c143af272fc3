"""The models of a server: each is built once, and agents pick among them."""

from __future__ import annotations

import msgspec
import pytest

from voicemind.assembly.lineup import Models, named
from voicemind.config import Settings
from voicemind.errors import Misconfigured, ProviderRefused
from voicemind.mind.agent import Agent
from voicemind.mind.agent import Models as Wanted
from voicemind.mind.agent_files import load_agents

IDA = load_agents()["counsellor"]
KEYS = {"anthropic_api_key": "a", "openai_api_key": "o"}


def models(*agents: Agent, **given: object) -> Models:
    return Models(Settings(**{"llm": "openai", **KEYS, **given}), named(agents))  # type: ignore[arg-type]


def thinking(**wanted: object) -> Agent:
    return msgspec.structs.replace(IDA, models=msgspec.convert(wanted, Wanted))


def test_without_further_settings_one_model_answers_everything() -> None:
    server = models()
    assert [llm.name for llm in server.llms] == ["gpt-5.4-mini"]
    assert server.pick(IDA, "fast") is server.pick(IDA, "strong") is server.default is server.llms[0]


def test_the_settings_name_a_fast_and_a_strong_model() -> None:
    server = models(fast_llm="openai:gpt-nano", strong_llm="anthropic:claude-large")
    assert [llm.name for llm in server.llms] == ["gpt-5.4-mini", "gpt-nano", "claude-large"]
    assert server.pick(IDA, "fast").name == "gpt-nano"
    assert server.pick(IDA, "strong").name == "claude-large"
    assert server.default.name == "gpt-5.4-mini"


def test_a_model_that_is_named_twice_is_built_once() -> None:
    server = models(
        thinking(fast="openai:gpt-5.4-mini"),
        fast_llm="openai",
        strong_llm="openai:gpt-5.4-mini",
        fallback_llms="openai",
    )
    assert len(server.llms) == 1
    assert server.pick(IDA, "strong") is server.llms[0]


def test_an_agents_file_goes_before_the_settings() -> None:
    ida = thinking(fast="scripted", strong="anthropic")
    server = models(ida, strong_llm="openai:gpt-large")
    assert server.pick(ida, "fast").name == "scripted"
    assert server.pick(ida, "strong").name == "claude-haiku-5-5"
    assert server.pick(IDA, "strong").name == "gpt-large"


def test_a_fallback_stands_behind_every_model_and_each_chain_is_made_once() -> None:
    alone = thinking(fallback=[])
    server = models(alone, fallback_llms=" anthropic, scripted ")
    assert server.pick(IDA, "fast") is server.pick(IDA, "strong") is server.default
    assert server.default not in server.llms
    assert server.default.name == "gpt-5.4-mini"
    assert server.pick(alone, "fast") is server.llms[0]
    assert len(server.llms) == 3


def test_a_model_by_its_plain_name_is_one_that_the_server_has() -> None:
    server = models(strong_llm="anthropic")
    claude = msgspec.structs.replace(IDA, model="claude-haiku-5-5")
    assert server.pick(claude, "fast").name == "claude-haiku-5-5"
    for wanted in ("claude-of-the-future", "openai:gpt-of-the-future"):
        with pytest.raises(ProviderRefused, match=wanted):
            server.pick(msgspec.structs.replace(IDA, model=wanted), "fast")
    with pytest.raises(ProviderRefused, match="gpt-of-the-future"):
        server.pick(thinking(fallback=["openai:gpt-of-the-future"]), "fast")


def test_an_agent_may_name_its_one_model_with_its_provider() -> None:
    ida = msgspec.structs.replace(IDA, model="anthropic:claude-large")
    assert models(ida).pick(ida, "fast").name == "claude-large"


def test_a_name_may_hold_a_colon_of_its_own() -> None:
    assert models(llm="openai:llama3.2:3b").default.name == "llama3.2:3b"


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        ("VOICEMIND_FAST_LLM", {"fast_llm": "magic"}),
        ("VOICEMIND_STRONG_LLM", {"strong_llm": "magic:large"}),
        ("VOICEMIND_FALLBACK_LLMS", {"fallback_llms": "openai, magic"}),
        ("VOICEMIND_LLM", {"llm": "magic"}),
        ("VOICEMIND_ANTHROPIC_API_KEY", {"strong_llm": "anthropic", "anthropic_api_key": ""}),
    ],
)
def test_a_model_that_cannot_be_built_is_a_wrong_setting(setting: str, given: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=setting):
        models(**given)


def test_an_agent_that_names_no_such_provider_is_told_so() -> None:
    with pytest.raises(Misconfigured, match="magic"):
        models(thinking(strong="magic:large"))
