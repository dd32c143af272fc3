"""Fixtures that every test may use."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """All asynchronous tests run on asyncio: uvicorn and the providers do too."""
    return "asyncio"


pytest_plugins = ["tests.needs"]
