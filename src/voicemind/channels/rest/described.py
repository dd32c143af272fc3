"""What the OpenAPI document says that FastAPI cannot know: the form of errors, agents, files, and the key that is needed."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI

from voicemind.channels.rest.strict import Shape
from voicemind.mind.agent import Agent

SCHEMAS = "#/components/schemas/"


class Mistake(Shape):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Shape):
    """The form of every error."""

    error: Mistake


ANSWERS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "What the caller can put right."},
    "5XX": {"model": ErrorBody, "description": "What it cannot."},
}


def answered(description: str, schema: str, status: int = 200, *, paged: bool = False) -> dict[int | str, Any]:
    """The answer of an address that writes its JSON itself."""
    one: dict[str, Any] = {"$ref": SCHEMAS + schema}
    if paged:
        properties = {"items": {"type": "array", "items": one}, "next_cursor": {"type": ["string", "null"]}}
        one = {"type": "object", "required": ["items", "next_cursor"], "properties": properties}
    return {**ANSWERS, status: {"description": description, "content": {"application/json": {"schema": one}}}}


def files(description: str, *types: str) -> dict[int | str, Any]:
    """The answer of an address that gives a file, in any of these types."""
    content = {kind: {"schema": {} if kind == "application/json" else {"type": "string"}} for kind in types}
    return {**ANSWERS, 200: {"description": description, "content": content}}


def sent(schema: str) -> dict[str, Any]:
    """The body of an address that reads its JSON itself."""
    content = {"application/json": {"schema": {"$ref": SCHEMAS + schema}}}
    return {"requestBody": {"required": True, "content": content}}


def sent_file(*types: str) -> dict[str, Any]:
    """The body of an address that takes a file in any of these types."""
    content = {kind: {"schema": {"type": "object" if "json" in kind else "string"}} for kind in types}
    return {"requestBody": {"required": True, "content": content}}


class Described(FastAPI):
    """An application whose document is complete."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        components = document["components"]
        if "securitySchemes" not in components:
            _, agents = msgspec.json.schema_components([Agent], ref_template=SCHEMAS + "{name}")
            components["schemas"].update(agents)
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"key": []}, {}]  # a server without keys answers on its own machine alone
        return document
