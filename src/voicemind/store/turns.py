"""Turns: what was said, appended for many conversations at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.clock import utc_now
from voicemind.errors import ConversationOver, UnknownConversation, VoicemindError
from voicemind.store import straight
from voicemind.store.chunks import chunks
from voicemind.store.tables import conversations, minds, reflections, turns
from voicemind.store.turn_edits import placed
from voicemind.store.values import Call, MindKey, NewTurn, Turn

OPEN = ("active", "detached")
PENDING = ("waiting", "running")

COLUMNS = (
    turns.c.seq,
    turns.c.role,
    turns.c.generated,
    turns.c.heard,
    turns.c.created_at,
    turns.c.interrupted,
    turns.c.modality,
    turns.c.timings_ms,
    turns.c.calls,
)
_LOCK = (
    sa.select(conversations.c.id, conversations.c.status, conversations.c.turns)
    .where(
        conversations.c.tenant == sa.bindparam("tenant"), conversations.c.id.in_(sa.bindparam("ids", expanding=True))
    )
    .order_by(conversations.c.id)
    .with_for_update()
)
_SQLITE_COUNTS = (
    "SELECT conversations.id, status, turns FROM json_each(:ids) AS asked "
    "CROSS JOIN conversations ON conversations.tenant = :tenant AND conversations.id = asked.value"
)
INSERT = sa.insert(turns)
_COUNT = (
    sa.update(conversations)
    .where(
        conversations.c.tenant == sa.bindparam("of_tenant"), conversations.c.id.in_(sa.bindparam("ids", expanding=True))
    )
    .values(turns=conversations.c.turns + sa.bindparam("added"), active_at=sa.bindparam("now"))
)
_ALL = (
    sa.select(*COLUMNS)
    .where(
        turns.c.tenant == sa.bindparam("tenant"),
        turns.c.conversation_id == sa.bindparam("id"),
        turns.c.seq > sa.bindparam("after"),
    )
    .order_by(turns.c.seq)
)
_CITED = sa.select(*COLUMNS).where(
    turns.c.tenant == sa.bindparam("tenant"),
    turns.c.conversation_id == sa.bindparam("id"),
    turns.c.seq.in_(sa.bindparam("numbers", expanding=True)),
)
EXISTS = sa.select(conversations.c.id).where(
    conversations.c.tenant == sa.bindparam("tenant"), conversations.c.id == sa.bindparam("id")
)


@dataclass(frozen=True, slots=True)
class Append:
    """A turn on its way to the end of a conversation."""

    tenant: str
    conversation_id: str
    turn: NewTurn


def storable(text: str) -> str:
    """The text with U+FFFD for what a database cannot hold: NUL and lone surrogates.

    One such character must not cost the whole turn.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd")


def append_turns(connection: Connection, appends: Sequence[Append]) -> list[Turn | VoicemindError]:
    """Give each turn its place and store it: three statements for each tenant, however many turns there are."""
    outcomes: dict[int, Turn | VoicemindError] = {}
    by_tenant: defaultdict[str, dict[int, Append]] = defaultdict(dict)
    for index, append in enumerate(appends):
        by_tenant[append.tenant][index] = append
    for tenant in sorted(by_tenant):
        outcomes.update(_append_for(connection, tenant, by_tenant[tenant]))
    return [outcomes[index] for index in range(len(appends))]


def in_order(
    connection: Connection, tenant: str, conversation_id: str, *, after: int = 0, limit: int | None = None
) -> tuple[Turn, ...]:
    """The turns behind number `after`. Raises UnknownConversation."""
    page = _ALL if limit is None else _ALL.limit(limit)
    rows = connection.execute(page, {"tenant": tenant, "id": conversation_id, "after": after})
    found = tuple(map(turn_of, rows))
    if not found and straight.first(connection, EXISTS, tenant=tenant, id=conversation_id) is None:
        raise UnknownConversation("there is no such conversation")
    return found


