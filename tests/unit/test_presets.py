"""The agents that come with the package are complete, short and what they claim to be."""

from datetime import UTC, datetime

import pytest

from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents
from voicemind.mind.prompt import compose
from voicemind.store.values import Entry, MindVersion

PRESETS = load_agents()
COURT = ("alexandros", "thalia", "marcus")


@pytest.mark.parametrize("agent", PRESETS.values(), ids=list(PRESETS))
def test_a_new_mind_is_read_in_few_tokens(agent: Agent) -> None:
    assert len(compose(agent, None, channel="voice")) <= 1300


@pytest.mark.parametrize("agent", PRESETS.values(), ids=list(PRESETS))
def test_a_full_mind_is_bounded(agent: Agent) -> None:
    blocks = {
        block.label: tuple(Entry(str(number), "x" * 47) for number in range(block.limit // 50))
        for block in agent.reflective
    }
    full = MindVersion(agent.mind_key("t", "u"), 2, "reflection", datetime.now(UTC), blocks)
    assert len(compose(agent, full, channel="voice")) <= 2200


@pytest.mark.parametrize("agent", PRESETS.values(), ids=list(PRESETS))
def test_a_preset_remembers_facts_and_greets_in_one_sentence(agent: Agent) -> None:
    assert any(block.holds == "facts" for block in agent.reflective)
    assert agent.first_message.count(".") + agent.first_message.count("?") == 1
    assert agent.language == "en"


def test_the_court_shares_one_world_and_keeps_own_secrets() -> None:
    worlds = {PRESETS[slug].blocks[0].text for slug in COURT}
    assert len(worlds) == 1
    assert len(worlds.pop()) > 100
    assert [[block.label for block in PRESETS[slug].blocks] for slug in COURT] == [
        ["fixed", "identity", "goals", "memory"]
    ] * 3
    for slug in COURT:
        identity = PRESETS[slug].block("identity")
        assert identity is not None
        assert "Your secret:" in identity.text


def test_the_counsellor_says_what_it_is_and_what_it_does_in_a_crisis() -> None:
    counsellor = PRESETS["counsellor"]
    assert [block.label for block in counsellor.blocks] == ["role", "treatment_plan", "patient_memory"]
    assert counsellor.mind_key("t", "ingrid").user_id == "ingrid"
    role = counsellor.blocks[0].text
    for words in ("You are an AI", "not a doctor", "crisis", "emergency", "stay with them"):
        assert words in role
