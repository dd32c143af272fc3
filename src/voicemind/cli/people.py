"""`voicemind users` and `voicemind conversations`: who talked, what was said, and erasing either for good."""

from __future__ import annotations

from pathlib import Path

from voicemind.cli import record_pages
from voicemind.cli.asked import Wanted
from voicemind.cli.asking import agreed
from voicemind.cli.keyboard import Keyboard
from voicemind.cli.mind_pages import NOBODY, counted
from voicemind.cli.rest import Api, for_programs, more, part, reached
from voicemind.cli.rest_records import Conversation, Entry, Mind, MindRow, Receipt, Transcript, User
from voicemind.cli.screen import err, paragraph
from voicemind.config import Settings
from voicemind.errors import BadRequest, UnknownAgent, UnknownMind

NEWEST = 5
"""Conversations beside a person."""


async def list_users(settings: Settings, *, wanted: Wanted) -> None:
    """A row for each person."""
    async with reached(settings) as api:
        found = await api.listed("/users", User, wanted=wanted)
    if wanted.as_json:
        for_programs(found.raw)
        return
    record_pages.show_users(found.value.items)
    more(found.value)


async def show_user(settings: Settings, user: str, *, as_json: bool) -> None:
    """One person. Raises UnknownUser."""
    async with reached(settings) as api:
        found = await api.get(f"/users/{part(user)}", User)
        if as_json:
            for_programs(found.raw)
            return
        minds = await api.listed("/minds", MindRow, user_id=user)
        talks = await api.listed("/conversations", Conversation, wanted=Wanted(NEWEST), user_id=user)
    record_pages.show_user(found.value, minds.value.items, talks.value.items)


async def export_user(settings: Settings, user: str, *, file: Path | None) -> None:
    """Everything about a person as one JSON file. Raises UnknownUser."""
    async with reached(settings) as api:
        await api.save(f"/users/{part(user)}/export", file)


async def erase_user(settings: Settings, user: str, *, yes: bool, as_json: bool) -> None:
    """Erase a person, once that is agreed to. Raises UnknownUser, or BadRequest where it is not."""
    async with reached(settings) as api:
        found = (await api.get(f"/users/{part(user)}", User)).value
        if not yes:
            minds = (await api.listed("/minds", MindRow, user_id=user)).value.items
            about = [counted(found.conversations, "conversation"), counted(len(minds), "mind")]
            await _agreed(
                f"{user}: {record_pages.listing(about)} with {record_pages.remembered(minds)}, and what other minds know of these conversations alone."
            )
        await _erase(api, f"/users/{part(user)}", as_json=as_json)


async def list_conversations(
    settings: Settings, *, agent: str | None, user: str | None, status: str | None, meeting: str | None, wanted: Wanted
) -> None:
    """A row for each conversation, the newest first."""
    async with reached(settings) as api:
        found = await api.listed(
            "/conversations",
            Conversation,
            wanted=wanted,
            agent=await api.slug(agent),
            user_id=user,
            status=status,
            meeting_id=meeting,
        )
    if wanted.as_json:
        for_programs(found.raw)
        return
    record_pages.show_conversations(found.value.items)
    more(found.value)


async def show_conversation(settings: Settings, conversation: str, *, as_json: bool) -> None:
    """What was said, and what was heard of it. Raises UnknownConversation."""
    async with reached(settings) as api:
        found = await api.get(f"/conversations/{part(conversation)}/export", Transcript)
    if as_json:
        for_programs(found.raw)
    else:
        record_pages.show_transcript(found.value)


async def export_conversation(settings: Settings, conversation: str, *, form: str, file: Path | None) -> None:
    """A conversation as one file. Raises UnknownConversation."""
    async with reached(settings) as api:
        await api.save(f"/conversations/{part(conversation)}/export", file, query={"format": form})


async def erase_conversation(settings: Settings, conversation: str, *, yes: bool, as_json: bool) -> None:
    """Erase a conversation, once that is agreed to. Raises UnknownConversation, or BadRequest where it is not."""
    where = f"/conversations/{part(conversation)}"
    async with reached(settings) as api:
        found = (await api.get(where, Conversation)).value
        if not yes:
            lines = [entry for entry in await _entries(api, found) if rests_on(entry, conversation)]
            await _agreed(
                f"{found.agent} with {found.user_id}: {counted(found.turns, 'turn')}, and {counted(len(lines), 'line')} in mind that rest on nothing else."
            )
        await _erase(api, where, as_json=as_json)


def rests_on(entry: Entry, conversation: str) -> bool:
    """Whether the line would have nothing left to rest on without this conversation."""
    return bool(entry.evidence) and all(evidence.conversation_id == conversation for evidence in entry.evidence)


async def _entries(api: Api, talk: Conversation) -> list[Entry]:
    """What the agent remembers after this conversation, as far as it stands in its mind."""
    try:
        user = talk.user_id if (await api.agent(talk.agent)).is_private else NOBODY
        return (await api.get(f"/minds/{part(talk.agent)}/{part(user)}", Mind)).value.entries
    except (UnknownAgent, UnknownMind):
        return []


async def _agreed(what: str) -> None:
    paragraph(what)
    if not await agreed("Erase all of it, in every version, for good?", Keyboard().line):
        raise BadRequest("Nothing was erased. Scripts say --yes.")


async def _erase(api: Api, where: str, *, as_json: bool) -> None:
    with err.status("erasing…"):
        receipt = await api.ask("DELETE", where, Receipt)
    if as_json:
        for_programs(receipt.raw)
    else:
        record_pages.show_receipt(receipt.value)
