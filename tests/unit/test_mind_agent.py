"""Agent files: what they may say, and what a maker is told who got one wrong."""

from pathlib import Path

import pytest

from voicemind.errors import Misconfigured, UnknownAgent
from voicemind.mind.agent import find_agent
from voicemind.mind.agent_files import load_agents, parse_agent
from voicemind.store.values import MindKey

HEAD = 'slug = "mine"\nname = "Mine"\ndescription = "A test."\nfirst_message = "Hello."\n'
FIXED = '[[blocks]]\nlabel = "role"\ntitle = "Who you are"\ntext = "You are mine."\n'


def memory(label: str = "memory", *, scope: str = "user", rest: str = 'holds = "facts"') -> str:
    return f'[[blocks]]\nlabel = "{label}"\ntitle = "Memory"\nscope = "{scope}"\nreflects = true\n{rest}\n'


def test_a_file_becomes_an_agent() -> None:
    agent = parse_agent(HEAD + FIXED + memory(rest='holds = "facts"\nentries = ["The user is new."]'), "mine.toml")
    assert agent.slug == "mine"
    assert agent.language == "en"
    assert agent.voice is None
    assert agent.seed() == {"memory": ["The user is new."]}
    block = agent.block("role")
    assert block is not None
    assert block.text == "You are mine."
    assert agent.block("nothing") is None


def test_a_user_scoped_mind_belongs_to_agent_and_user() -> None:
    agent = parse_agent(HEAD + FIXED + memory(), "mine.toml")
    assert agent.mind_key("t", "ingrid") == MindKey("t", "mine", "ingrid")


def test_an_agent_scoped_mind_belongs_to_the_agent_alone() -> None:
    agent = parse_agent(HEAD + FIXED + memory(scope="agent"), "mine.toml")
    assert agent.mind_key("t", "ingrid") == MindKey("t", "mine", "")


def test_an_agent_without_memory_has_one_mind() -> None:
    agent = parse_agent(HEAD + FIXED, "mine.toml")
    assert agent.mind_key("t", "ingrid").user_id == ""
    assert agent.seed() == {}


WRONG = [
    ("", "slug", "missing"),
    ("slug = 3\n" + HEAD[14:] + FIXED, "slug", "type str, not int"),
    (HEAD.replace('"mine"', '"Not A Slug"') + FIXED, "slug", "lower-case"),
    (HEAD + 'colour = "red"\n' + FIXED, "colour", "no such field"),
    (HEAD + FIXED.replace("title", "titel"), "blocks[0]", "titel"),
    (HEAD + FIXED + FIXED, "blocks[1].label", "already labelled role"),
    (HEAD + FIXED + memory(scope="everybody"), "blocks[1].scope", "shared, agent, user"),
    (HEAD + FIXED + memory() + memory("goals", scope="agent"), "blocks", "different scopes"),
    (HEAD + FIXED + memory(scope="shared"), "blocks[1].reflects", "every agent"),
    (HEAD + FIXED + memory(rest=""), "blocks[1].holds", "facts, goals"),
    (HEAD + FIXED + memory(rest='holds = "secrets"'), "blocks[1].holds", "facts, goals"),
    (HEAD + FIXED + memory(rest='holds = "facts"\ntext = "x"'), "blocks[1].text", "entries"),
    (HEAD + FIXED + memory(rest='holds = "facts"\nlimit = 5'), "blocks[1].limit", "50 to 8000"),
    (HEAD + FIXED + f"limit = 50\n[[blocks]]\nlabel = 'b'\ntitle = 'B'\nlimit = 50\ntext = '{'x' * 51}'", "blocks[1].limit", "51"),
    (HEAD + '[[blocks]]\nlabel = "role"\ntitle = "Role"\n', "blocks[0]", "has text"),
    (HEAD + FIXED + 'text_from = "world"\n', "blocks[0].text_from", "only a shared block"),
    (HEAD + '[[blocks]]\nlabel="w"\ntitle="W"\nscope="shared"\ntext_from="moon"\n', "blocks[0].text_from", "moon"),
    (HEAD + "temperature = 9\n" + FIXED, "temperature", "0 to 2"),
    (HEAD + 'language = "English"\n' + FIXED, "language", "en-GB"),
    (HEAD + "blocks = []\n", "blocks", ""),
    ("this is not toml", "", "not TOML"),
    (b"\xff\xfe", "", "not TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "field", "says"), WRONG)
def test_a_wrong_file_is_refused_by_file_and_field(source: str | bytes, field: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_agent(source, "mine.toml")
    assert str(caught.value).startswith(f"mine.toml {field}".strip())
    assert says in str(caught.value)
    assert "$" not in str(caught.value)


def test_a_file_of_the_makers_own_replaces_a_preset(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(HEAD.replace('"mine"', '"sage"') + FIXED, encoding="utf-8")
    (tmp_path / "y.toml").write_text(HEAD + FIXED, encoding="utf-8")
    agents = load_agents(tmp_path)
    assert agents["sage"].name == "Mine"
    assert "counsellor" in agents
    assert agents["mine"].slug == "mine"


def test_own_files_may_share_own_texts(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "moon.toml").write_text('text = "We live on the moon."', encoding="utf-8")
    block = '[[blocks]]\nlabel = "w"\ntitle = "W"\nscope = "shared"\ntext_from = "moon"\n'
    (tmp_path / "a.toml").write_text(HEAD + block, encoding="utf-8")
    assert load_agents(tmp_path)["mine"].blocks[0].text == "We live on the moon."


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="VOICEMIND_AGENTS_DIR"):
        load_agents(tmp_path / "nowhere")


def test_two_files_cannot_have_one_slug(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(HEAD + FIXED, encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"b\.toml slug"):
        load_agents(tmp_path)


def test_an_alias_cannot_mean_two_agents(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(HEAD + 'aliases = ["role_1"]\n' + FIXED, encoding="utf-8")
    with pytest.raises(Misconfigured, match="role_1"):
        load_agents(tmp_path)


def test_agents_are_found_by_slug_and_alias() -> None:
    agents = load_agents()
    assert find_agent(agents, "thalia").slug == "thalia"
    assert find_agent(agents, "role_1").slug == "alexandros"
    with pytest.raises(UnknownAgent):
        find_agent(agents, "nobody")
