"""Minds through `/api/v1`: why every line is there, and changing it without overwriting what somebody else wrote."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.administering import ADA, API, FERRYMAN, MIND, TALK, lines, remembered
from tests.serving import in_process

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server on which the ferryman knows one thing of Ada."""
    async with in_process(tmp_path) as client:
        assert (await client.post(f"{API}/agents", json=FERRYMAN)).status_code == 201
        await remembered(client, "My cat is called Biscuit.")
        yield client


async def mind(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get(MIND)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def add(client: httpx.AsyncClient, text: str, **headers: str) -> httpx.Response:
    body = {"edits": [{"op": "add", "block": "memory", "text": text}]}
    return await client.patch(MIND, json=body, headers=headers)


async def test_every_line_says_who_wrote_it_and_what_it_rests_on(client: httpx.AsyncClient) -> None:
    found = await mind(client)
    (entry,) = next(block for block in found["blocks"] if block["label"] == "memory")["entries"]
    assert "Biscuit" in entry["text"]
    assert entry["version"] == found["version"] == 2
    (evidence,) = entry["evidence"]
    assert (evidence["conversation_id"], evidence["turn"], evidence["modality"]) == (TALK, 1, "speech")
    assert evidence["quote"] in "My cat is called Biscuit."
    assert evidence["created_at"]
    assert entry["from_speech"]
    assert next(block for block in found["blocks"] if block["label"] == "identity")["text"].startswith("You are Charon")


async def test_an_edit_is_a_new_version_by_a_person(client: httpx.AsyncClient) -> None:
    answer = await add(client, "Ada likes rivers.")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["version"], answer.json()["author"], answer.headers["etag"][:4]) == (3, "person", '"v3-')
    assert "Ada likes rivers." in lines(await mind(client))


async def test_an_edit_of_a_version_that_is_not_the_newest_is_refused(client: httpx.AsyncClient) -> None:
    seen = (await client.get(MIND)).headers["etag"]
    assert (await add(client, "Ada likes rivers.", **{"if-match": seen})).status_code == 200
    before = await mind(client)
    newest = (await client.get(MIND)).headers["etag"]
    assert newest != seen
    for method, path, body in [
        ("PATCH", MIND, {"edits": [{"op": "add", "block": "memory", "text": "Ada likes boats."}]}),
        ("POST", f"{MIND}/undo", None),
        ("POST", f"{MIND}/restore", {"number": 1}),
    ]:
        answer = await client.request(method, path, json=body, headers={"if-match": seen})
        assert answer.status_code == 412, answer.text
        assert answer.headers["etag"] == newest
        assert answer.json()["error"]["code"] == "stale_version"
    assert await mind(client) == before
    assert (await add(client, "Ada likes boats.", **{"if-match": newest})).status_code == 200


async def test_of_two_who_edit_the_same_version_at_once_one_is_refused(client: httpx.AsyncClient) -> None:
    answers: list[int] = []

    async def one(text: str) -> None:
        answers.append((await add(client, text, **{"if-match": '"v2"'})).status_code)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for text in ("Ada likes rivers.", "Ada likes boats."):
                tasks.start_soon(one, text)
    assert sorted(answers) == [200, 412]
    assert (await mind(client))["version"] == 3


async def test_edits_without_a_version_at_once_all_come_in(client: httpx.AsyncClient) -> None:
    texts = ["Ada likes rivers.", "Ada fears storms.", "Ada owns two boats."]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for text in texts:
                tasks.start_soon(add, client, text)
    assert set(texts) <= set(lines(await mind(client)))


@pytest.mark.parametrize(
    ("header", "status"), [("*", 200), ('"v1", "v2"', 200), ('W/"v2"', 412), ("v2", 400), ("", 400)]
)
async def test_if_match_is_read_as_the_standard_says(client: httpx.AsyncClient, header: str, status: int) -> None:
    answer = await add(client, "Ada likes rivers.", **{"if-match": header})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["error"]["param"] == "If-Match"


async def test_entries_are_changed_archived_recalled_and_removed(client: httpx.AsyncClient) -> None:
    found = await mind(client)
    (entry,) = next(block for block in found["blocks"] if block["label"] == "memory")["entries"]
    changed = await client.patch(
        MIND, json={"edits": [{"op": "update", "entry_id": entry["id"], "text": "Ada's cat is called Rollo."}]}
    )
    assert lines(changed.json()) == ["Ada's cat is called Rollo."]
    (newer,) = changed.json()["blocks"][1]["entries"]
    assert newer["evidence"] == entry["evidence"]
    put_away = await client.patch(MIND, json={"edits": [{"op": "archive", "entry_id": newer["id"]}]})
    assert lines(put_away.json()) == []
    (archived,) = (await client.get(f"{MIND}/archive")).json()["items"]
    assert (archived["block"], archived["entry"]["text"]) == ("memory", "Ada's cat is called Rollo.")
    called = await client.patch(MIND, json={"edits": [{"op": "recall", "entry_id": archived["entry"]["id"]}]})
    assert lines(called.json()) == ["Ada's cat is called Rollo."]
    gone = await client.patch(MIND, json={"edits": [{"op": "remove", "entry_id": archived["entry"]["id"]}]})
    assert lines(gone.json()) == []


