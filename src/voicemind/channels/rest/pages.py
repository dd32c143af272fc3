"""Lists page by page: a cursor says behind which place the next page begins, so that what comes or goes meanwhile shifts nothing."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from fastapi import Query

from voicemind.channels.rest.strict import Shape
from voicemind.channels.rest.visit import LARGEST_NUMBER
from voicemind.errors import BadRequest

T = TypeVar("T")
Row = TypeVar("Row")
Place = TypeVar("Place", bound=tuple[str | int | datetime, ...])

_LONGEST_CURSOR = 2000
_FIRST_YEAR, _LAST_YEAR = 1971, 9000

Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer at most.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before; nothing for the first page.")]
DEFAULT_LIMIT = 50


class Page(Shape, Generic[T]):
    """One page of a list. `next_cursor` leads to the next one; null on the last."""

    items: Sequence[T]
    next_cursor: str | None = None


def page(
    rows: Sequence[Row], limit: int, *, shape: Callable[[Row], T], place: Callable[[Row], tuple[object, ...]]
) -> Page[T]:
    """The page of `rows`, of which one more than `limit` was asked for; `place` tells where a row stands in the list."""
    shown = rows[:limit]
    more = cursor(place(shown[-1])) if len(rows) > limit else None
    return Page(items=[shape(row) for row in shown], next_cursor=more)


def cursor(place: tuple[object, ...]) -> str:
    """The place as opaque text."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place(cursor: str | None, type_: type[Place]) -> Place | None:
    """The place that a cursor stands for; None for the beginning. Raises BadRequest for one that was not made here."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode((cursor[:_LONGEST_CURSOR] + "=" * (-len(cursor) % 4)).encode("ascii"))
        found = msgspec.json.decode(raw, type=type_)
    except (Error, msgspec.MsgspecError, RecursionError, ValueError):
        raise _broken() from None
    if not all(map(_sound, found)):
        raise _broken()
    return found


def _sound(part: str | int | datetime) -> bool:
    """Whether every database can compare with it."""
    if isinstance(part, datetime):
        return part.tzinfo is not None and _FIRST_YEAR <= part.year <= _LAST_YEAR
    return part.isprintable() if isinstance(part, str) else 0 <= part <= LARGEST_NUMBER


def moment(value: datetime) -> datetime:
    """As it stands in a cursor."""
    return value.astimezone(UTC)


def _broken() -> BadRequest:
    return BadRequest("This cursor was not made here.", param="cursor")