def cited(connection: Connection, tenant: str, places: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Turn]:
    """Turns by conversation and number, as far as they are there."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for conversation_id, number in places:
        numbers[conversation_id].append(number)
    found: dict[tuple[str, int], Turn] = {}
    for conversation_id in numbers:  # a statement for each: over pairs, SQLite would look through the whole tenant
        for chunk in chunks(numbers[conversation_id]):
            for row in connection.execute(_CITED, {"tenant": tenant, "id": conversation_id, "numbers": chunk}):
                found[conversation_id, row.seq] = turn_of(row)
    return found


def unreflected_turns(connection: Connection, key: MindKey, *, limit: int) -> tuple[Turn, ...]:
    """User turns whose reflection on this mind has not happened yet; the newest `limit`, oldest first."""
    statement = (
        sa.select(*COLUMNS)
        .join(
            conversations,
            sa.and_(conversations.c.tenant == turns.c.tenant, conversations.c.id == turns.c.conversation_id),
        )
        .join(
            reflections,
            sa.and_(reflections.c.tenant == turns.c.tenant, reflections.c.conversation_id == turns.c.conversation_id),
        )
        .join(minds, minds.c.id == reflections.c.mind_id)
        .where(
            minds.c.tenant == key.tenant,
            minds.c.agent == key.agent,
            minds.c.user_id == key.user_id,
            reflections.c.status.in_(PENDING),
            turns.c.role == "user",
        )
        .order_by(conversations.c.ended_at.desc(), conversations.c.id.desc(), turns.c.seq.desc())
        .limit(limit)
    )
    return tuple(turn_of(row) for row in reversed(connection.execute(statement).all()))


def _append_for(connection: Connection, tenant: str, appends: Mapping[int, Append]) -> dict[int, Turn | VoicemindError]:
    ids = sorted({append.conversation_id for append in appends.values()})
    found = locked(connection, tenant, ids)
    counts = {name: count for name, (status, count) in found.items() if status in OPEN}
    now = utc_now()
    outcomes: dict[int, Turn | VoicemindError] = {}
    rows: list[dict[str, Any]] = []
    for index, append in appends.items():
        name = append.conversation_id
        if name not in counts:
            outcomes[index] = refusal(known=name in found)
            continue
        counts[name] += 1
        stored = storable_turn(placed(append.turn, seq=counts[name], now=now))
        outcomes[index] = stored
        rows.append(row_of(tenant, name, stored))
    if rows:
        straight.insert(connection, turns, rows)
        _count(connection, tenant, Counter(row["conversation_id"] for row in rows), now=now)
    return outcomes


def _count(connection: Connection, tenant: str, added: Counter[str], *, now: datetime) -> None:
    """One statement for all conversations that grew by the same number: nearly always there is one such number."""
    for number in sorted(set(added.values())):
        ids = sorted(name for name, grown in added.items() if grown == number)
        connection.execute(_COUNT, {"of_tenant": tenant, "ids": ids, "added": number, "now": now})


def locked(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """The status of each conversation that there is and its number of turns, which nobody else changes until this transaction ends."""
    if straight.is_possible(connection):
        found = straight.rows(connection, _SQLITE_COUNTS, tenant=tenant, ids=straight.listed(ids))
        return {name: (status, count) for name, status, count in found}
    rows = connection.execute(_LOCK, {"tenant": tenant, "ids": ids})
    return {row.id: (row.status, row.turns) for row in rows}


def refusal(*, known: bool) -> VoicemindError:
    """Why a conversation that is not open takes nothing."""
    return (
        ConversationOver("the conversation has ended")
        if known
        else UnknownConversation("there is no such conversation")
    )


def storable_turn(turn: Turn) -> Turn:
    """The turn as any database can hold it."""
    return replace(
        turn,
        generated=storable(turn.generated),
        heard=None if turn.heard is None else storable(turn.heard),
        calls=tuple(Call(storable(call.id), storable(call.name), storable(call.arguments)) for call in turn.calls),
    )


def row_of(tenant: str, conversation_id: str, turn: Turn) -> dict[str, Any]:
    """The turn as a row of its table."""
    return {
        "tenant": tenant,
        "conversation_id": conversation_id,
        "seq": turn.seq,
        "role": turn.role,
        "generated": turn.generated,
        "heard": turn.heard,
        "interrupted": turn.interrupted,
        "modality": turn.modality,
        "timings_ms": turn.timings_ms or None,
        "created_at": turn.created_at,
        "calls": [asdict(call) for call in turn.calls] or None,
    }


def turn_of(row: Any) -> Turn:
    """The turn of a row of `COLUMNS`."""
    seq, role, generated, heard, created_at, interrupted, modality, timings_ms, calls = row
    named = tuple(Call(**call) for call in calls or ())
    return Turn(seq, role, generated, heard, created_at, interrupted, modality, timings_ms or {}, named)
