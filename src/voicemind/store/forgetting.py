"""Takes conversations out of one mind: its entries, all its versions, its archive, and what waits for a person's word."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from voicemind.clock import utc_now
from voicemind.store import archive, tombstones
from voicemind.store.chunks import chunks
from voicemind.store.survivors import Gone, Known, Span, gone, mentions, moved_spans, rewritten, rewritten_changes
from voicemind.store.tables import (
    archived_entries,
    entries,
    entry_vectors,
    evidence,
    mind_versions,
    minds,
    reflections,
    turns,
)

_SHORTEST_SECRET = 3
"""Characters: a shorter quote tells nothing about anybody, and stands in every sentence."""


@dataclass(frozen=True, slots=True)
class _Loss:
    """What a mind is about to lose."""

    mind_id: str
    conversations: frozenset[str]
    gone: Gone
    stays: frozenset[str]
    touched: frozenset[str]  # of those, the ones that lose a part of their evidence
    secrets: tuple[str, ...]  # texts and quotes, casefolded

    def told_in(self, text: str) -> bool:
        """Whether the text repeats something that is to be forgotten."""
        folded = text.casefold()
        return any(secret in folded for secret in self.secrets)


def forget(connection: Connection, tenant: str, mind_id: str, *, conversations: Collection[str]) -> Counter[str]:
    """Forget what rests on these conversations; what was lost, counted as in `Erasure`.

    Whoever writes to the mind at the same moment waits, and then finds a newer version where anything was lost.
    """
    number = connection.execute(
        sa.select(minds.c.version).where(minds.c.id == mind_id).with_for_update(key_share=True)
    ).scalar_one()
    loss = _loss(connection, mind_id, frozenset(conversations))
    contents, hushed = _rewrite_versions(connection, loss)
    _hush_reflections(connection, loss, hushed)
    counts = Counter(versions=len(hushed), entries=len(loss.gone))
    if not loss.gone and not loss.touched:
        return counts
    indexed = _rewrite_archive(connection, tenant, loss, contents)
    counts["evidence"] = _delete(connection, loss)
    tombstones.keep_entries(connection, tenant, mind_id, ids=loss.gone)
    _mend(connection, loss)
    if indexed:
        archive.reindex(connection, tenant, mind_id)
    _bump(connection, tenant, mind_id, number=number + 1, content=contents[number])
    return counts


def _loss(connection: Connection, mind_id: str, conversations: frozenset[str]) -> _Loss:
    lost: defaultdict[str, set[Any]] = defaultdict(set)
    kept: defaultdict[str, set[Any]] = defaultdict(set)
    secrets: set[str] = set()
    rows = connection.execute(
        sa.select(evidence.c.entry_id, evidence.c.conversation_id, evidence.c.turn, evidence.c.quote).where(
            evidence.c.mind_id == mind_id
        )
    )
    for row in rows:
        if row.conversation_id in conversations:
            lost[row.entry_id].add(row[1:])
            secrets.add(row.quote)
        else:
            kept[row.entry_id].add(row[1:])
    found = connection.execute(
        sa.select(entries.c.id, entries.c.text, entries.c.origins)
        .where(entries.c.mind_id == mind_id)
        .order_by(entries.c.version, entries.c.id)
    )
    known = [
        Known(
            row.id,
            row.text,
            tuple(row.origins),
            frozenset(lost.get(row.id, ())),
            frozenset(kept.get(row.id, ())),
        )
        for row in found
    ]
    dead = gone(known)
    secrets.update(entry.text for entry in known if entry.id in dead)
    long = tuple(sorted(secret.casefold() for secret in secrets if len(secret) >= _SHORTEST_SECRET))
    stays = frozenset(entry.id for entry in known) - dead.keys()
    return _Loss(mind_id, conversations, dead, stays, stays & lost.keys(), long)


def _rewrite_versions(
    connection: Connection, loss: _Loss
) -> tuple[dict[int, Mapping[str, list[str]]], dict[int, bool]]:
    """All versions as they are now, by number; and those that had to change, with whether their notes had to go."""
    rows = connection.execute(
        sa.select(mind_versions).where(mind_versions.c.mind_id == loss.mind_id).order_by(mind_versions.c.number)
    ).all()
    contents: dict[int, Mapping[str, list[str]]] = {}
    hushed: dict[int, bool] = {}
    held: set[str] = set()
    for row in rows:
        holds = loss.gone.keys() & set(itertools.chain.from_iterable(row.content.values()))
        was = {name: getattr(row, name) for name in ("content", "changes", "notes", "conversation_id")}
        now = _rewritten_version(row, loss, touches=holds != held)
        held = holds
        contents[row.number] = now["content"]
        if now != was:
            hushed[row.number] = now["notes"] != was["notes"]
            connection.execute(
                sa.update(mind_versions)
                .where(mind_versions.c.mind_id == loss.mind_id, mind_versions.c.number == row.number)
                .values(now)
            )
    return contents, hushed


def _rewritten_version(row: Row[Any], loss: _Loss, *, touches: bool) -> dict[str, Any]:
    """`touches` says that this version brought in, or took out, what is gone."""
    mine = row.conversation_id in loss.conversations
    content = rewritten(row.content, loss.gone)
    hush = mine or touches or mentions(row.changes, loss.gone) or loss.told_in(row.notes)
    changes = rewritten_changes(row.changes, content, loss.stays) if hush else row.changes
    told = [change for change in changes if mine or loss.told_in(change["reason"])]
    return {
        "content": content,
        "changes": [{**change, "reason": ""} if change in told else change for change in changes],
        "notes": "" if hush else row.notes,
        "conversation_id": None if mine else row.conversation_id,
    }


def _hush_reflections(connection: Connection, loss: _Loss, hushed: Mapping[int, bool]) -> None:
    """Neither the notes of other conversations' reflections nor what they propose may tell what is gone."""
    names = frozenset(loss.gone) | loss.conversations
    rows = connection.execute(
        sa.select(reflections.c.id, reflections.c.after, reflections.c.notes, reflections.c.proposal).where(
            reflections.c.mind_id == loss.mind_id
        )
    ).all()
    for row in rows:
        proposal = _without(row.proposal, names, loss)
        if hushed.get(row.after) or proposal != row.proposal or loss.told_in(row.notes):
            connection.execute(
                sa.update(reflections).where(reflections.c.id == row.id).values(notes="", proposal=proposal)
            )