@pytest.mark.parametrize(
    ("edit", "param"),
    [
        ({"op": "add", "block": "identity", "text": "You are a king."}, "edits[1].block"),
        ({"op": "add", "block": "memory", "text": " "}, "edits[1].text"),
        ({"op": "remove", "entry_id": "nothing"}, "edits[1].entry_id"),
        ({"op": "burn"}, "edits[1].op"),
        ({"op": "add", "block": "memory", "text": "x", "colour": "red"}, "edits[1].colour"),
        ({"op": "add", "block": "memory", "text": 7}, "edits[1].text"),
    ],
)
async def test_of_edits_that_cannot_be_done_none_is(
    client: httpx.AsyncClient, edit: dict[str, object], param: str
) -> None:
    before = await mind(client)
    good = {"op": "add", "block": "memory", "text": "Ada likes rivers."}
    answer = await client.patch(MIND, json={"edits": [good, edit]})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert await mind(client) == before


async def test_undo_takes_one_version_back_and_keeps_what_came_after(client: httpx.AsyncClient) -> None:
    await add(client, "Ada likes rivers.")
    await add(client, "Ada fears storms.")
    undone = await client.post(f"{MIND}/undo", json={"number": 3})
    assert undone.status_code == 200, undone.text
    assert "Ada likes rivers." not in lines(undone.json())
    assert "Ada fears storms." in lines(undone.json())
    assert (undone.json()["version"], undone.json()["author"]) == (5, "undo")
    back = await client.post(f"{MIND}/undo")
    assert "Ada likes rivers." in lines(back.json())


async def test_a_restored_version_is_what_it_was(client: httpx.AsyncClient) -> None:
    old = (await client.get(f"{MIND}/versions/2")).json()
    await add(client, "Ada likes rivers.")
    restored = await client.post(f"{MIND}/restore", json={"number": 2})
    assert (restored.json()["version"], restored.json()["restores"]) == (4, 2)
    assert lines(restored.json()) == lines(old)


async def test_versions_tell_what_they_changed_and_why(client: httpx.AsyncClient) -> None:
    await add(client, "Ada likes rivers.")
    listed = (await client.get(f"{MIND}/versions")).json()
    assert [(row["number"], row["parent"], row["author"], row["changes"]) for row in listed["items"]] == [
        (3, 2, "person", 1),
        (2, 1, "reflection", 1),
        (1, 0, "preset", 0),
    ]
    version = (await client.get(f"{MIND}/versions/2")).json()
    (change,) = version["changes"]
    assert (change["kind"], change["block"], change["before"]) == ("add", "memory", [])
    assert "Biscuit" in change["after"]
    assert change["reason"]
    assert change["evidence"][0]["conversation_id"] == version["conversation_id"] == TALK
    assert (await client.get(f"{MIND}/versions/99")).status_code == 404


async def test_a_diff_shows_entries_and_lines(client: httpx.AsyncClient) -> None:
    await add(client, "Ada likes rivers.")
    (block,) = (await client.get(f"{MIND}/diff", params={"from": 2, "to": 3})).json()
    assert [entry["text"] for entry in block["added"]] == ["Ada likes rivers."]
    assert (block["block"], block["removed"], block["changed"]) == ("memory", [], [])
    assert "+Ada likes rivers." in block["text"].splitlines()
    assert (await client.get(f"{MIND}/diff", params={"from": 2, "to": 2})).json() == []
    for params in ({"from": 2}, {"from": 0, "to": 2}, {"from": 2, "to": 2**63}):
        assert (await client.get(f"{MIND}/diff", params=params)).status_code == 400
    assert (await client.get(f"{MIND}/diff", params={"from": 2, "to": 9})).status_code == 404


async def test_a_file_goes_out_and_comes_back_the_same(client: httpx.AsyncClient) -> None:
    file = await client.get(f"{MIND}/export")
    assert file.headers["content-type"].startswith("text/markdown")
    assert "Biscuit" in file.text
    await add(client, "Ada likes rivers.")
    kind = {"content-type": "text/markdown; charset=utf-8"}
    back = await client.post(f"{MIND}/import", content=file.content, headers=kind)
    assert back.status_code == 200, back.text
    assert back.json()["author"] == "import"
    assert "Ada likes rivers." not in lines(back.json())
    again = (await client.get(f"{MIND}/export")).text.splitlines()
    differing = {line.partition(":")[0] for line in set(again) ^ set(file.text.splitlines())}
    assert differing <= {"version"}


