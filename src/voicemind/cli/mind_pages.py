"""How minds look in a terminal: every remembered line with why it is there, and every change with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from voicemind.cli.rest_records import Archived, BlockDiff, Change, Entry, Evidence, Mind, MindRow, VersionRow
from voicemind.cli.screen import out, paragraph, rows

NOBODY = "-"
"""Stands for the person where an agent has one mind for everybody."""
SHOWN_OF_ID = 8
AUTHORS = {
    "preset": "as it began",
    "reflection": "by reflection",
    "person": "by a person",
    "import": "by an import",
    "undo": "by an undo",
    "erasure": "by an erasure",
}
SIGNS = {"add": "+", "recall": "+", "restore": "+", "remove": "-", "archive": "-"}
COLOURS = {"+": "green", "-": "red", "~": "yellow"}
PASTS = {
    "add": "added to",
    "update": "put in other words in",
    "supersede": "replaced in",
    "remove": "removed from",
    "merge": "merged in",
    "archive": "put into the archive from",
    "recall": "recalled to",
    "restore": "restored in",
}


def when(moment: datetime | None) -> str:
    """A moment on this machine's clock."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""


def whose(agent: str, user_id: str) -> str:
    """A mind's name.

    >>> whose("counsellor", "ada"), whose("thalia", "")
    ('counsellor with ada', 'thalia')
    """
    return f"{agent} with {user_id}" if user_id not in ("", NOBODY) else agent


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "line"), counted(2, "line"), counted(0, "memory", "memories")
    ('1 line', '2 lines', '0 memories')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def source(evidence: Evidence) -> str:
    """Where something comes from: conversation, turn, and the words.

    >>> source(Evidence("talk-1", 3, "I have a cat", "speech"))
    'talk-1, turn 3, spoken: “I have a cat”'
    """
    how = {"speech": ", spoken", "text": ", typed"}.get(evidence.modality or "", "")
    at = f" {when(evidence.created_at)}" if evidence.created_at else ""
    return f"{evidence.conversation_id}, turn {evidence.turn}{how}{at}: “{evidence.quote}”"


def show_minds(minds: Sequence[MindRow]) -> None:
    """A row for each mind."""
    rows(
        ("agent", "user", "version", "lines", "archive", "changed"),
        (
            (mind.agent, mind.user_id or NOBODY, mind.version, mind.entries, mind.archived, when(mind.changed_at))
            for mind in minds
        ),
    )


def show_mind(mind: Mind) -> None:
    """A mind with every line and what it rests on; an older version with what it changed, too."""
    paragraph(f"{whose(mind.agent, mind.user_id)}: {headline(mind)}", style="bold")
    if mind.notes:
        paragraph(mind.notes, style="dim")
    for block in mind.blocks:
        out.print()
        known = counted(len(block.entries), "line") if block.reflects else "never changes"
        paragraph(f"{block.title} [{block.label}], {known}", style="bold")
        for entry in block.entries:
            show_entry(entry)
    if mind.changes:
        out.print()
        paragraph(f"What version {mind.version} changed", style="bold")
        for change in mind.changes:
            show_change(change)


def headline(mind: Mind) -> str:
    """Which version it is, and where that comes from."""
    story = f"version {mind.version}, {AUTHORS.get(mind.author, mind.author)}, {when(mind.created_at)}"
    if mind.restores:
        story += f", as it was in version {mind.restores}"
    return story + (f", after {mind.conversation_id}" if mind.conversation_id else "")


def show_entry(entry: Entry) -> None:
    """One line of a mind: its text, the end of its id, and what it rests on."""
    line = Text("- ")
    line.append(" ".join(entry.text.split()) if entry.text.isprintable() else repr(entry.text))
    line.append(f"  [{entry.id[-SHOWN_OF_ID:]}]", style="cyan")
    out.print(line)
    for evidence in entry.evidence:
        paragraph(source(evidence), style="dim", indent=4)
    if not entry.evidence:
        paragraph("nobody said it: it was written", style="dim", indent=4)
    if entry.version:
        paragraph(f"since version {entry.version}", style="dim", indent=4)


def show_change(change: Change) -> None:
    """One change: what came, what went, why, and what it rests on."""
    sign = SIGNS.get(change.kind, "~")
    texts = [change.after] if change.after is not None else change.before
    gone = change.before if change.after is not None else []
    for text in texts or ["[erased]"]:
        paragraph(f"{sign} {PASTS.get(change.kind, change.kind)} {change.block}: {text}", style=COLOURS[sign])
    for text in gone:
        paragraph(f"before: {text}", indent=4)
    if change.reason:
        paragraph(f"why: {change.reason}", style="dim", indent=4)
    for evidence in change.evidence:
        paragraph(source(evidence), style="dim", indent=4)


def show_versions(versions: Sequence[VersionRow]) -> None:
    """A row for each version."""
    rows(
        ("version", "written", "when", "changes", "after", "notes"),
        (
            (
                version.number,
                AUTHORS.get(version.author, version.author)
                + (f" (as in version {version.restores})" if version.restores else ""),
                when(version.created_at),
                version.changes,
                version.conversation_id,
                version.notes,
            )
            for version in versions
        ),
    )


def show_diff(blocks: Sequence[BlockDiff]) -> None:
    """What differs, line by line."""
    for block in blocks:
        paragraph(f"[{block.block}]", style="bold")
        for line in block.text.splitlines():
            if line.startswith(("---", "+++", "@@")):
                continue
            paragraph(line, style=COLOURS.get(line[:1], ""))


def show_archive(archived: Sequence[Archived]) -> None:
    """Every line that stands in no block any more, under its block."""
    for label in dict.fromkeys(one.block for one in archived):
        paragraph(f"[{label}]", style="bold")
        for one in archived:
            if one.block == label:
                show_entry(one.entry)
