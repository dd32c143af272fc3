"""Cursors: walking page by page gives everything once, and what is no cursor is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.channels.rest.etags import Stale, etag, expected
from voicemind.channels.rest.pages import Page, cursor, moment, page, place
from voicemind.errors import BadRequest
from voicemind.store.values import Entry, MindKey, MindVersion

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
ROWS = st.lists(st.tuples(st.integers(0, 3), PRINTABLE), unique=True, max_size=40)


def newest_first(rows: list[tuple[int, str]], text: str | None, limit: int) -> Page[tuple[datetime, str]]:
    """A list as a store gives it: by moment, then id, both descending; many rows have the same moment."""
    every = sorted([(BEGAN + timedelta(microseconds=after), name) for after, name in rows], reverse=True)
    before = place(text, tuple[datetime, str])
    rest = [row for row in every if before is None or row < before]
    return page(rest[: limit + 1], limit, shape=lambda row: row, place=lambda row: (moment(row[0]), row[1]))


@given(ROWS, st.integers(1, 7))
def test_walking_all_pages_gives_everything_once(rows: list[tuple[int, str]], limit: int) -> None:
    walked: list[tuple[datetime, str]] = []
    text: str | None = None
    for _ in range(len(rows) + 1):
        found = newest_first(rows, text, limit)
        assert len(found.items) <= limit
        walked += found.items
        text = found.next_cursor
        if text is None:
            break
    assert text is None
    assert [(int((at - BEGAN) / timedelta(microseconds=1)), name) for at, name in walked] == sorted(rows, reverse=True)


@given(ROWS, st.integers(1, 7), st.tuples(st.just(9), PRINTABLE))
def test_what_comes_to_the_front_shifts_no_page(
    rows: list[tuple[int, str]], limit: int, newcomer: tuple[int, str]
) -> None:
    first = newest_first(rows, None, limit)
    if first.next_cursor is not None:
        assert newest_first([newcomer, *rows], first.next_cursor, limit) == newest_first(rows, first.next_cursor, limit)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    try:
        found = place(text, tuple[datetime, str])
    except BadRequest:
        return
    assert found is not None
    assert found[0].tzinfo is not None


@pytest.mark.parametrize(
    "made",
    [
        (datetime(2026, 1, 1), "x"),  # noqa: DTZ001 - a moment without its zone is what is refused
        (datetime(1, 1, 1, tzinfo=UTC), "x"),
        (BEGAN, "x\0"),
        (BEGAN,),
        (BEGAN, "x", "y"),
        (1, "x"),
    ],
)
def test_a_place_that_no_list_has_is_refused(made: tuple[object, ...]) -> None:
    with pytest.raises(BadRequest):
        place(cursor(made), tuple[datetime, str])


@pytest.mark.parametrize("number", [-1, 2**31, 2**63, 2**200])
def test_a_number_that_no_database_holds_is_refused(number: int) -> None:
    with pytest.raises(BadRequest):
        place(cursor((number,)) if abs(number) < 2**64 else "W" + "OTk5" * 30, tuple[int])


def version(number: int, *entries: str) -> MindVersion:
    held = {"memory": tuple(Entry(name, "It rains.") for name in entries)}
    return MindVersion(MindKey("t", "a"), number, "person", datetime(2026, 5, 4, tzinfo=UTC), held)


@given(st.text(max_size=60))
def test_any_if_match_is_understood_or_refused(header: str) -> None:
    try:
        assert expected(header, version(3)) in (None, 3)
    except (Stale, BadRequest) as error:
        assert error.status in (400, 412)  # noqa: PT017 - either is right


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 9), st.booleans())
def test_the_newest_version_has_to_be_among_the_named(named: list[int], newest: int, by_number: bool) -> None:
    header = ", ".join(f'"v{number}"' if by_number else etag(version(number)) for number in named)
    if newest in named:
        assert expected(header, version(newest)) == newest
    else:
        with pytest.raises(Stale) as error:
            expected(header, version(newest))
        assert error.value.newest == version(newest)


def test_an_etag_changes_with_what_the_mind_holds() -> None:
    tags = [etag(version(3, *names)) for names in ((), ("a",), ("b",), ("a", "b"), ("b", "a"))]
    assert len(set(tags)) == 5
    with pytest.raises(Stale):
        expected(tags[1], version(3, "b"))


@pytest.mark.parametrize("header", ["*", '"v1"', etag(version(1))])
def test_nothing_can_be_expected_of_a_mind_that_does_not_exist(header: str) -> None:
    with pytest.raises(Stale) as error:
        expected(header, None)
    assert error.value.newest is None
    assert expected(None, None) is None
