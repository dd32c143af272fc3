"""A platform tells how a call went: once, signed, and its word counts."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.administering import API, lines
from tests.administering import said as written
from tests.calling import CALLER, INITIATION, SECRET, WEBHOOK, begun, item, said, tell
from tests.serving import in_process, own_process, until_ready
from tests.talking import end

from voicemind.channels.app import ERROR_HANDLERS
from voicemind.channels.webhooks.endpoint import BODY_LIMIT_BYTES, KEPT_BYTES, LARGE, SMALL_BYTES, Webhooks
from voicemind.conversation.settling import Outcome, Settling, Told
from voicemind.errors import StorageUnavailable
from voicemind.ops.signatures import HEADER, Secrets, sign

pytestmark = pytest.mark.anyio

CALL = "conv_1"
WRONG, RIGHT = "My cat is called Biscay.", "My cat is called Biscuit."
HALF = item("agent", "What a", interrupted=True, original_message="What a lovely name.")
KINDS = ["post_call_transcription", "post_call_audio", "call_initiation_failure", "else"]
KEYS = {"api_keys": "acme:ann-key-1,globex:bob-key-2"}
ANN = {"authorization": "Bearer ann-key-1"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        yield client


async def call(client: httpx.AsyncClient, *texts: str, conversation_id: str = CALL, **more: Any) -> None:
    """A call whose requests reached us, with the person and the agent."""
    await written(client, *(texts or (WRONG,)), agent="counsellor", conversation_id=conversation_id, user_id="ada")


async def turns(client: httpx.AsyncClient, conversation_id: str = CALL) -> list[tuple[str, str, str, bool]]:
    """What was said, as it is stored."""
    answer = await client.get(f"{API}/conversations/{conversation_id}/turns")
    assert answer.status_code == 200, answer.text
    return [(turn["role"], turn["generated"], turn["heard"], turn["interrupted"]) for turn in answer.json()["items"]]


async def remembered(client: httpx.AsyncClient, agent: str = "counsellor", user: str = "ada") -> list[str]:
    """The lines of the mind."""
    answer = await client.get(f"{API}/minds/{agent}/{user}")
    return lines(answer.json()) if answer.status_code == 200 else []


async def reflected(client: httpx.AsyncClient, conversation_id: str = CALL) -> dict[str, Any]:
    """The reflection when it is done, which nobody asked for but the webhook."""
    with anyio.fail_after(20):
        while True:
            answer = await client.get(f"{API}/reflections/{conversation_id}")
            if answer.status_code == 200 and answer.json()["status"] == "done":
                return dict(answer.json())
            await anyio.sleep(0.02)


async def test_the_platforms_transcript_takes_the_place_of_ours_and_becomes_memory(client: httpx.AsyncClient) -> None:
    await call(client)
    answer = await tell(client, said(item("agent", "Hello."), item("user", RIGHT), HALF))
    assert (answer.status_code, answer.json()["status"]) == (200, "settled")
    assert answer.json()["conversation_id"] == CALL
    await reflected(client)
    assert await turns(client) == [
        ("agent", "Hello.", "Hello.", False),
        ("user", RIGHT, RIGHT, False),
        ("agent", "What a lovely name.", "What a", True),
    ]
    assert any("Biscuit" in line for line in await remembered(client))
    assert not any("Biscay" in line for line in await remembered(client))


async def test_however_often_it_is_told_it_is_reflected_on_once(client: httpx.AsyncClient) -> None:
    await call(client)
    event, now = said(item("user", RIGHT)), int(time.time())
    answers: list[httpx.Response] = []

    async def again(at_s: int) -> None:
        answers.append(await tell(client, event, at_s=at_s))

    async with anyio.create_task_group() as tasks:
        for second in (0, 0, 0, -1, -2, -3):
            tasks.start_soon(again, now + second)
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["status"] for answer in answers].count("settled") == 1
    reflection = await reflected(client)
    assert (await tell(client, event, at_s=now)).json()["status"] == "repeated"
    assert (await tell(client, event, at_s=now - 9)).json()["status"] == "repeated"
    assert await reflected(client) == reflection
    versions = (await client.get(f"{API}/minds/counsellor/ada/versions")).json()["items"]
    assert [version["author"] for version in versions] == ["reflection", "preset"]
    assert len(await turns(client)) == 1


async def test_after_a_restart_a_replay_still_changes_nothing(tmp_path: Path) -> None:
    event, now = said(item("user", RIGHT)), int(time.time())
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        await call(client)
        assert (await tell(client, event, at_s=now)).json()["status"] == "settled"
        before = await reflected(client), await turns(client)
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        assert (await tell(client, event, at_s=now)).json()["status"] == "unchanged"
        other = said(item("user", "Something else altogether."))
        assert (await tell(client, other, at_s=now)).json()["status"] == "unchanged"
        assert (await reflected(client), await turns(client)) == before


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda body, now: (body + b" ", sign(SECRET, body, at_s=now)), id="a byte more"),
        pytest.param(
            lambda body, now: (body.replace(b"Biscuit", b"Biscuiu"), sign(SECRET, body, at_s=now)), id="a byte changed"
        ),
        pytest.param(lambda body, now: (body, sign(SECRET, body, at_s=now - 1810)), id="old"),
        pytest.param(lambda body, now: (body, sign(SECRET, body, at_s=now + 1810)), id="of the future"),
        pytest.param(lambda body, now: (body, sign("wsec_somebody-elses", body, at_s=now)), id="another secret"),
        pytest.param(lambda body, now: (body, sign(SECRET, body, at_s=now).replace("v0", "v1")), id="another scheme"),
        pytest.param(lambda body, _: (body, ""), id="unsigned"),
        pytest.param(lambda body, _: (body, "nonsense"), id="nonsense"),
    ],
)
async def test_what_is_not_signed_lately_by_us_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, forge: Any
) -> None:
    await call(client)
    before = await turns(client)
    body, header = forge(json.dumps(said(item("user", RIGHT))).encode(), int(time.time()))
    answer = await client.post(WEBHOOK, content=body, headers={HEADER: header} if header else {})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_signature")
    assert set(answer.json()) == {"error", "detail"}
    assert await turns(client) == before
    assert (await client.get(f"{API}/conversations/{CALL}")).json()["status"] != "ended"


async def test_without_a_secret_nothing_is_believed(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client:
        await call(client)
        before = await turns(client)
        for secret in (SECRET, ""):
            answer = await tell(client, said(item("user", RIGHT)), secret=secret)
            assert (answer.status_code, answer.json()["error"]) == (503, "webhooks_off")
        assert await turns(client) == before


async def test_what_is_memory_already_stays_as_it_is(client: httpx.AsyncClient) -> None:
    await call(client, RIGHT)
    assert (await end(client, CALL)).status_code == 200
    before = await turns(client), await remembered(client)
    answer = await tell(client, said(item("user", "My dog is called Rex.")))
    assert (answer.status_code, answer.json()["status"]) == (200, "unchanged")
    assert "memory already" in answer.json()["detail"]
    assert (await turns(client), await remembered(client)) == before


async def test_a_transcript_without_words_takes_nothing_away(client: httpx.AsyncClient) -> None:
    await call(client, RIGHT)
    before = await turns(client)
    answer = await tell(client, said(item("user", None), status="failed"))
    assert (answer.status_code, answer.json()["status"]) == (200, "unchanged")
    await reflected(client)
    assert await turns(client) == before


async def test_a_call_that_never_reached_us_is_remembered_too(client: httpx.AsyncClient) -> None:
    event = said(item("user", RIGHT), **begun(role_id="counsellor", system__caller_id="+1 (555) 000-1234"))
    answer = await tell(client, event)
    assert answer.json()["status"] == "settled", answer.text
    await reflected(client)
    assert any("Biscuit" in line for line in await remembered(client, user="%2B15550001234"))


async def test_a_call_that_was_erased_does_not_come_back_when_it_is_told_again(tmp_path: Path) -> None:
    event = said(item("user", RIGHT), **begun(role_id="counsellor", system__caller_id="+15550001234"))
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        assert (await tell(client, event)).json()["status"] == "settled"
        await reflected(client)
        (await client.delete(f"{API}/conversations/conv_1")).raise_for_status()
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET) as client:
        assert (await tell(client, event)).json()["status"] == "ignored"
        assert (await client.get(f"{API}/conversations/conv_1")).status_code == 404


async def test_an_agent_can_be_known_by_its_name_on_the_platform(client: httpx.AsyncClient) -> None:
    definition = {
        "slug": "ferryman",
        "name": "Charon",
        "description": "A ferryman.",
        "first_message": "Step in.",
        "aliases": ["agent_1"],
        "blocks": [{"label": "memory", "title": "Memory", "scope": "user", "reflects": True, "holds": "facts"}],
    }
    (await client.put(f"{API}/agents/ferryman", json=definition)).raise_for_status()
    answer = await tell(client, said(item("user", RIGHT), user_id="ada"))
    assert answer.json()["status"] == "settled", answer.text
    await reflected(client)
    assert any("Biscuit" in line for line in await remembered(client, agent="ferryman"))


@pytest.mark.parametrize(
    "event",
    [
        said(item("user", RIGHT)),
        said(item("user", RIGHT), **begun(role_id="counsellor")),
        said(item("user", RIGHT), **begun(role_id="nobody", user_id="ada")),
        said(**begun(role_id="counsellor", user_id="ada")),
        said(item("user", RIGHT), status="in-progress", **begun(role_id="counsellor", user_id="ada")),
        {"type": "post_call_audio", "data": {"conversation_id": CALL, "full_audio": "SUQz"}},
        {"type": "call_initiation_failure", "data": {"conversation_id": CALL, "failure_reason": "busy"}},
        {"type": "something_new", "data": {"conversation_id": CALL}},
        {},
        [],
        None,
        7,
    ],
)
async def test_what_is_of_no_use_is_answered_with_200_and_leaves_nothing(client: httpx.AsyncClient, event: Any) -> None:
    answer = await tell(client, event)
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert (await client.get(f"{API}/conversations")).json()["items"] == []


async def test_the_same_signature_is_looked_at_once(client: httpx.AsyncClient) -> None:
    event, now = said(item("user", RIGHT)), int(time.time())
    told = [(await tell(client, event, at_s=at_s)).json()["status"] for at_s in (now, now, now - 1)]
    assert told == ["ignored", "repeated", "ignored"]


async def test_what_is_no_json_is_a_mistake(client: httpx.AsyncClient) -> None:
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        answer = await tell(client, body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_nobody_rewrites_another_persons_conversation_by_naming_it(client: httpx.AsyncClient) -> None:
    await call(client, RIGHT, conversation_id="adas")
    before = await turns(client, "adas")
    forged = begun(extra={"conversation_id": "adas", "patient_id": "mallory", "role_id": "counsellor"})
    answer = await tell(client, said(item("user", "My cat is called Mallory."), conversation_id="conv_m", **forged))
    assert answer.json()["conversation_id"] == "conv_m"
    assert await turns(client, "adas") == before
    await reflected(client, "conv_m")
    assert not any("Mallory" in line for line in await remembered(client))


async def test_a_call_that_failed_ends_its_conversation(client: httpx.AsyncClient) -> None:
    await client.post(INITIATION, params={"agent": "counsellor"}, json={"caller_id": CALLER, "call_sid": CALL})
    event = {"type": "call_initiation_failure", "data": {"conversation_id": CALL, "failure_reason": "no-answer"}}
    answer = await tell(client, event)
    assert (answer.status_code, answer.json()["status"]) == (200, "ended")
    assert (await client.get(f"{API}/conversations/{CALL}")).json()["ended_at"]
    assert (await tell(client, event, at_s=int(time.time()) - 5)).json()["status"] == "repeated"


async def test_a_recording_is_not_kept_and_too_much_is_refused(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1 << 20):
            yield body[at : at + (1 << 20)]

    head = b'{"type": "post_call_audio", "data": {"conversation_id": "conv_1", "full_audio": "'
    now = int(time.time())
    for size in (KEPT_BYTES - len(head) - 3, KEPT_BYTES + 5, BODY_LIMIT_BYTES - len(head) - 3):
        body = head + b"A" * size + b'"}}'
        answer = await client.post(WEBHOOK, content=pieces(body), headers={HEADER: sign(SECRET, body, at_s=now)})
        assert (answer.status_code, answer.json()["detail"]) == (200, "Recordings are not kept.")
        forged = await client.post(
            WEBHOOK, content=pieces(body[:-1] + b" "), headers={HEADER: sign(SECRET, body, at_s=now)}
        )
        assert forged.status_code == 401
    body = head + b"A" * BODY_LIMIT_BYTES
    answer = await client.post(WEBHOOK, content=body, headers={HEADER: sign(SECRET, body, at_s=now)})
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert not any(b"AAAAAAAA" in file.read_bytes() for file in (tmp_path / "data").glob("*") if file.is_file())


async def test_a_secret_says_whose_calls_they_are_and_no_key_is_needed(tmp_path: Path) -> None:
    secrets = f"acme:{SECRET},globex:wsec_of-globex-0123"
    async with in_process(tmp_path, **KEYS, elevenlabs_webhook_secret=secrets) as client:
        event = said(item("user", RIGHT), **begun(role_id="counsellor", user_id="ada"))
        answer = await tell(client, event, host="voice.example")
        assert answer.json()["status"] == "settled", answer.text
        other = await tell(client, event, secret="wsec_of-globex-0123")
        assert other.json()["status"] == "settled", "a conversation of that id is another one there"
        client.headers.update(ANN)
        await reflected(client)
        assert await turns(client) == [("user", RIGHT, RIGHT, False)]
        client.headers["authorization"] = "Bearer bob-key-2"
        (listed,) = (await client.get(f"{API}/conversations")).json()["items"]
        assert listed["id"] == CALL


async def test_through_a_tunnel_only_what_is_signed_comes_in(client: httpx.AsyncClient) -> None:
    tunnel = "random-words.tunnel.example"
    foreign = {"host": tunnel}
    assert (await tell(client, said(item("user", RIGHT)), host=tunnel)).json()["status"] == "ignored"
    assert (await tell(client, said(), secret="wsec_somebody-elses", host=tunnel)).status_code == 401
    assert (await client.post(INITIATION, json={}, headers=foreign)).status_code == 403
    assert (await client.get(WEBHOOK, headers=foreign)).status_code == 405


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["transcript", "role", "message", "conversation_id", "agent_id", "user_id", "tool_calls", "status"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


async def test_whatever_is_signed_is_never_our_fault(client: httpx.AsyncClient) -> None:
    events: list[Any] = []

    @settings(max_examples=100, database=None)
    @given(anything, st.sampled_from(KINDS), st.booleans())
    def collect(content: Any, kind: str, known: bool) -> None:
        named = begun(role_id="counsellor", user_id="ada") if known else {}
        events.append({"type": kind, "data": {**content, **named} if isinstance(content, dict) else content})

    collect()
    assert len(events) >= 50
    for event in events:
        answer = await tell(client, event)
        assert answer.status_code == 200, event
        assert answer.json()["status"] in {"settled", "unchanged", "ignored", "ended", "repeated"}


async def begins(client: httpx.AsyncClient) -> None:
    """Wait until there is a turn in the call."""
    with anyio.fail_after(10):
        while True:
            answer = await client.get(f"{API}/conversations/{CALL}")
            if answer.status_code == 200 and answer.json()["turns"]:
                return
            await anyio.sleep(0.01)


async def test_an_answer_that_is_still_being_given_is_waited_for(tmp_path: Path) -> None:
    async with in_process(tmp_path, elevenlabs_webhook_secret=SECRET, scripted_llm_ms=3000) as client:
        body = {
            "model": "counsellor",
            "messages": [{"role": "user", "content": WRONG}],
            "elevenlabs_extra_body": {"conversation_id": CALL, "user_id": "ada"},
        }
        answers: list[httpx.Response] = []

        async def ask() -> None:
            answers.append(await client.post("/v1/chat/completions", json=body))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await begins(client)
            assert not answers
            told = await tell(client, said(item("user", RIGHT)))
        assert (answers[0].status_code, told.json()["status"]) == (200, "settled")
        assert await turns(client) == [("user", RIGHT, RIGHT, False)]


class Shaky(Settling):
    """A house whose database cannot take anything the first time."""

    def __init__(self) -> None:
        self.asked = 0

    async def over(self, tenant: str, told: Told) -> Outcome:
        self.asked += 1
        if self.asked == 1:
            raise StorageUnavailable("The database is locked.")
        return Outcome("settled", f"Told {tenant}.", told.platform_id)


async def test_what_could_not_be_stored_may_be_told_again_and_time_is_the_clocks() -> None:
    now, settling = [1_000_000.0], Shaky()
    secrets = Secrets(SECRET, tenants=["acme"])
    unused: Any = None
    webhooks = Webhooks(settling, unused, unused, secrets=secrets, now_s=lambda: now[0])
    app = Starlette(routes=webhooks.routes(), exception_handlers=ERROR_HANDLERS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        answers = [await tell(client, said(item("user", RIGHT)), at_s=1_000_000) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 200, 200]
        assert [answer.json().get("status") for answer in answers] == [None, "settled", "repeated"]
        now[0] += 1801
        assert (await tell(client, said(), at_s=1_000_000)).status_code == 401
        now[0] -= 3603
        assert (await tell(client, said(), at_s=1_000_000)).status_code == 401
    assert settling.asked == 2


async def test_large_bodies_whose_signature_is_not_known_yet_are_few_and_small_ones_come_in_beside_them() -> None:
    unused: Any = None
    webhooks = Webhooks(Shaky(), unused, unused, secrets=Secrets(SECRET, tenants=["acme"]))
    app = Starlette(routes=webhooks.routes(), exception_handlers=ERROR_HANDLERS)
    let_go, under_way = anyio.Event(), anyio.Semaphore(0)
    large = b" " * (SMALL_BYTES + 1)
    statuses: list[int] = []

    async def stuck() -> AsyncIterator[bytes]:
        yield large
        under_way.release()
        await let_go.wait()

    async def send(client: httpx.AsyncClient) -> None:
        header = sign("wsec_somebody-elses", large, at_s=int(time.time()))
        statuses.append((await client.post(WEBHOOK, content=stuck(), headers={HEADER: header})).status_code)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(LARGE):
                    tasks.start_soon(send, client)
                for _ in range(LARGE):
                    await under_way.acquire()
                refused = await tell(client, large)
                assert (refused.status_code, refused.json()["error"]) == (503, "at_capacity")
                assert int(refused.headers["retry-after"]) >= 1
                assert (await tell(client, {})).status_code == 200
                let_go.set()
            assert statuses == [401] * LARGE
            assert (await tell(client, large + b"{}")).status_code == 200


async def test_canary_sentences_are_in_no_log_and_no_answer(tmp_path: Path) -> None:
    canary = "The canary sentence 4711"
    with own_process(tmp_path, VOICEMIND_ELEVENLABS_WEBHOOK_SECRET=SECRET, VOICEMIND_LOG_LEVEL="debug") as served:
        async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
            await until_ready(client)
            known = begun(role_id="counsellor", user_id="ada")
            call_of = [{"request_id": "r", "tool_name": "look", "params_as_json": f'{{"q": "{canary}"}}'}]
            told = item("agent", canary, original_message=canary, tool_calls=call_of)
            events = [
                said(item("user", canary), told, **known),
                said(item("user", canary), conversation_id="conv_unknown"),
                said({"role": canary, "message": [canary], canary: canary}, conversation_id="conv_odd", **known),
                {"type": canary, "data": {"failure_reason": canary}},
                {
                    "type": "call_initiation_failure",
                    "data": {"failure_reason": canary, "conversation_id": "c", "metadata": {"body": {"From": canary}}},
                },
            ]
            answers = [await tell(client, event) for event in events]
            answers += [await tell(client, event, secret="wsec_somebody-elses") for event in events]
            answers.append(await tell(client, b'{"type": "' + canary.encode()))
            await reflected(client)
            assert {answer.status_code for answer in answers} == {200, 400, 401}
            assert not any(canary in answer.text for answer in answers)
    log = (tmp_path / "server.log").read_text()
    assert "a platform told of a call" in log
    assert canary not in log
    assert SECRET not in log
