"""Erase and scan: after the receipt, no file of a running server's data folder holds a word that the person alone had said."""

from pathlib import Path

import httpx
import pytest
from tests.administering import API, remembered, said
from tests.serving import in_process

pytestmark = pytest.mark.anyio

SECRETS = ("Quillonbert", "Zanzibaria", "marmalux", "thrumbletown")
"""Words that nobody else says."""
TOLD = (
    "My cat is called Quillonbert.",
    "Last summer we went sailing to Zanzibaria with my marmalux and it was wonderful.",
    "I live in Thrumbletown.",
)


def files_that_hold(folder: Path, *words: str) -> list[str]:
    """Names of the files in which one of the words stands, in whatever case, as text or in UTF-16."""
    found: list[str] = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes().lower()
        forms = [form for word in words for form in (word.lower().encode(), word.lower().encode("utf-16-le"))]
        found += [file.name for form in forms if form in content][:1]
    return found


async def told(client: httpx.AsyncClient) -> None:
    await remembered(client, *TOLD, agent="counsellor", user_id="quentin", conversation_id="secret-talk")
    await remembered(client, "I live in Oslo.", agent="counsellor", user_id="bert", conversation_id="open-talk")


async def test_no_file_holds_a_word_of_an_erased_person(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client:
        await told(client)
        await said(
            client, "I dream of Zanzibaria.", agent="counsellor", user_id="quentin", conversation_id="open-still"
        )
        assert files_that_hold(tmp_path, *SECRETS) != []
        receipt = (await client.delete(f"{API}/users/quentin")).json()
        assert receipt["scrubbed"]
        assert receipt["counts"]["conversations"] == 2
        assert files_that_hold(tmp_path, *SECRETS, "quentin") == []
        kept = (await client.get(f"{API}/minds/counsellor/bert")).json()
        assert [entry["text"] for block in kept["blocks"] for entry in block["entries"]] == ["The user lives in Oslo."]


async def test_no_file_holds_a_word_of_an_erased_conversation(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client:
        await told(client)
        await remembered(client, "I play chess.", agent="counsellor", user_id="quentin", conversation_id="other-talk")
        receipt = (await client.delete(f"{API}/conversations/secret-talk")).json()
        assert receipt["scrubbed"]
        assert files_that_hold(tmp_path, *SECRETS, "secret-talk") == []
        assert (await client.get(f"{API}/conversations/secret-talk")).status_code == 404
        mind = (await client.get(f"{API}/minds/counsellor/quentin")).json()
        assert [entry["text"] for block in mind["blocks"] for entry in block["entries"]] == ["The user plays chess."]
        undone = await client.post(f"{API}/minds/counsellor/quentin/restore", json={"number": 2})
        assert undone.status_code == 200
        assert files_that_hold(tmp_path, *SECRETS) == []


@pytest.mark.parametrize("erased", ["conversations/call-9", "users/quentin"])
async def test_the_next_request_of_an_erased_call_does_not_bring_it_back(tmp_path: Path, erased: str) -> None:
    extra = {"conversation_id": "call-9", "user_id": "quentin"}
    body = {"model": "counsellor", "messages": [{"role": "user", "content": TOLD[0]}], "elevenlabs_extra_body": extra}
    headers = {"X-Voicemind-Channel": "text"}
    async with in_process(tmp_path) as client:
        first = await client.post("/v1/chat/completions", json=body, headers=headers)
        assert first.status_code == 200, first.text
        (await client.delete(f"{API}/{erased}")).raise_for_status()
        reply = {"role": "assistant", "content": first.json()["choices"][0]["message"]["content"]}
        more = {**body, "messages": [*body["messages"], reply, {"role": "user", "content": "And my cat?"}]}
        for stream in (False, True):
            answer = await client.post("/v1/chat/completions", json={**more, "stream": stream}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_ended"), answer.text
        assert (await client.get(f"{API}/conversations/call-9")).status_code == 404
        assert (await client.get(f"{API}/conversations")).json()["items"] == []
        known = await client.get(f"{API}/users/quentin")
        assert known.status_code == (404 if erased.startswith("users/") else 200)
    assert files_that_hold(tmp_path / "data", SECRETS[0]) == []


async def test_a_call_that_rings_again_under_an_erased_id_is_a_new_conversation(tmp_path: Path) -> None:
    async with in_process(tmp_path) as client:
        call = {"caller_id": "+15550001234", "call_sid": "CA1"}
        address = "/api/elevenlabs/initiation?agent=counsellor"
        (await client.post(address, json=call)).raise_for_status()
        (await client.delete(f"{API}/conversations/CA1")).raise_for_status()
        again = await client.post(address, json=call)
        assert again.status_code == 200, again.text
        assert again.json()["dynamic_variables"]["conversation_id"] != "CA1"
