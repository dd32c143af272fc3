"""Who asks, and what they ask for by name: the parts of a request that many addresses share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, Field
from starlette.requests import Request

from voicemind.channels.rest.rooms import Rooms
from voicemind.conversation.opening import MAX_ID_CHARS, external_id
from voicemind.errors import BadRequest

LARGEST_NUMBER = 2**31 - 1
"""What every database can hold as a version number."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: whose things it sees, and who does the work."""

    tenant: str
    rooms: Rooms


async def _visit(request: Request) -> Visit:
    return Visit(request.state.tenant, request.app.state.rooms)


def _decoded(part: str) -> str:
    """The id that a part of the address stands for; parts reach the routes as they were sent."""
    return _printable(unquote(part))


def _printable(text: str) -> str:
    known = external_id(text, param="id")
    if known is None:
        raise BadRequest("An id in the address is empty.", param="id")
    return known


def _body_id(text: str) -> str:
    if not text.strip() or len(text) > MAX_ID_CHARS or not text.isprintable():
        raise ValueError(f"an id has 1 to {MAX_ID_CHARS} characters that can be printed")
    return text


Here = Annotated[Visit, Depends(_visit)]
PathId = Annotated[str, Path(), AfterValidator(_decoded)]
QueryId = Annotated[str | None, Query(), AfterValidator(lambda text: text if text is None else _printable(text))]
BodyId = Annotated[str, AfterValidator(_body_id)]
Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