def _without(proposal: list[Any] | None, names: frozenset[str], loss: _Loss) -> list[Any] | None:
    """The operations that neither rest on nor are about what is gone."""
    if proposal is None:
        return None
    kept = [operation for operation in proposal if not mentions(operation, names)]
    return [{**one, "reason": ""} if loss.told_in(str(one.get("reason", ""))) else one for one in kept]


def _rewrite_archive(
    connection: Connection, tenant: str, loss: _Loss, contents: Mapping[int, Mapping[str, list[str]]]
) -> bool:
    """Whether what the archive holds now is to be indexed anew."""
    rows = connection.execute(sa.select(archived_entries).where(archived_entries.c.mind_id == loss.mind_id)).all()
    spans: dict[str, list[Span]] = {}
    for row in rows:
        spans.setdefault(row.entry_id, []).append((row.since, row.until, row.block))
    moved = moved_spans(spans, contents, loss.gone)
    stale = [entry_id for entry_id in spans if entry_id in loss.gone or entry_id in moved]
    for chunk in chunks(stale):
        connection.execute(
            sa.delete(archived_entries).where(
                archived_entries.c.mind_id == loss.mind_id, archived_entries.c.entry_id.in_(chunk)
            )
        )
    of = {"mind_id": loss.mind_id, "tenant": tenant}
    fresh = [
        {**of, "entry_id": entry_id, "since": since, "until": until, "block": block}
        for entry_id, runs in moved.items()
        for since, until, block in runs
    ]
    if fresh:
        connection.execute(sa.insert(archived_entries), fresh)
    return bool(stale or fresh or loss.touched & spans.keys())


def _delete(connection: Connection, loss: _Loss) -> int:
    """The lost evidence, and all of the entries that are gone; how many pieces of evidence that were."""
    pieces = 0
    for chunk in chunks(loss.conversations):
        pieces += connection.execute(
            sa.delete(evidence).where(evidence.c.mind_id == loss.mind_id, evidence.c.conversation_id.in_(chunk))
        ).rowcount
    for chunk in chunks(loss.gone):
        pieces += connection.execute(
            sa.delete(evidence).where(evidence.c.mind_id == loss.mind_id, evidence.c.entry_id.in_(chunk))
        ).rowcount
        connection.execute(
            sa.delete(entry_vectors).where(entry_vectors.c.mind_id == loss.mind_id, entry_vectors.c.entry_id.in_(chunk))
        )
        connection.execute(sa.delete(entries).where(entries.c.mind_id == loss.mind_id, entries.c.id.in_(chunk)))
    return pieces


def _mend(connection: Connection, loss: _Loss) -> None:
    """Entries that stay: no origin that is gone; and where evidence went, no words that were near it, and the moment of what is left."""
    rows = connection.execute(
        sa.select(entries.c.id, entries.c.origins, entries.c.at, entries.c.cue).where(entries.c.mind_id == loss.mind_id)
    ).all()
    said = _said(connection, loss)
    for row in rows:
        values: dict[str, Any] = {}
        origins = [origin for origin in row.origins if origin not in loss.gone]
        if origins != row.origins:
            values["origins"] = origins
        if row.id in loss.touched:
            values |= {"cue": "", "at": said.get(row.id) if row.at else None}
        if values:
            connection.execute(
                sa.update(entries).where(entries.c.mind_id == loss.mind_id, entries.c.id == row.id).values(values)
            )
    for chunk in chunks(row.id for row in rows if row.id in loss.touched and row.cue):
        connection.execute(
            sa.delete(entry_vectors).where(entry_vectors.c.mind_id == loss.mind_id, entry_vectors.c.entry_id.in_(chunk))
        )


def _said(connection: Connection, loss: _Loss) -> dict[str, Any]:
    """When what is left of each entry's evidence was first said."""
    moments: dict[str, Any] = {}
    for chunk in chunks(loss.touched):
        rows = connection.execute(
            sa.select(evidence.c.entry_id, sa.func.min(turns.c.created_at).label("at"))
            .join(
                turns,
                sa.and_(
                    turns.c.tenant == evidence.c.tenant,
                    turns.c.conversation_id == evidence.c.conversation_id,
                    turns.c.seq == evidence.c.turn,
                ),
            )
            .where(evidence.c.mind_id == loss.mind_id, evidence.c.entry_id.in_(chunk))
            .group_by(evidence.c.entry_id)
        )
        moments.update({row.entry_id: row.at for row in rows})
    return moments


def _bump(connection: Connection, tenant: str, mind_id: str, *, number: int, content: Mapping[str, list[str]]) -> None:
    """The same as the newest version, under a number that nobody has read yet."""
    connection.execute(sa.update(minds).where(minds.c.id == mind_id).values(version=number))
    connection.execute(
        sa.insert(mind_versions).values(
            mind_id=mind_id,
            number=number,
            tenant=tenant,
            author="erasure",
            created_at=utc_now(),
            content=content,
            notes="",
            changes=[],
        )
    )
