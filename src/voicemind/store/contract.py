"""What a store promises about what it keeps.

Every value (`store.values`) belongs to a tenant; another tenant's things do not exist. Ids of ours are UUIDv7 strings (sortable
by time); ids that come from outside (users, conversations, agents) are external strings, unique for their tenant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from voicemind.store.found import Found, Match
from voicemind.store.people_contract import Meetings, People, Recordings
from voicemind.store.reflections_contract import Reflections
from voicemind.store.turn_edits import TurnEdit
from voicemind.store.values import (
    ArchivedEntry,
    Begun,
    Conversation,
    ConversationStatus,
    Entry,
    Intent,
    MindKey,
    MindSummary,
    MindVersion,
    NewTurn,
    NewVersion,
    Presence,
    Reflection,
    Turn,
)


class Conversations(Protocol):
    """Talks and their turns."""

    async def open_conversation(
        self,
        key: MindKey,
        conversation_id: str,
        *,
        user_id: str,
        channel: str,
        anonymous: bool = False,
        seed: Mapping[str, Sequence[str]] | None = None,
        meeting_id: str | None = None,
        intent: Intent | None = None,
    ) -> Conversation:
        """Make the conversation, its user and its mind where they do not exist yet; return the conversation as it is stored.

        An existing conversation is returned unchanged (the caller compares agent and user). A new mind gets version 1 by author `preset`, whose
        blocks hold one entry without evidence for each text of `seed`, under fresh ids. Called twice at once, it still makes one of each.
        With `meeting_id` (which must exist, else UnknownMeeting), raises InMeeting where this mind has an active or detached conversation in another meeting.
        Raises StaleVersion where something was erased since the notes of `intent` were begun, ConversationOver where the conversation of this id was erased.
        """
        ...

    async def begin_conversation(
        self,
        key: MindKey,
        conversation_id: str,
        *,
        user_id: str,
        channel: str,
        turns: Sequence[NewTurn],
        anonymous: bool = False,
        seed: Mapping[str, Sequence[str]] | None = None,
        meeting_id: str | None = None,
    ) -> Begun:
        """The same as `open_conversation`, and in the same transaction: a conversation that is made has these turns; what a first reply has to know is read."""
        ...

    async def conversation(self, tenant: str, conversation_id: str) -> Conversation:
        """The conversation. Raises UnknownConversation."""
        ...

    async def conversations(
        self,
        tenant: str,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        status: ConversationStatus | None = None,
        meeting_id: str | None = None,
        id_prefix: str | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[Conversation, ...]:
        """Conversations, the newest first (by `created_at`, then id); with `before`, those after that place in the list.

        With `id_prefix`, those whose id begins with exactly that.
        """
        ...

    async def append_turn(self, tenant: str, conversation_id: str, turn: NewTurn) -> Turn:
        """Put the turn at the end of the conversation and mark the conversation as active now.

        Returns only after the commit. Turns of one conversation get consecutive `seq` without gaps, however many are appended at once.
        Raises UnknownConversation; ConversationOver where it is not active or detached.
        """
        ...

    async def turns(
        self, tenant: str, conversation_id: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[Turn, ...]:
        """The turns in order, those behind number `after`; without `limit`, all of them. Raises UnknownConversation."""
        ...

    async def cited_turns(self, tenant: str, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], Turn]:
        """Turns by conversation and number; what there is not, or no more, is left out."""
        ...

    async def talks_ended(self, key: MindKey) -> int:
        """How many conversations in which something was said this mind has behind it."""
        ...

    async def revise_turns(self, tenant: str, conversation_id: str, edits: Sequence[TurnEdit], *, turns: int) -> int:
        """Do the edits in order, in one transaction, and mark the conversation as active now; returns how many turns there are then.

        `turns` is how many turns the caller had seen. Raises StaleTranscript where there are others by now (read them and decide anew),
        UnknownConversation, ConversationOver.
        """
        ...

    async def settle_turns(self, tenant: str, conversation_id: str, turns: Sequence[NewTurn]) -> bool:
        """Put these turns in the place of all turns, once: the platform that carried the conversation says how it really went.

        Also for a conversation that has ended, as long as its reflection has not begun. False, and nothing is changed, where that is too late
        or the conversation is settled already. Raises UnknownConversation.
        """
        ...

    async def end_conversation(self, key: MindKey, conversation_id: str) -> Reflection:
        """Mark the conversation as ended and queue its reflection on the mind `key`, in one transaction; repeated, returns the same reflection."""
        ...

    async def note_presence(self, tenant: str, conversation_id: str, presence: Presence) -> None:
        """Keep whether somebody is there; changes nothing for a conversation that has ended or does not exist."""
        ...

    async def stale_conversations(self, idle_since: datetime, *, limit: int = 100) -> tuple[Conversation, ...]:
        """Active or detached conversations of all tenants without activity since that moment, oldest first."""
        ...


class Minds(Protocol):
    """Minds, their versions, and their archives."""

    async def mind(self, key: MindKey) -> MindVersion | None:
        """The newest version, with entries and evidence; None where the mind does not exist yet."""
        ...

    async def mind_version(self, key: MindKey, number: int) -> MindVersion | None:
        """One version, with entries and evidence; None where there is none of that number."""
        ...

    async def mind_versions(
        self, key: MindKey, *, before: int | None = None, limit: int = 50
    ) -> tuple[MindVersion, ...]:
        """Versions, the newest first, without their entries (`blocks` is empty); with `before`, those of a lower number."""
        ...

    async def minds(
        self,
        tenant: str,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 50,
    ) -> tuple[MindSummary, ...]:
        """Minds by agent and user; with `after` (an agent and a user id), those behind it in the list."""
        ...

    async def ensure_mind(self, key: MindKey, *, seed: Mapping[str, Sequence[str]]) -> MindVersion:
        """The newest version; a mind that did not exist gets version 1, as in `open_conversation`."""
        ...

    async def write_version(self, key: MindKey, version: NewVersion) -> MindVersion:
        """Write `version.parent + 1`. Entries whose id the mind does not know yet are stored with their evidence.

        Raises StaleVersion where `parent` is not the newest version or the mind does not exist.
        """
        ...

    async def entries(self, key: MindKey, ids: Sequence[str]) -> Mapping[str, Entry]:
        """Entries of this mind by id, of whatever version; ids that it does not know are left out."""
        ...

    async def erased(self, key: MindKey, *, entries: Collection[str], talks: Collection[str]) -> frozenset[str]:
        """Which of these ids belong to something erased: entries of this mind, and conversations that are not there again."""
        ...

    async def archived(
        self,
        key: MindKey,
        *,
        number: int | None = None,
        ids: Sequence[str] | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> tuple[ArchivedEntry, ...]:
        """The archive as it was in version `number` (None: as it is), or what of `ids` is there, by entry id; with `after`, behind that id."""
        ...

    async def find_archived(self, key: MindKey, words: Sequence[str], *, limit: int = 50) -> tuple[Found, ...]:
        """Entries of the archive that hold any of these plain words (in any form, in text or cue), the best match first."""
        ...

    async def match_archived(self, key: MindKey, words: Sequence[str], *, limit: int = 50) -> tuple[Match, ...]:
        """The same within milliseconds, for a person who waits: of many words that are common in a large archive, the rarer ones may decide alone."""
        ...

    async def vectors(self, key: MindKey, model: str) -> Mapping[str, bytes]:
        """What `put_vectors` kept for the entries of this mind's archive, by entry id."""
        ...

    async def without_vector(self, key: MindKey, model: str, *, limit: int = 50) -> Mapping[str, str]:
        """The texts of archived entries of which `model` has made no vector yet, by entry id."""
        ...

    async def put_vectors(self, key: MindKey, model: str, vectors: Mapping[str, bytes]) -> None:
        """Keep the embedding (little-endian float32) that `model` made of each entry; ids that the mind does not know are left out."""
        ...


class Store(Conversations, Minds, Reflections, Meetings, Recordings, People, Protocol):
    """Keeps what must not be lost.

    Whatever a writing method returned is committed and synced to disk. Every method may raise StorageUnavailable.
    `start` creates or migrates the schema and comes first; `aclose` comes last. Lists give at most `limit` values.
    """

    async def start(self) -> None:
        """Open the database, create or migrate its schema. Raises Misconfigured for one that is corrupt or newer than this program."""
        ...

    async def aclose(self) -> None:
        """Finish waiting writes and close; safe to call twice."""
        ...

    async def check(self) -> None:
        """Return where the database answers; raise StorageUnavailable where it does not."""
        ...