async def test_a_file_does_not_bring_back_what_was_erased_since(client: httpx.AsyncClient) -> None:
    await add(client, "Ada likes rivers.")
    await remembered(client, "I live in Oslo.", conversation_id="talk-2")
    file = await client.get(f"{MIND}/export")
    kind = {"content-type": "text/markdown"}
    assert any("Biscuit" in line for line in lines(await mind(client)))
    assert (await client.delete(f"{API}/conversations/{TALK}")).status_code == 200
    left = lines(await mind(client))
    back = await client.post(f"{MIND}/import", content=file.content, headers=kind)
    assert back.status_code == 200, back.text
    assert lines(back.json()) == left
    assert "Biscuit" not in back.text
    assert "1 of 3 entries were left out" in back.json()["notes"]
    assert (await client.delete(f"{API}/users/{ADA}")).status_code == 200
    again = await client.post(f"{MIND}/import", content=file.content, headers=kind)
    assert (lines(again.json()), "3 of 3" in again.json()["notes"]) == ([], True)


async def test_a_mind_is_brought_to_somebody_new(client: httpx.AsyncClient) -> None:
    file = await client.get(f"{MIND}/export")
    kind = {"content-type": "text/markdown"}
    answer = await client.post(f"{API}/minds/ferryman/grace/import", content=file.content, headers=kind)
    assert answer.status_code == 200, answer.text
    assert lines(answer.json()) == lines(await mind(client))
    for header in ('"v1"', "*"):
        stale = await client.post(
            f"{API}/minds/ferryman/nobody/import", content=file.content, headers={**kind, "if-match": header}
        )
        assert (stale.status_code, "etag" in stale.headers) == (412, False)


async def test_a_mind_that_is_erased_and_begins_again_is_not_taken_for_the_old_one(client: httpx.AsyncClient) -> None:
    file = await client.get(f"{MIND}/export")
    grace = f"{API}/minds/ferryman/grace"
    edit = {"edits": [{"op": "add", "block": "memory", "text": "Grace likes rivers."}]}

    async def begun() -> str:
        answer = await client.post(f"{grace}/import", content=file.content, headers={"content-type": "text/markdown"})
        return str(answer.headers["etag"])

    seen = await begun()
    assert (await client.delete(f"{API}/users/grace")).status_code == 200
    assert (await client.patch(grace, json=edit, headers={"if-match": "*"})).status_code == 412
    assert (await client.patch(grace, json=edit)).status_code == 404
    again = await begun()
    assert again[:3] == seen[:3]
    assert (await client.patch(grace, json=edit, headers={"if-match": seen})).status_code == 412
    assert (await client.patch(grace, json=edit, headers={"if-match": again})).status_code == 200


async def test_a_letta_agent_file_is_taken_where_it_maps(client: httpx.AsyncClient) -> None:
    file = {
        "agents": [{"block_ids": ["block-0"]}],
        "blocks": [{"id": "block-0", "label": "human", "value": "Ada plays chess.\nAda lives in Oslo."}],
    }
    answer = await client.post(f"{MIND}/import", json=file)
    assert answer.status_code == 200, answer.text
    assert lines(answer.json()) == ["Ada plays chess.", "Ada lives in Oslo."]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/markdown", b"# Hello", 400),
        ("text/markdown", b"---\n\xff\n", 400),
        ("application/json", b"{", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"{}", 400),
        ("text/html", b"<p>", 415),
        ("", b"---\n", 415),
    ],
)
async def test_a_file_that_is_none_changes_nothing(
    client: httpx.AsyncClient, kind: str, body: bytes, status: int
) -> None:
    answer = await client.post(f"{MIND}/import", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert (await mind(client))["version"] == 2


async def test_programs_get_the_whole_mind_as_json(client: httpx.AsyncClient) -> None:
    whole = (await client.get(f"{MIND}/export", headers={"accept": "application/json"})).json()
    assert "Biscuit" in lines(whole)[0]
    assert whole["archive"] == []


async def test_an_agent_with_one_mind_for_everybody_has_no_users(client: httpx.AsyncClient) -> None:
    await remembered(client, "I am building a bridge.", agent="marcus", conversation_id="bridge")
    short, long = await client.get(f"{API}/minds/marcus"), await client.get(f"{API}/minds/marcus/-")
    assert short.json() == long.json()
    assert short.json()["user_id"] == ""
    assert (await client.get(f"{API}/minds/marcus/{ADA}")).status_code == 404
    assert (await client.get(f"{API}/minds/ferryman")).status_code == 404
    listed = (await client.get(f"{API}/minds")).json()["items"]
    assert [(row["agent"], row["user_id"]) for row in listed] == [("ferryman", "ada/lovelace"), ("marcus", "")]
    assert listed[0]["entries"] == 1
    only = (await client.get(f"{API}/minds", params={"agent": "marcus"})).json()["items"]
    assert [row["agent"] for row in only] == ["marcus"]
