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
