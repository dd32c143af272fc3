"""The OpenAPI document: every address is in it, and what is in it is true."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.administering import API, FERRYMAN, MIND, TALK, settle
from tests.serving import in_process

from voicemind.channels.rest.app import ROUTES

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path) as client:
        yield client


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


async def test_every_route_is_in_the_document_once(client: httpx.AsyncClient) -> None:
    document = (await client.get(f"{API}/openapi.json")).json()
    written = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert written == {(m, route.path) for route in ROUTES if isinstance(route, APIRoute) for m in route.methods or ()}
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": API}]


async def test_the_document_refers_to_what_it_holds_and_promises_no_422(client: httpx.AsyncClient) -> None:
    document = (await client.get(f"{API}/openapi.json")).json()
    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place
    for item in document["paths"].values():
        for operation in item.values():
            assert "422" not in operation["responses"]
            assert "4XX" in operation["responses"]
            assert operation["description"]


async def test_answers_have_the_fields_that_the_document_says(client: httpx.AsyncClient) -> None:
    await settle(client)
    document = (await client.get(f"{API}/openapi.json")).json()
    for path, name in [
        ("/agents/{agent}", "Agent"),
        ("/minds/{agent}/{user_id}", "MindShape"),
        ("/conversations/{conversation_id}", "ConversationShape"),
        ("/meetings/{meeting_id}", "WholeMeetingShape"),
        ("/reflections/{conversation_id}", "ReflectionShape"),
        ("/users/{user_id}", "UserShape"),
    ]:
        schema = document["components"]["schemas"][name]
        filled = path.format(agent="ferryman", user_id="ada%2Flovelace", conversation_id=TALK, meeting_id="council")
        answer = (await client.get(API + filled)).json()
        assert set(schema["required"]) <= set(answer) <= set(schema["properties"]), path


async def test_a_definition_is_answered_whole_and_can_be_put_back(client: httpx.AsyncClient) -> None:
    await settle(client)
    read = (await client.get(f"{API}/agents/ferryman")).json()
    assert {name: read[name] for name in FERRYMAN if name != "blocks"} == {
        name: value for name, value in FERRYMAN.items() if name != "blocks"
    }
    assert (await client.put(f"{API}/agents/ferryman", json=read)).json() == read
    assert (await client.get(MIND)).status_code == 200
