"""`/v1/openapi.json`: the addresses of other people's formats, described from the types that their requests are read with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicemind import __version__
from voicemind.channels.audio import wire as audio
from voicemind.channels.audio.encoding import MEDIA_TYPES
from voicemind.channels.chat_completions import wire as chat
from voicemind.channels.http import json_response
from voicemind.channels.responses import wire as responses

SCHEMAS = "#/components/schemas/"
_TEXT: dict[str, Any] = {"type": "string"}
_PARTS: dict[str, dict[str, Any]] = {
    "Error": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {"message": _TEXT, "type": _TEXT, "param": {"type": ["string", "null"]}, "code": _TEXT},
        }
    },
    "Transcription": {"text": _TEXT},
    "Model": {"id": _TEXT, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": _TEXT},
    "Models": {"object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": SCHEMAS + "Model"}}},
    "ChatCompletion": {
        "id": _TEXT,
        "object": {"const": "chat.completion"},
        "created": {"type": "integer"},
        "model": _TEXT,
        "choices": {"type": "array", "minItems": 1, "maxItems": 1},
        "usage": {"type": "object"},
        "system_fingerprint": _TEXT,
    },
    "Response": {
        "id": _TEXT,
        "object": {"const": "response"},
        "created_at": {"type": "integer"},
        "status": {"enum": ["completed", "incomplete"]},
        "model": _TEXT,
        "output": {"type": "array", "items": {"type": "object"}},
        "usage": {"type": "object"},
    },
}
_SLUG = {"name": "slug", "in": "path", "required": True, "description": "The agent.", "schema": _TEXT}
_MODEL = {"name": "model", "in": "path", "required": True, "description": "The agent.", "schema": _TEXT}


class Description:
    """The endpoint."""

    def routes(self) -> Sequence[Route]:
        """Where it is found."""
        return [Route("/v1/openapi.json", self.described, methods=["GET"])]

    async def described(self, _: Request) -> Response:
        """The document."""
        return json_response(document())


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1. The other spellings of the same addresses are left out."""
    bodies, schemas = msgspec.json.schema_components(
        [chat.Request, responses.Request, audio.SpeechRequest], ref_template=SCHEMAS + "{name}"
    )
    bodies = tuple(bodies)
    answers = {
        name: {"type": "object", "required": list(properties), "properties": properties}
        for name, properties in _PARTS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Voicemind for OpenAI clients", "version": __version__},
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {}],  # a server without keys answers on its own machine alone
        "paths": {
            **_addresses("/chat/completions", _answering("ChatCompletion", bodies[0])),
            **_addresses("/responses", _answering("Response", bodies[1])),
            **_addresses("/audio/transcriptions", _hearing()),
            **_addresses("/audio/speech", _speaking(bodies[2])),
            **_addresses("/models", {"get": _operation("The agents.", "Models")}),
            "/v1/models/{model}": {"get": _operation("One agent.", "Model"), "parameters": [_MODEL]},
        },
        "components": {
            "schemas": {**schemas, **answers},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _addresses(path: str, item: dict[str, Any]) -> dict[str, Any]:
    return {f"/v1{path}": item, f"/agents/{{slug}}/v1{path}": {**item, "parameters": [_SLUG]}}


def _answering(schema: str, body: dict[str, Any]) -> dict[str, Any]:
    operation = _operation("An answer, whole or as a stream of events.", schema)
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    operation["responses"]["200"]["content"]["text/event-stream"] = {"schema": _TEXT}
    return {"post": operation}


def _hearing() -> dict[str, Any]:
    operation = _operation("The words of an audio file, whole or as a stream of events.", "Transcription")
    properties: dict[str, Any] = {
        "file": {"type": "string", "format": "binary", "description": "WAV, FLAC, MP3 or Ogg; at most 25 MB."},
        "model": {"enum": list(audio.HEARING_MODELS)},
        "language": _TEXT,
        "response_format": {"enum": list(audio.HEARD_FORMATS)},
        "stream": {"type": "boolean"},
    }
    form = {"type": "object", "required": ["file", "model"], "properties": properties}
    operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    for kind in ("text/plain", "text/vtt", "text/event-stream"):
        operation["responses"]["200"]["content"][kind] = {"schema": _TEXT}
    return {"post": operation}


def _speaking(body: dict[str, Any]) -> dict[str, Any]:
    operation = _operation("The sound of a text, sent while it is made.", "Error")
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    sound = {"schema": {"type": "string", "format": "binary"}}
    kinds = dict.fromkeys(MEDIA_TYPES.values(), sound)
    operation["responses"]["200"]["content"] = {**kinds, "text/event-stream": {"schema": _TEXT}}
    return {"post": operation}


def _operation(description: str, schema: str) -> dict[str, Any]:
    def answer(name: str, words: str) -> dict[str, Any]:
        return {"description": words, "content": {"application/json": {"schema": {"$ref": SCHEMAS + name}}}}

    answers = {
        "200": answer(schema, description),
        "4XX": answer("Error", "What the caller can put right."),
        "5XX": answer("Error", "What it cannot."),
    }
    return {"summary": description, "responses": answers}
