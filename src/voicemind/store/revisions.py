"""Turns that are told again: edits of many open conversations at once, and the last word on one that a platform carried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from voicemind.clock import utc_now
from voicemind.errors import StaleTranscript, UnknownConversation, VoicemindError
from voicemind.store import straight
from voicemind.store.tables import conversations, reflections, turns
from voicemind.store.turn_edits import DroppedTurns, TurnEdit, applied, placed
from voicemind.store.turns import COLUMNS, INSERT, OPEN, locked, refusal, row_of, storable_turn, turn_of
from voicemind.store.values import NewTurn, Turn

_TURNS = (
    sa.select(turns.c.conversation_id, *COLUMNS)
    .where(turns.c.tenant == sa.bindparam("tenant"), turns.c.conversation_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(turns.c.conversation_id, turns.c.seq)
)
_OF_ONE = (turns.c.tenant == sa.bindparam("of_tenant"), turns.c.conversation_id == sa.bindparam("of_id"))
_CUT = sa.delete(turns).where(*_OF_ONE, turns.c.seq > sa.bindparam("kept"))
_CHANGE = (
    sa.update(turns)
    .where(*_OF_ONE, turns.c.seq == sa.bindparam("at"))
    .values(
        generated=sa.bindparam("now_generated"),
        heard=sa.bindparam("now_heard"),
        interrupted=sa.bindparam("now_interrupted"),
    )
)
_COUNT = (
    sa.update(conversations)
    .where(conversations.c.tenant == sa.bindparam("of_tenant"), conversations.c.id == sa.bindparam("of_id"))
    .values(turns=sa.bindparam("count"), active_at=sa.bindparam("now"))
)
_REFLECTION = (
    sa.select(reflections.c.status)
    .where(
        reflections.c.tenant == sa.bindparam("tenant"), reflections.c.conversation_id == sa.bindparam("conversation_id")
    )
    .with_for_update()
)
_SETTLING = (
    sa.select(conversations.c.status, conversations.c.settled_at, conversations.c.created_at, conversations.c.active_at)
    .where(conversations.c.tenant == sa.bindparam("tenant"), conversations.c.id == sa.bindparam("conversation_id"))
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Revise:
    """What `revise_turns` was asked for; `turns` is how many the caller had seen."""

    tenant: str
    conversation_id: str
    edits: tuple[TurnEdit, ...]
    turns: int

    @property
    def adds(self) -> tuple[NewTurn, ...]:
        """The turns that are put at the end."""
        return tuple(edit for edit in self.edits if isinstance(edit, NewTurn))

    @property
    def only_adds(self) -> bool:
        """Whether nothing happens to the turns that are there: then nobody has to read them."""
        return len(self.adds) == len(self.edits)


def revise_turns(connection: Connection, revisions: Sequence[Revise]) -> list[int | VoicemindError]:
    """How many turns there are after the edits, for each; a few statements for each tenant, however many conversations there are."""
    outcomes: dict[int, int | VoicemindError] = {}
    by_tenant: defaultdict[str, dict[int, Revise]] = defaultdict(dict)
    for index, revise in enumerate(revisions):
        by_tenant[revise.tenant][index] = revise
    for tenant in sorted(by_tenant):
        outcomes.update(_revise_for(connection, tenant, by_tenant[tenant]))
    return [outcomes[index] for index in range(len(revisions))]


def settle_turns(connection: Connection, tenant: str, conversation_id: str, *, told: Sequence[NewTurn]) -> bool:
    """Put these turns in the place of all; False where it is too late. Raises UnknownConversation.

    Each takes the time of the turn whose place it takes: the platform's clock is not ours.
    """
    named = {"tenant": tenant, "conversation_id": conversation_id}
    # Locked in the order in which a reflection that finishes does; one that was queued in between is looked at afterwards.
    reflection = connection.execute(_REFLECTION, named).scalar_one_or_none()
    row = connection.execute(_SETTLING, named).first()
    if row is None:
        raise UnknownConversation("there is no such conversation")
    if reflection is None and row.status not in OPEN:
        reflection = connection.execute(_REFLECTION, named).scalar_one_or_none()
    if row.settled_at is not None or reflection not in (None, "waiting"):
        return False
    now = utc_now()
    times = [found.created_at for found in connection.execute(_TURNS, {"tenant": tenant, "ids": [conversation_id]})]
    last = times[-1] if times else row.created_at
    told_turns = [
        storable_turn(placed(turn, seq=seq, now=times[seq - 1] if seq <= len(times) else last))
        for seq, turn in enumerate(told, 1)
    ]
    connection.execute(_CUT, {"of_tenant": tenant, "of_id": conversation_id, "kept": 0})
    if told_turns:
        connection.execute(INSERT, [row_of(tenant, conversation_id, turn) for turn in told_turns])
    connection.execute(
        sa.update(conversations)
        .where(conversations.c.tenant == tenant, conversations.c.id == conversation_id)
        .values(turns=len(told_turns), settled_at=now, active_at=now if row.status in OPEN else row.active_at)
    )
    return True


def _read(connection: Connection, tenant: str, names: Collection[str]) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = {name: [] for name in names}
    for name, *columns in connection.execute(_TURNS, {"tenant": tenant, "ids": sorted(names)}):
        found[name].append(turn_of(columns))
    return found


def _revise_for(
    connection: Connection, tenant: str, revisions: Mapping[int, Revise]
) -> dict[int, int | VoicemindError]:
    ids = sorted({revise.conversation_id for revise in revisions.values()})
    found = locked(connection, tenant, ids)
    open_turns = {name: count for name, (status, count) in found.items() if status in OPEN}
    edited = {revise.conversation_id for revise in revisions.values() if not revise.only_adds} & open_turns.keys()
    read = _read(connection, tenant, edited) if edited else {}
    now = utc_now()
    after = {
        name: _Revised(tuple(read[name]), stored=count, kept=count)
        if name in edited
        else _Revised((), stored=count, kept=count, unread=count)
        for name, count in open_turns.items()
    }
    outcomes: dict[int, int | VoicemindError] = {}
    for index, revise in revisions.items():
        name = revise.conversation_id
        if name not in after:
            outcomes[index] = refusal(known=name in found)
            continue
        try:
            after[name] = after[name].then(revise, now=now)
        except StaleTranscript as stale:
            outcomes[index] = stale
            continue
        outcomes[index] = after[name].count
    _write(connection, tenant, {name: revised for name, revised in after.items() if revised.edited}, now=now)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Revised:
    """The turns of a conversation on their way, behind the first `unread` ones, which nothing is to happen to.

    Of the rows that are `stored` the first `kept` stay, and those in `changed` are no longer true.
    """

    turns: tuple[Turn, ...]
    stored: int
    kept: int
    unread: int = 0
    changed: frozenset[int] = frozenset()
    edited: bool = False

    @property
    def count(self) -> int:
        """How many turns there are."""
        return self.unread + len(self.turns)

    def then(self, revise: Revise, *, now: datetime) -> _Revised:
        if revise.turns != self.count:
            raise StaleTranscript("the conversation has other turns by now")
        if revise.only_adds:
            came = (placed(edit, seq=seq, now=now) for seq, edit in enumerate(revise.adds, self.count + 1))
            return replace(self, turns=(*self.turns, *map(storable_turn, came)), edited=True)
        seen = dict(enumerate(self.turns, 1))
        result = tuple(
            turn if seen.get(turn.seq) is turn else storable_turn(turn)
            for turn in applied(self.turns, revise.edits, now=now)
        )
        kept = min([self.kept, *(edit.seq - 1 for edit in revise.edits if isinstance(edit, DroppedTurns))])
        differing = {turn.seq for turn in result if seen.get(turn.seq) is not turn}
        changed = frozenset(seq for seq in self.changed | differing if seq <= kept)
        return replace(self, turns=result, kept=kept, changed=changed, edited=True)


def _write(connection: Connection, tenant: str, revisions: Mapping[str, _Revised], *, now: datetime) -> None:
    cuts: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    inserts: list[dict[str, Any]] = []
    for name, revised in sorted(revisions.items()):
        this = {"of_tenant": tenant, "of_id": name}
        if revised.kept < revised.stored:
            cuts.append({**this, "kept": revised.kept})
        changes += [
            {
                **this,
                "at": turn.seq,
                "now_generated": turn.generated,
                "now_heard": turn.heard,
                "now_interrupted": turn.interrupted,
            }
            for turn in revised.turns
            if turn.seq in revised.changed
        ]
        inserts += [row_of(tenant, name, turn) for turn in revised.turns[revised.kept - revised.unread :]]
    counts = [
        {"of_tenant": tenant, "of_id": name, "count": revised.count, "now": now}
        for name, revised in sorted(revisions.items())
    ]
    for statement, rows in ((_CUT, cuts), (_CHANGE, changes)):
        if rows:
            straight.change(connection, statement, rows)
    if inserts:
        straight.insert(connection, turns, inserts)
    if counts:
        straight.change(connection, _COUNT, counts)
