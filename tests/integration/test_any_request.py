"""Requests made up from the OpenAPI documents: whatever fits a schema, or does not, nothing of it breaks the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, openapi
from tests.administering import settle
from tests.serving import Served, own_process, until_ready

EXAMPLES = 4
"""Requests for each address and each way to make them."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("any-request")
    with own_process(folder, VOICEMIND_END_WAIT_S="5") as served:

        async def ready() -> None:
            async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
                await until_ready(client)
                await settle(client)

        anyio.run(ready)
        yield served


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("document", ["/v1/openapi.json", "/api/v1/openapi.json"])
def test_no_request_breaks_the_server(server: Served, document: str, mode: GenerationMode) -> None:
    broken: list[str] = []
    statuses: set[int] = set()
    operations = [_valid(found) for found in openapi.from_url(server.url + document).get_all_operations()]
    assert operations
    with requests.Session() as session:
        for operation in operations:
            with suppress(Unsatisfiable):  # where nothing is sent, nothing can be sent wrongly
                statuses |= _try(operation, mode, session, broken)
        assert session.get(f"{server.url}/healthz", timeout=30).status_code == 200
    assert broken == []
    assert statuses & ({200} if mode is GenerationMode.POSITIVE else {400, 404})


def _valid(found: Any) -> Any:
    """An operation of the document; raises what is wrong with its description."""
    return found.ok()


def _try(operation: Any, mode: GenerationMode, session: requests.Session, broken: list[str]) -> set[int]:
    statuses: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call(session=session, timeout=30)
        assert answer.headers["x-request-id"]
        statuses.add(answer.status_code)
        if answer.status_code >= 500:
            broken.append(f"{answer.status_code} {case.as_curl_command()[:600]}")

    ask()
    return statuses
