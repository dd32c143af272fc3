"""Fixtures that every test may use."""

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no failure.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture
def anyio_backend() -> str:
    """All asynchronous tests run on asyncio: uvicorn and the providers do too."""
    return "asyncio"


pytest_plugins = ["tests.needs"]
