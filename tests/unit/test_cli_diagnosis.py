"""What `voicemind doctor` finds, and what it never shows."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from voicemind.cli import diagnosis
from voicemind.cli.doctor import LIGHT, STRONG, Pace, advice, measured
from voicemind.config import Settings
from voicemind.llm.scripted import ScriptedLlm
from voicemind.ops.lock import folder_lock

PROVIDERS = {"llm": ("local", "scripted"), "stt": ("moonshine",), "tts": ("piper",), "vad": ("silero",)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache", port=0)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def _with(settings: Settings, **changes: object) -> Settings:
    return Settings.load(**{**settings.model_dump(), **changes})


def test_an_unknown_provider_is_named_with_the_accepted_ones(settings: Settings) -> None:
    check = diagnosis.provider(_with(settings, llm="oracle"), "llm", PROVIDERS["llm"])

    assert check.state == "missing"
    assert check.fix == "VOICEMIND_LLM= one of local, scripted"


def test_a_model_that_was_not_fetched_comes_with_the_command_that_fetches_it(settings: Settings) -> None:
    check = diagnosis.model_file(settings)

    assert check is not None
    assert (check.state, check.fix) == ("missing", f"voicemind models pull {settings.llm_model}")
    assert diagnosis.model_file(_with(settings, llm="scripted")) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:canary-secret@127.0.0.1:9/minds",
        "mysql://me:canary-secret@127.0.0.1/minds",
        "sqlite:////tmp/x.db",
    ],
)
async def test_the_password_of_the_database_is_never_shown(address: str, settings: Settings) -> None:
    with anyio.fail_after(30):
        check = await diagnosis.database(_with(settings, database_url=address))

    assert "canary" not in repr(check)
    assert check.state == ("ok" if address.startswith("sqlite") else "missing")


@pytest.mark.anyio
async def test_an_address_that_is_none_is_said_to_be_none(settings: Settings) -> None:
    with anyio.fail_after(30):
        check = await diagnosis.database(_with(settings, database_url="canary://:::"))

    assert check.state == "missing"
    assert "canary" not in check.found


def test_a_data_folder_that_another_process_holds_is_missing_unless_our_server_holds_it(settings: Settings) -> None:
    settings.data_dir.mkdir()
    assert diagnosis.data_folder(settings, served=False).state == "ok"

    with folder_lock(settings.data_dir):
        assert diagnosis.data_folder(settings, served=False).state == "missing"
        assert diagnosis.data_folder(settings, served=True).state == "ok"


@pytest.mark.anyio
async def test_a_port_that_another_program_took_is_found(settings: Settings, taken_port: int) -> None:
    with anyio.fail_after(30):
        check = await diagnosis.port(_with(settings, port=taken_port), version=None)

    assert check.state == "missing"


def test_keys_are_counted_and_not_shown(settings: Settings) -> None:
    check = diagnosis.keys(_with(settings, api_keys="one:canary-key-1,two:canary-key-2"))

    assert check.found.startswith("2 ")
    assert "canary" not in repr(check)


@pytest.mark.parametrize(
    ("text", "mode", "state", "found"),
    [
        ("acme:canary-1\nacme:canary-2\n", 0o600, "ok", "1 in VOICEMIND_API_KEYS, 2 more in "),
        ("acme:canary-1\n", 0o644, "missing", "others may read or write"),
        ("acme:canary-1\ncanary-2\n", 0o600, "missing", "line 2 cannot be used"),
        (None, 0, "missing", "there is no file"),
    ],
)
def test_the_state_of_a_file_of_keys_is_named_and_no_key_is_shown(
    text: str | None, mode: int, state: str, found: str, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)

    check = diagnosis.keys(_with(settings, host="0.0.0.0", api_keys="one:canary-key-1", api_keys_file=file))

    assert check.state == state
    assert found in check.found
    assert "canary" not in repr(check)


@pytest.mark.parametrize(("keys", "state"), [("", "missing"), ("tenant:long-enough", "ok"), ("no-colon", "missing")])
def test_a_server_for_others_needs_keys(keys: str, state: str, settings: Settings) -> None:
    assert diagnosis.keys(_with(settings, host="0.0.0.0", api_keys=keys)).state == state


@pytest.mark.parametrize(
    ("model", "tokens_per_s", "fix"),
    [
        (STRONG, 3.0, f"VOICEMIND_LLM_MODEL={LIGHT}"),
        (STRONG, 9.8, ""),
        (LIGHT, 10.0, ""),
        (LIGHT, 40.0, f"VOICEMIND_LLM_MODEL={STRONG}"),
        ("smollm2-135m", 60.0, ""),
    ],
)
def test_the_model_that_fits_the_machine_is_recommended(model: str, tokens_per_s: float, fix: str) -> None:
    assert advice(Pace(0.5, tokens_per_s), model=model).fix == fix


@pytest.mark.anyio
async def test_a_model_is_measured_by_asking_it() -> None:
    llm = ScriptedLlm(delay_ms=20)

    with anyio.fail_after(30):
        pace = await measured(llm)
        await llm.aclose()

    assert pace.first_token_s >= 0.019
    assert pace.tokens_per_s > 0


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_a_hosted_model_is_shown_with_its_address_and_never_with_its_key(name: str, settings: Settings) -> None:
    given = {f"{name}_api_key": "sk-canary", f"{name}_base_url": "https://canary:canary@gateway.example/v1"}
    check = diagnosis.hosted_model(_with(settings, llm=name, **given))

    assert check is not None
    assert check.state == "ok"
    assert "https://gateway.example/v1 (key ********)" in check.found
    assert "canary" not in repr(check)


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_a_hosted_model_without_a_key_says_which_setting_is_missing(name: str, settings: Settings) -> None:
    check = diagnosis.hosted_model(_with(settings, llm=name))

    assert check is not None
    assert (check.state, check.fix) == ("missing", f"VOICEMIND_{name.upper()}_API_KEY=the key")


def test_a_compatible_server_may_want_no_key(settings: Settings) -> None:
    check = diagnosis.hosted_model(_with(settings, llm="openai", openai_base_url="http://127.0.0.1:11434/v1"))

    assert check is not None
    assert check.state == "ok"
    assert diagnosis.hosted_model(settings) is None


@pytest.mark.parametrize(
    ("llm", "chosen", "used"),
    [("local", "auto", "extractive"), ("openai", "auto", "structured"), ("anthropic", "extractive", "extractive")],
)
def test_the_strategy_of_reflection_is_shown(llm: str, chosen: str, used: str, settings: Settings) -> None:
    assert used in diagnosis.reflection(_with(settings, llm=llm, reflection=chosen)).found


def test_hosted_speech_is_told_with_its_model_and_never_with_its_key(settings: Settings) -> None:
    assert diagnosis.hosted_speech(settings) == []
    missing, other = diagnosis.hosted_speech(_with(settings, stt="elevenlabs", tts="openai"))
    assert (missing.state, missing.fix) == ("missing", "VOICEMIND_ELEVENLABS_API_KEY=the key")
    assert (other.state, other.fix) == ("missing", "VOICEMIND_OPENAI_API_KEY=the key")

    given = {"elevenlabs_api_key": "canary-secret", "openai_base_url": "http://me:canary-secret@127.0.0.1:1/v1"}
    found = diagnosis.hosted_speech(_with(settings, stt="elevenlabs", tts="openai", **given))

    assert [check.state for check in found] == ["ok", "ok"]
    assert "scribe_v2_realtime at https://api.elevenlabs.io (key ********)" in found[0].found
    assert "gpt-4o-mini-tts at http://127.0.0.1:1/v1 (without a key)" in found[1].found
    assert "canary" not in repr(found)
