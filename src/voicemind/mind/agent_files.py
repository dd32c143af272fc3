"""Agents as people write them: preset files, the maker's own, and definitions that come through the API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from voicemind.errors import BadRequest, Misconfigured
from voicemind.mind.agent import Agent, Block

_Kind = TypeVar("_Kind")


class _Shared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file under `shared/`: a text that several agents have in common."""

    text: Annotated[str, Meta(min_length=1, max_length=8000)]


def load_agents(folder: Path | None = None) -> dict[str, Agent]:
    """All agents by slug: the presets, then the files (`*.toml`) of `folder`, which replace presets of the same slug.

    Raises Misconfigured, naming file and field.
    """
    presets = resources.files("voicemind.mind") / "presets"
    agents = _read_folder(presets, presets)
    if folder is not None:
        if not folder.is_dir():
            raise Misconfigured(
                "VOICEMIND_AGENTS_DIR", "there is no such folder", accepted="a folder of agent files (*.toml)"
            )
        agents |= _read_folder(folder, presets)
    _refuse_shared_names(agents.values())
    return agents


def parse_agent(source: str | bytes, file: str, *, shared: Mapping[str, str] | None = None) -> Agent:
    """One agent from the TOML of a file called `file`; `shared` maps names to the texts that blocks may take.

    Raises Misconfigured, naming file and field.
    """
    return _checked(_decode(source, file, Agent), file, shared=shared or {})


def _checked(agent: Agent, file: str, *, shared: Mapping[str, str]) -> Agent:
    _refuse_repeated_labels(agent, file)
    blocks = tuple(_filled(block, f"{file} blocks[{at}]", shared=shared) for at, block in enumerate(agent.blocks))
    scopes = sorted({block.scope for block in blocks if block.reflects})
    if len(scopes) > 1:
        raise Misconfigured(
            f"{file} blocks",
            f"the blocks that reflection writes have different scopes: {', '.join(scopes)}",
            accepted="one scope, agent or user",
        )
    return msgspec.structs.replace(agent, blocks=blocks)


def defined(definition: Mapping[str, Any]) -> Agent:
    """One agent from the fields of such a file as plain JSON. Raises BadRequest, naming the field."""
    try:
        agent = msgspec.convert(dict(definition), Agent, strict=True)
        return _checked(agent, "agent", shared={})
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or _named_field(message)
        raise BadRequest(f"{field}: {_plain(message)}".removeprefix(": "), param=field or None) from None
    except Misconfigured as error:
        raise BadRequest(str(error), param=error.setting.removeprefix("agent ") or None) from None


def _read_folder(folder: Traversable, presets: Traversable) -> dict[str, Agent]:
    shared = _read_shared(presets / "shared") | _read_shared(folder / "shared")
    agents: dict[str, Agent] = {}
    for file in _toml_files(folder):
        agent = parse_agent(_bytes(file), file.name, shared=shared)
        if agent.slug in agents:
            raise Misconfigured(
                f"{file.name} slug",
                f"another file in this folder is already called {agent.slug}",
                accepted="a slug for each file",
            )
        agents[agent.slug] = agent
    return agents


def _read_shared(folder: Traversable) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {
        file.name.removesuffix(".toml"): _decode(_bytes(file), f"shared/{file.name}", _Shared).text
        for file in _toml_files(folder)
    }


def _toml_files(folder: Traversable) -> list[Traversable]:
    return sorted(
        (item for item in folder.iterdir() if item.name.endswith(".toml") and item.is_file()),
        key=lambda item: item.name,
    )


def _bytes(file: Traversable) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(file.name, f"the file cannot be read: {error.strerror}") from None


