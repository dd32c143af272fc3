"""A mind as one readable file: Markdown with front matter, written so that reading and writing it again gives the same bytes.

    ---
    voicemind: "mind/1"
    agent: "counsellor"
    user: "anna"
    ---

    # Anna's file

    ## patient_memory

    - The user's cat is called Biscuit.
      - id: 01a2…
      - at: 2026-05-04T12:00:00+00:00
      - from: "talk-1" turn 3 "My cat is called Biscuit"

    ## archive of patient_memory

Values after a colon are JSON strings where they hold what people wrote. An entry whose text is more than one plain line
stands as a JSON string too. Unknown lines are refused, so that nothing is lost in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from voicemind.errors import BadRequest
from voicemind.mind.agent import Agent
from voicemind.mind.plain import one_line
from voicemind.mind.reflection.draft import fresh_id
from voicemind.store.values import ArchivedEntry, Entry, Evidence, MindVersion

FORMAT = "mind/1"
MOST_ENTRIES = 20_000
LONGEST_ENTRY = 4_000
MOST_SECTIONS = 100
MOST_EVIDENCE = 10_000
"""Pieces of evidence that one entry rests on."""
LONGEST_LABEL = 100
_ARCHIVE = "archive of "
_EVIDENCE = re.compile(r'^(?P<talk>"(?:[^"\\]|\\.)*") turn (?P<turn>\d{1,9}) (?P<quote>"(?:[^"\\]|\\.)*")$')
_ID = re.compile(r"^[0-9A-Za-z_-]{1,64}$")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says a mind holds. `agent` and `user_id` are whom it was exported from, "" where it does not say; `notes` tell what was left out."""

    blocks: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict[str, tuple[Entry, ...]])
    archive: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict[str, tuple[Entry, ...]])
    agent: str = ""
    user_id: str = ""
    notes: str = ""


def markdown(agent: Agent, version: MindVersion, archived: Sequence[ArchivedEntry]) -> str:
    """The file of a mind: its blocks in the agent's order, then its archive by entry id."""
    lines = [
        "---",
        f"voicemind: {_json(FORMAT)}",
        f"agent: {_json(agent.slug)}",
        f"user: {_json(version.key.user_id)}",
        "---",
    ]
    for block in agent.reflective:
        lines += ["", f"## {block.label}"]
        for entry in version.blocks.get(block.label, ()):
            lines += ["", *_entry_lines(entry)]
    for block in agent.reflective:
        put_away = sorted((one.entry for one in archived if one.block == block.label), key=lambda entry: entry.id)
        if put_away:
            lines += ["", f"## {_ARCHIVE}{block.label}"]
            for entry in put_away:
                lines += ["", *_entry_lines(entry)]
    return "\n".join(lines) + "\n"


def parsed(text: str) -> Document:
    """What a file says. Raises BadRequest, naming the line."""
    reader = _Reader(text)
    head = reader.head()
    sections: dict[str, list[Entry]] = {}
    section: list[Entry] | None = None
    count = 0
    for at, line in reader.rest():
        if line.startswith("## "):
            section = sections.setdefault(_label(line[3:].strip(), at), [])
            if len(sections) > MOST_SECTIONS:
                raise _wrong(at, f"the file has more than {MOST_SECTIONS} blocks")
        elif line.startswith("- ") and section is not None:
            count += 1
            section.append(Entry("", _text(line[2:], at)))
        elif line.startswith("  - ") and section:
            section[-1] = _told(section[-1], line[4:], at)
        elif line.strip() and not line.startswith("# "):
            raise _wrong(
                at,
                "this line is neither a block (## label), an entry (- text) nor something about one (  - name: value)",
            )
        if count > MOST_ENTRIES:
            raise BadRequest(f"The file holds more than {MOST_ENTRIES} entries.")
    whole = {name: tuple(_named(entry) for entry in entries) for name, entries in sections.items()}
    _refuse_repeated(entry for entries in whole.values() for entry in entries)
    return Document(
        blocks={name: entries for name, entries in whole.items() if not name.startswith(_ARCHIVE)},
        archive={name.removeprefix(_ARCHIVE): entries for name, entries in whole.items() if name.startswith(_ARCHIVE)},
        agent=head.get("agent", ""),
        user_id=head.get("user", ""),
    )


