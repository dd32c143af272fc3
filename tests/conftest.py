"""Fixtures that every test may use."""

import os

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no failure; what is new is looked for by people, not by what lets a change in.
settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("house")


@pytest.fixture
def anyio_backend() -> str:
    """All asynchronous tests run on asyncio: uvicorn and the providers do too."""
    return "asyncio"


pytest_plugins = ["tests.needs"]
