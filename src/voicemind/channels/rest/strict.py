"""Requests as FastAPI alone would not take them: bodies are read within a limit and parsed by msgspec, and what is wrong with them is a 400."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from voicemind.channels.http import CHAT_LIMIT_BYTES, decoded, read_body, require_json
from voicemind.errors import BadRequest

_LONGEST_PARAM = 200


class Body(BaseModel):
    """What a request says. Nothing is taken for something else, and nothing unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Shape(BaseModel):
    """What an answer says, read from the value of the same name."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class StrictRoute(APIRoute):
    """Raises WrongContentType, TooLarge, and BadRequest which names the field."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        serve = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strictly(request: Request) -> Response:
            try:
                return await serve(await _read(request) if takes_body else request)
            except RequestValidationError as error:
                raise explained(error) from None

        return strictly


class _Read(Request):
    """A request whose body has been read."""

    def __init__(self, request: Request, *, raw: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw, self._value = raw, value

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._value


async def _read(request: Request) -> Request:
    """A body may be left out where everything in it may: then nothing is announced, and nothing sent."""
    if "content-type" not in request.headers and not _announced(request):
        return _Read(request, raw=b"", value=None)
    require_json(request)
    raw = await read_body(request, limit=CHAT_LIMIT_BYTES)
    return _Read(request, raw=raw, value=decoded(raw, object) if raw else None)


def _announced(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def explained(error: RequestValidationError) -> BadRequest:
    """pydantic's first complaint, which names types and places, never values."""
    first = error.errors()[0]
    where, *path = first["loc"]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    message = f"{first['msg']}." if param or where != "body" else "The body is not what is expected here."
    return BadRequest(message, param=param[:_LONGEST_PARAM] or None)
