"""Which addresses are accepted, and that an error never repeats what was stored."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from voicemind.errors import BadRequest, Misconfigured, StorageUnavailable
from voicemind.store.database import explained, open_engine, parse_url, translated
from voicemind.store.turns import storable


@pytest.mark.parametrize("address", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_every_spelling_of_postgresql_uses_psycopg(address: str) -> None:
    assert parse_url(address).render_as_string(hide_password=False) == "postgresql+psycopg://u:p@h/d"


def test_a_sqlite_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert parse_url("sqlite:///~/mind.db").database == "/home/anna/mind.db"
    assert parse_url("sqlite:////var/mind.db").database == "/var/mind.db"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "voicemind.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x.db?uri=true",
        "sqlite:///x.db?mode=ro",
        "sqlite://host/x.db",
        "sqlite+aiosqlite:///x.db",
        "postgresql+asyncpg://u:hunter2@h/d",
        "postgresql://u:hunter2@h",
        "mysql://u:hunter2@h/d",
        "postgresql://u:hunter2@h:port/d",
    ],
)
def test_an_address_that_is_none_of_ours_names_the_setting_and_what_it_accepts(address: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        parse_url(address)
    assert refused.value.setting == "VOICEMIND_DATABASE_URL"
    assert "sqlite:///" in refused.value.accepted
    assert "postgresql://" in refused.value.accepted
    assert "hunter2" not in str(refused.value)


def test_an_error_of_the_database_becomes_ours_without_the_values(tmp_path: object) -> None:
    engine = open_engine(parse_url(f"sqlite:///{tmp_path}/x.db"))
    with pytest.raises(StorageUnavailable) as failed, translated(), engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:said)"), {"said": "my secret"})
    engine.dispose()
    assert str(failed.value) == "the database cannot be used now (SQLITE_ERROR)"
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


@pytest.mark.parametrize("error", [OSError(28, "No space left"), sa.exc.TimeoutError()])
def test_whatever_else_fails_means_that_the_storage_is_unavailable(error: Exception) -> None:
    assert isinstance(explained(error), StorageUnavailable)


def test_a_value_that_cannot_be_encoded_is_the_callers_mistake() -> None:
    with pytest.raises(BadRequest), translated():
        "\ud800".encode()


@given(st.text(st.characters(exclude_categories=[])))
def test_text_made_storable_is_encodable_and_made_so_once(text: str) -> None:
    stored = storable(text)
    assert "\x00" not in stored
    assert stored.encode().decode() == stored == storable(stored)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_ordinary_text_is_stored_as_it_is(text: str) -> None:
    assert storable(text) == text
