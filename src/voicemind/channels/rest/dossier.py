"""Everything about one person as one JSON document, written while it is read: no part of it is larger than a page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from voicemind.channels.rest.conversations import ConversationShape, TurnShape
from voicemind.channels.rest.mind_shapes import archived_shape, entry_shape, version_shape
from voicemind.channels.rest.reflections import reflection_shape
from voicemind.channels.rest.visit import Visit
from voicemind.errors import UnknownConversation
from voicemind.store.values import ArchivedEntry, Conversation, Entry, MindKey, MindVersion

_AT_ONCE = 100


async def everything(here: Visit, user_id: str, user: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    """`{"user", "conversations": [...], "minds": [...], "remembered_elsewhere": [...]}`, piece by piece."""
    known: set[str] = set()
    agents: set[str] = set()
    yield b'{"user":' + _json(user) + b',"conversations":['
    separator = b""
    async for conversation in _conversations(here, user_id):
        known.add(conversation.id)
        agents.add(conversation.agent)
        yield separator + _json(await _conversation(here, conversation))
        separator = b","
    yield b'],"minds":['
    separator = b""
    async for key in _minds(here, user_id):
        yield separator
        async for piece in _mind(here, key):
            yield piece
        separator = b","
    yield b'],"remembered_elsewhere":['
    separator = b""
    for agent in sorted(agents):
        for entry in await _remembered(here, MindKey(here.tenant, agent), known):
            yield separator + _json({"agent": agent, "entry": entry_shape(entry, {}).model_dump(mode="json")})
            separator = b","
    yield b"]}"


async def _conversation(here: Visit, conversation: Conversation) -> dict[str, Any]:
    try:
        turns = await here.rooms.store.turns(here.tenant, conversation.id)
    except UnknownConversation:  # erased since the list was read
        turns = ()
    reflection = await here.rooms.store.reflection(here.tenant, conversation.id)
    told = await reflection_shape(here, reflection) if reflection else None
    return {
        **ConversationShape.model_validate(conversation).model_dump(mode="json"),
        "turns": [TurnShape.model_validate(turn).model_dump(mode="json") for turn in turns],
        "reflection": told.model_dump(mode="json") if told else None,
        "recording": f"/api/v1/conversations/{quote(conversation.id, safe='')}/recording"
        if conversation.recording
        else None,
    }


async def _mind(here: Visit, key: MindKey) -> AsyncIterator[bytes]:
    """A mind of the person's own: all versions with their entries, then the archive."""
    yield b'{"agent":' + _json(key.agent) + b',"versions":['
    separator = b""
    async for listed in _versions(here, key):
        version = await here.rooms.store.mind_version(key, listed.number)
        if version is not None:
            yield separator + _json(_version(version))
            separator = b","
    yield b'],"archive":['
    separator = b""
    async for archived in _archive(here, key):
        yield separator + _json(archived_shape(archived, {}).model_dump(mode="json"))
        separator = b","
    yield b"]}"


def _version(version: MindVersion) -> dict[str, Any]:
    blocks = {
        label: [entry_shape(entry, {}).model_dump(mode="json") for entry in entries]
        for label, entries in version.blocks.items()
    }
    return {**version_shape(version).model_dump(mode="json"), "blocks": blocks}


async def _remembered(here: Visit, key: MindKey, conversations: set[str]) -> Sequence[Entry]:
    """What a mind that many people share has ever held that rests on these conversations, oldest first."""
    ids = {archived.entry.id async for archived in _archive(here, key)}
    newest = await here.rooms.store.mind(key)
    if newest is None:
        return ()
    ids |= {entry.id for block in newest.blocks.values() for entry in block}
    async for version in _versions(here, key):
        ids |= {entry_id for change in version.changes for entry_id in (*change.gone, change.came) if entry_id}
    found: list[Entry] = []
    wanted = sorted(ids)
    for at in range(0, len(wanted), _AT_ONCE):
        entries = await here.rooms.store.entries(key, wanted[at : at + _AT_ONCE])
        found += [
            entry
            for entry in entries.values()
            if any(evidence.conversation_id in conversations for evidence in entry.evidence)
        ]
    return found


async def _conversations(here: Visit, user_id: str) -> AsyncIterator[Conversation]:
    before = None
    while rows := await here.rooms.store.conversations(here.tenant, user_id=user_id, before=before, limit=_AT_ONCE):
        for row in rows:
            yield row
        before = (rows[-1].created_at, rows[-1].id)


async def _minds(here: Visit, user_id: str) -> AsyncIterator[MindKey]:
    after = None
    while rows := await here.rooms.store.minds(here.tenant, user_id=user_id, after=after, limit=_AT_ONCE):
        for row in rows:
            yield row.key
        after = (rows[-1].key.agent, rows[-1].key.user_id)


async def _versions(here: Visit, key: MindKey) -> AsyncIterator[MindVersion]:
    before = None
    while rows := await here.rooms.store.mind_versions(key, before=before, limit=_AT_ONCE):
        for row in rows:
            yield row
        before = rows[-1].number


async def _archive(here: Visit, key: MindKey) -> AsyncIterator[ArchivedEntry]:
    after = None
    while rows := await here.rooms.store.archived(key, after=after, limit=_AT_ONCE):
        for row in rows:
            yield row
        after = rows[-1].entry.id


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
