"""Settings: what wins, what is refused, and that the README tells the truth about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from voicemind.config import Settings
from voicemind.errors import Misconfigured

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of this machine is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_an_empty_environment_is_a_keyless_server_on_this_machine() -> None:
    settings = Settings.load()

    assert (settings.host, settings.port, settings.llm) == ("127.0.0.1", 8700, "local")
    assert settings.is_loopback
    assert settings.database.startswith("sqlite:///")
    assert settings.server_url == "http://127.0.0.1:8700"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "voicemind.toml").write_text('port = 8701\nllm = "scripted"\n')
    monkeypatch.setenv("VOICEMIND_PORT", "8702")

    settings = Settings.load()

    assert (settings.port, settings.llm) == (8702, "scripted")


def test_our_name_of_a_setting_wins_over_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9001")
    assert Settings.load().port == 9001

    monkeypatch.setenv("VOICEMIND_PORT", "9002")
    assert Settings.load().port == 9002


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "70000"), ("PORT", "many"), ("LOG_LEVEL", "loud"), ("THREADS", "-1"), ("SESSION_TIMEOUT_MINUTES", "0")],
)
def test_a_wrong_value_names_the_setting_and_not_the_value(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VOICEMIND_{name}", value)

    with pytest.raises(Misconfigured) as refused:
        Settings.load()

    assert refused.value.setting == f"VOICEMIND_{name}"
    assert refused.value.accepted


def test_a_misspelt_setting_is_refused_with_the_right_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMIND_PROT", "8701")

    with pytest.raises(Misconfigured, match="VOICEMIND_PORT"):
        Settings.load()


def test_a_misspelt_line_of_the_file_is_refused_with_the_right_name(tmp_path: Path) -> None:
    (tmp_path / "voicemind.toml").write_text("prot = 8701\n")

    with pytest.raises(Misconfigured, match="did you mean port"):
        Settings.load()


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "voicemind.toml").write_text("port is 8701\n")

    with pytest.raises(Misconfigured, match="cannot be read"):
        Settings.load()


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMIND_CONFIG", "/nowhere/voicemind.toml")

    with pytest.raises(Misconfigured, match="VOICEMIND_CONFIG"):
        Settings.load()


def test_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMIND_API_KEYS", "tenant:canary-key")

    assert "canary" not in repr(Settings.load())


def test_the_keys_that_others_use_count_and_ours_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-1")
    monkeypatch.setenv("OPENAI_API_KEY", "canary-2")
    monkeypatch.setenv("VOICEMIND_OPENAI_API_KEY", "canary-3")

    settings = Settings.load()

    assert settings.anthropic_api_key.get_secret_value() == "canary-1"
    assert settings.openai_api_key.get_secret_value() == "canary-3"
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:8700"), ("::1", "http://[::1]:8700")])
def test_the_command_line_finds_a_server_that_listens_everywhere(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMIND_HOST", host)

    assert Settings.load().server_url == url


def test_the_readme_lists_every_setting_with_its_sentence() -> None:
    listed = dict(re.findall(r"^\| `VOICEMIND_([A-Z_]+)` \|[^|]*\| (.*) \|$", README.read_text(), flags=re.M))

    assert listed == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_the_webhook_secret_of_others_counts_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_WEBHOOK_SECRET", "wsec_canary-of-theirs")
    assert Settings.load().elevenlabs_webhook_secret.get_secret_value() == "wsec_canary-of-theirs"
    monkeypatch.setenv("VOICEMIND_ELEVENLABS_WEBHOOK_SECRET", "wsec_canary-of-ours")
    assert Settings.load().elevenlabs_webhook_secret.get_secret_value() == "wsec_canary-of-ours"
    assert "canary" not in repr(Settings.load())
