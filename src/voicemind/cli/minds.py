"""`voicemind minds`: looking into minds, changing them by hand, going back, and carrying them elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio

from voicemind.cli import mind_pages
from voicemind.cli.asked import Manner, Wanted, Whose
from voicemind.cli.mind_pages import NOBODY
from voicemind.cli.rest import Answer, Api, for_programs, more, part, reached
from voicemind.cli.rest_records import Archived, BlockDiff, Entry, Mind, MindRow, VersionRow, entry_named
from voicemind.cli.screen import err, note
from voicemind.config import Settings
from voicemind.errors import BadRequest, UnknownMind

LOCAL = "local"
"""Who talks in a terminal, if nobody says otherwise."""
LARGEST_FILE = 25 * 1024 * 1024


async def list_minds(settings: Settings, *, agent: str | None, user: str | None, wanted: Wanted) -> None:
    """A row for each mind."""
    async with reached(settings) as api:
        found = await api.listed("/minds", MindRow, wanted=wanted, agent=await api.slug(agent), user_id=user)
    if wanted.as_json:
        for_programs(found.raw)
        return
    mind_pages.show_minds(found.value.items)
    more(found.value)


async def show(settings: Settings, whose: Whose, *, number: int | None, as_json: bool) -> None:
    """One mind, as it is or as it was. Raises UnknownAgent or UnknownMind."""
    async with reached(settings) as api:
        where = await _address(api, whose)
        found = await api.get(where if number is None else f"{where}/versions/{number}", Mind)
    if as_json:
        for_programs(found.raw)
    else:
        mind_pages.show_mind(found.value)


async def versions(settings: Settings, whose: Whose, *, wanted: Wanted) -> None:
    """A row for each version, the newest first."""
    async with reached(settings) as api:
        found = await api.listed(f"{await _address(api, whose)}/versions", VersionRow, wanted=wanted)
    if wanted.as_json:
        for_programs(found.raw)
        return
    mind_pages.show_versions(found.value.items)
    more(found.value)


async def diff(settings: Settings, whose: Whose, *, before: int | None, after: int | None, as_json: bool) -> None:
    """What differs between two versions; without numbers, between the newest one and the one before it."""
    async with reached(settings) as api:
        where = await _address(api, whose)
        if after is None:
            after = (await api.get(where, Mind)).value.version
        found = await _difference(api, where, before=max(after - 1, 1) if before is None else before, after=after)
    if as_json:
        for_programs(found.raw)
        return
    mind_pages.show_diff(found.value)
    if not found.value:
        note("Nothing differs.")


async def undo(settings: Settings, whose: Whose, *, number: int | None, manner: Manner) -> None:
    """Take back what one version did."""
    body = {} if number is None else {"number": number}
    await _change(settings, whose, "POST", "/undo", body=body, manner=manner)


async def restore(settings: Settings, whose: Whose, *, number: int, manner: Manner) -> None:
    """Make the mind what it was in that version."""
    await _change(settings, whose, "POST", "/restore", body={"number": number}, manner=manner)


async def _change(
    settings: Settings, whose: Whose, method: str, then: str, *, body: dict[str, Any], manner: Manner
) -> None:
    async with reached(settings) as api:
        where = await _address(api, whose)
        seen = (await api.get(where, Mind)).value
        answer = await api.ask(method, where + then, Mind, body=body, headers=manner.headers)
        await _report(api, where, answer, seen=seen, manner=manner)


async def add(settings: Settings, whose: Whose, *, block: str, text: str, manner: Manner) -> None:
    """Write a line into a block. Raises BadRequest."""
    async with reached(settings) as api:
        where = await _address(api, whose)
        seen = (await api.get(where, Mind)).value
        labels = [one.label for one in seen.blocks if one.reflects]
        if block not in labels:
            raise BadRequest(f"{block} is no block that can be written; there are: {', '.join(labels)}.")
        await _edit(api, where, [{"op": "add", "block": block, "text": text}], seen=seen, manner=manner)


async def edit(settings: Settings, whose: Whose, *, entry: str, text: str, manner: Manner) -> None:
    """Put a line in other words. Raises BadRequest."""
    async with reached(settings) as api:
        where = await _address(api, whose)
        seen = (await api.get(where, Mind)).value
        named = entry_named(seen.entries, entry)
        await _edit(api, where, [{"op": "update", "entry_id": named.id, "text": text}], seen=seen, manner=manner)


async def move(settings: Settings, whose: Whose, op: str, *, entries: list[str], manner: Manner) -> None:
    """`remove`, `archive` or `recall` lines, all or none. Raises BadRequest."""
    async with reached(settings) as api:
        where = await _address(api, whose)
        seen = (await api.get(where, Mind)).value
        known = await _archived(api, where) if op == "recall" else seen.entries
        edits = [{"op": op, "entry_id": entry_named(known, entry).id} for entry in entries]
        await _edit(api, where, edits, seen=seen, manner=manner)


async def archive(settings: Settings, whose: Whose, *, wanted: Wanted) -> None:
    """What no longer fitted into the blocks."""
    async with reached(settings) as api:
        found = await api.listed(f"{await _address(api, whose)}/archive", Archived, wanted=wanted)
    if wanted.as_json:
        for_programs(found.raw)
        return
    mind_pages.show_archive(found.value.items)
    more(found.value)


async def export(settings: Settings, whose: Whose, *, file: Path | None, as_json: bool) -> None:
    """The mind as one file."""
    async with reached(settings) as api:
        kind = "application/json" if as_json else "text/markdown"
        await api.save(f"{await _address(api, whose)}/export", file, accept=kind)


async def import_file(settings: Settings, whose: Whose, *, file: Path, manner: Manner) -> None:
    """Put a file in the place of what the mind holds. Raises BadRequest."""
    content = await _read(file)
    kind = "application/json" if content.lstrip().startswith(b"{") else "text/markdown"
    async with reached(settings) as api:
        where = await _address(api, whose)
        try:
            seen = (await api.get(where, Mind)).value
        except UnknownMind:
            seen = None
        with err.status("reading it in…"):
            answer = await api.ask(
                "POST", f"{where}/import", Mind, body=content, headers={"Content-Type": kind, **manner.headers}
            )
        await _report(api, where, answer, seen=seen, manner=manner)


async def _read(file: Path) -> bytes:
    """The file, or standard input for `-`. Raises BadRequest."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else await anyio.Path(file).read_bytes()
    except OSError as error:
        raise BadRequest(f"{file} cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST_FILE:
        raise BadRequest(f"{file} is larger than {LARGEST_FILE // 1024**2} MB.")
    return content


async def _address(api: Api, whose: Whose) -> str:
    """Where the mind is found. Raises UnknownAgent."""
    user = whose.user
    if user is None:
        user = LOCAL if (await api.agent(whose.agent)).is_private else NOBODY
    return f"/minds/{part(whose.agent)}/{part(user)}"


async def _archived(api: Api, where: str) -> list[Entry]:
    found = await api.listed(f"{where}/archive", Archived, wanted=Wanted())
    return [one.entry for one in found.value.items]


async def _edit(api: Api, where: str, edits: list[dict[str, str]], *, seen: Mind, manner: Manner) -> None:
    answer = await api.ask("PATCH", where, Mind, body={"edits": edits}, headers=manner.headers)
    await _report(api, where, answer, seen=seen, manner=manner)


async def _report(api: Api, where: str, answer: Answer[Mind], *, seen: Mind | None, manner: Manner) -> None:
    """What became of the mind."""
    mind = answer.value
    if manner.as_json:
        for_programs(answer.raw)
    elif seen is not None and seen.version == mind.version:
        note(f"Nothing changed: {mind_pages.whose(mind.agent, mind.user_id)} is at version {mind.version} as before.")
    else:
        found = await _difference(api, where, before=max(mind.parent, 1), after=mind.version)
        mind_pages.show_diff(found.value)
        note(f"{mind_pages.whose(mind.agent, mind.user_id)}: {mind_pages.headline(mind)}.")
        if mind.notes:
            note(mind.notes)


async def _difference(api: Api, where: str, *, before: int, after: int) -> Answer[list[BlockDiff]]:
    return await api.ask("GET", f"{where}/diff", list[BlockDiff], query={"from": before, "to": after})
