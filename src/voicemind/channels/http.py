"""What every HTTP endpoint shares: reading a body safely, and saying what was wrong in the form that the caller expects."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voicemind.errors import BadRequest, Busy, ClientMistake, TooLarge, VoicemindError
from voicemind.ops import metrics

T = TypeVar("T")

LINGERING_S, LINGERING_BYTES = 2.0, 8 << 20
"""How long, and how much of it, what a client still sends is read after it was refused for being too much."""
CHAT_LIMIT_BYTES = 2 * 1024 * 1024
_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


class WrongContentType(ClientMistake):
    """The body is announced as something other than JSON."""

    code = "unsupported_media_type"
    status = 415


def json_response(
    content: Any, *, status: int = 200, headers: dict[str, str] | None = None, response: type[Response] = Response
) -> Response:
    """A JSON body from plain values and msgspec structs."""
    return response(msgspec.json.encode(content), status_code=status, media_type="application/json", headers=headers)


async def read_json(request: Request, type_: type[T], *, limit: int = CHAT_LIMIT_BYTES) -> T:
    """The request's JSON body as `type_`. Raises WrongContentType, TooLarge, and BadRequest which names the field."""
    require_json(request)
    return decoded(await read_body(request, limit=limit), type_)


def require_json(request: Request) -> None:
    """Raises WrongContentType where the body is announced as something else than JSON."""
    announced = content_type(request)
    if announced != "application/json" and not (announced.startswith("application/") and announced.endswith("+json")):
        raise WrongContentType("Send JSON with Content-Type: application/json.")


def content_type(request: Request) -> str:
    """What the body is announced as, without its parameters; empty where nothing is said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def decoded(body: bytes, type_: type[T]) -> T:
    """JSON as `type_`. Raises BadRequest which names the field."""
    try:
        return msgspec.convert(msgspec.json.decode(body), type_, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError, OverflowError):
        raise BadRequest("The body is not JSON that can be used.") from None


async def read_body(request: Request, *, limit: int) -> bytes:
    """The whole body. Raises TooLarge before reading where the length is announced, else soon after the limit."""
    announced = request.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
    return bytes(body)


def _explained(error: msgspec.ValidationError) -> BadRequest:
    """msgspec's message names types and the place, never the value."""
    text = str(error)
    place = _PLACE.search(text)
    param = place["path"].removeprefix("$").lstrip(".") if place else ""
    missing = re.search(r"missing required field `([^`]+)`", text)
    if missing:
        param = f"{param}.{missing[1]}".lstrip(".")
    return BadRequest(_PLACE.sub("", text) + ".", param=param or None)


def error_response(
    path: str,
    *,
    status: int,
    code: str,
    message: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
    response: type[Response] = Response,
) -> Response:
    """An error: the object form of OpenAI, or on the older `/api/*` endpoints `{"error", "detail"}`."""
    metrics.ERRORS.labels(code).inc()
    content: dict[str, Any]
    if path.startswith("/api/") and not path.startswith("/api/v1/"):
        content = {"error": code, "detail": message}
    else:
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        content = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return json_response(content, status=status, headers=headers, response=response)


class _Refusal(Response):
    """An answer to a body that is not read to its end.

    A socket that is closed while something has arrived that nobody read is reset, and the answer is lost with it: the rest is read for a while, and
    thrown away. The answer itself is whole before that.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        thrown_away = 0
        with anyio.move_on_after(LINGERING_S):
            while thrown_away < LINGERING_BYTES and (message := await receive()).get("more_body"):
                thrown_away += len(message.get("body", b""))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def mistake_response(path: str, error: VoicemindError) -> Response:
    """What the caller is told of one of our own errors."""
    if isinstance(error, ClientMistake):
        headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Busy) else {}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, TooLarge):
            headers["Connection"] = "close"  # else the server would go on reading a body that nobody wants
        return error_response(
            path,
            status=error.status,
            code=error.code,
            message=str(error),
            param=error.param,
            headers=headers,
            response=_Refusal if isinstance(error, TooLarge) else Response,
        )
    headers = {"Retry-After": "5"} if error.status == 503 else {}
    return error_response(path, status=error.status, code=error.code, message=str(error), headers=headers)