class _Reader:
    """The lines with their numbers, the front matter first."""

    def __init__(self, text: str) -> None:
        self._lines = iter(list(enumerate(text.replace("\r\n", "\n").split("\n"), 1)))

    def head(self) -> dict[str, str]:
        at, first = next(self._lines, (1, ""))
        if first.strip().lstrip("\ufeff") != "---":
            raise _wrong(at, "a mind's file begins with --- and its front matter")
        found: dict[str, str] = {}
        for at, line in self._lines:
            if line.strip() == "---":
                if found.get("voicemind") != FORMAT:
                    raise _wrong(at, f"the front matter must say voicemind: {_json(FORMAT)}")
                return found
            name, colon, value = line.partition(":")
            if not colon:
                raise _wrong(at, "the front matter has lines of name: value")
            found[name.strip()] = _string(value.strip(), at)
        raise _wrong(1, "the front matter does not end with ---")

    def rest(self) -> Iterator[tuple[int, str]]:
        return self._lines


def _entry_lines(entry: Entry) -> list[str]:
    plain = one_line(entry.text, limit=LONGEST_ENTRY) == entry.text and not entry.text.startswith('"')
    lines = [f"- {entry.text if plain else _json(entry.text)}", f"  - id: {entry.id}"]
    if entry.at is not None:
        lines.append(f"  - at: {entry.at.isoformat()}")
    if entry.origins:
        lines.append(f"  - origins: {' '.join(entry.origins)}")
    if entry.cue:
        lines.append(f"  - cue: {_json(entry.cue)}")
    lines += [
        f"  - from: {_json(piece.conversation_id)} turn {piece.turn} {_json(piece.quote)}" for piece in entry.evidence
    ]
    return lines


def _told(entry: Entry, line: str, at: int) -> Entry:
    """The entry with what one line says about it."""
    name, _, value = (part.strip() for part in line.partition(":"))
    match name:
        case "id" if _ID.match(value):
            return replace(entry, id=value)
        case "at":
            return replace(entry, at=_moment(value, at))
        case "origins" if all(_ID.match(one) for one in value.split()):
            return replace(entry, origins=tuple(value.split()))
        case "cue":
            return replace(entry, cue=_string(value, at))
        case "from" if len(entry.evidence) >= MOST_EVIDENCE:
            raise _wrong(at, f"an entry rests on at most {MOST_EVIDENCE} pieces of evidence")
        case "from" if found := _EVIDENCE.match(value):
            piece = Evidence(_string(found["talk"], at), int(found["turn"]), _string(found["quote"], at))
            return replace(entry, evidence=(*entry.evidence, piece))
        case _:
            raise _wrong(
                at, 'about an entry there can be id, at, origins, cue, and from: "conversation" turn 1 "quote"'
            )


def _named(entry: Entry) -> Entry:
    return entry if entry.id else replace(entry, id=fresh_id())


def _label(label: str, at: int) -> str:
    if len(label) > LONGEST_LABEL:
        raise _wrong(at, f"the label of a block has at most {LONGEST_LABEL} characters")
    return label


def _text(raw: str, at: int) -> str:
    text = _string(raw, at) if raw.startswith('"') else raw.strip()
    if not text.strip() or len(text) > LONGEST_ENTRY:
        raise _wrong(at, f"an entry has 1 to {LONGEST_ENTRY} characters")
    return text


def _string(raw: str, at: int) -> str:
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if not isinstance(value, str):
        raise _wrong(at, 'a text in "quotes" (a JSON string) is expected here')
    return value


def _moment(raw: str, at: int) -> datetime:
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong(at, "a moment looks like 2026-05-04T12:00:00+00:00")
    return moment


def _refuse_repeated(entries: Iterator[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise BadRequest(f"The entry {entry.id} stands in the file twice.")
        seen.add(entry.id)


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _wrong(at: int, problem: str) -> BadRequest:
    return BadRequest(f"Line {at}: {problem}.")