def _decode(source: str | bytes, file: str, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.toml.decode(source, type=kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or _named_field(message)
        raise Misconfigured(f"{file} {field}".strip(), _plain(message), accepted=_accepted(field)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Misconfigured(file, f"this is not TOML: {error}") from None


def _named_field(message: str) -> str:
    """Missing and unknown fields at the top level are named by the message alone."""
    named = re.search(r"field `([^`]*)`", message)
    return named[1] if named else ""


def _plain(message: str) -> str:
    """What msgspec complains about, in the words of somebody who writes a file."""
    if wrong := re.match(r"Expected `(\w+)`, got `(\w+)`", message):
        return f"this should be a value of type {wrong[1]}, not {wrong[2]}"
    if message.startswith("Invalid enum value"):
        return "this is none of the choices"
    if "matching regex" in message:
        return "this is not written as it should be"
    message = message.replace("Object missing required field", "the field is missing:").replace(
        "Object contains unknown field", "there is no such field:"
    )
    return message.replace("`", "").replace("Expected", "this should be").replace("Invalid", "this is an invalid")


def _accepted(field: str) -> str:
    accepted = {
        "slug": "a lower-case letter, then lower-case letters, digits, - and _, 64 at most",
        "label": "a lower-case letter, then lower-case letters, digits and _, 40 at most",
        "scope": "shared, agent, user",
        "holds": "facts, goals, own_goals",
        "language": "a code like en or en-GB",
        "limit": "50 to 8000 characters",
        "max_tokens": "16 to 4096",
        "temperature": "0 to 2",
    }
    return accepted.get(field.rpartition(".")[2], "")


def _refuse_repeated_labels(agent: Agent, file: str) -> None:
    labels: set[str] = set()
    for at, block in enumerate(agent.blocks):
        if block.label in labels:
            raise Misconfigured(
                f"{file} blocks[{at}].label",
                f"another block is already labelled {block.label}",
                accepted="a label for each block",
            )
        labels.add(block.label)


def _filled(block: Block, where: str, *, shared: Mapping[str, str]) -> Block:
    """The block with its text in place, checked on its own."""
    if block.text_from is not None:
        if block.text or block.scope != "shared":
            raise Misconfigured(
                f"{where}.text_from", "only a shared block without text of its own takes its text from a file"
            )
        if block.text_from not in shared:
            raise Misconfigured(
                f"{where}.text_from",
                f"there is no shared/{block.text_from}.toml",
                accepted=", ".join(sorted(shared)) or "none yet",
            )
        block = msgspec.structs.replace(block, text=shared[block.text_from], text_from=None)
    block = msgspec.structs.replace(block, text=block.text.strip())
    if block.reflects:
        _check_reflective(block, where)
    elif not block.text or block.entries or block.holds:
        raise Misconfigured(
            where,
            "a block that reflection does not write has text, and neither entries nor holds",
            accepted="text, or reflects = true",
        )
    size = len(block.text) + sum(len(line) + 3 for line in block.entries)
    if size > block.limit:
        raise Misconfigured(
            f"{where}.limit",
            f"the block holds {size} characters already, its limit is {block.limit}",
            accepted=f"{size} or more",
        )
    return block


def _check_reflective(block: Block, where: str) -> None:
    if block.scope == "shared":
        raise Misconfigured(
            f"{where}.reflects",
            "reflection cannot write a shared block: it would change every agent",
            accepted="scope agent or user",
        )
    if block.text:
        raise Misconfigured(
            f"{where}.text", "a block that reflection writes starts with entries, not with text", accepted="entries"
        )
    if not block.holds:
        raise Misconfigured(
            f"{where}.holds",
            "a block that reflection writes says what belongs there",
            accepted="facts, goals, own_goals",
        )


def _refuse_shared_names(agents: Iterable[Agent]) -> None:
    """A slug or an alias means one agent."""
    owners: dict[str, str] = {}
    for agent in agents:
        for name in {agent.slug, *agent.aliases}:
            if name in owners:
                raise Misconfigured(
                    f"{agent.slug} aliases",
                    f"{name} already means {owners[name]}",
                    accepted="names that no other agent has",
                )
            owners[name] = agent.slug
