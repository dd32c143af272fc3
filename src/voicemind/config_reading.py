"""Where settings come from, and what is said where one of them cannot be used."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo

from voicemind.errors import Misconfigured

PREFIX = "VOICEMIND_"

Fields = Mapping[str, FieldInfo]


def alias(*names: str) -> AliasChoices:
    """`VOICEMIND_<FIRST>` wins, then the bare names that older deployments already set."""
    return AliasChoices(PREFIX + names[0], *names[1:], names[0].lower())


def toml_file() -> Path | None:
    """The settings file: the one that is named, else one here, else the user's own; None where there is none."""
    named = os.environ.get(PREFIX + "CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise Misconfigured("VOICEMIND_CONFIG", f"there is no file {named}", accepted="the path of a TOML file")
        return path
    for path in (Path("voicemind.toml"), Path(platformdirs.user_config_dir("voicemind")) / "voicemind.toml"):
        if path.is_file():
            return path
    return None


def refuse_unknown(environment: Mapping[str, str], fields: Fields) -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    known = {PREFIX + name.upper() for name in fields} | {PREFIX + "CONFIG"}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise Misconfigured(
                name,
                "there is no such setting",
                accepted=f"did you mean {near[0]}?" if near else ", ".join(sorted(known)),
            )


def explained(error: ValidationError, fields: Fields) -> Misconfigured:
    """The first problem in plain words; the value itself is left out, since it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, fields, n=1)
        return Misconfigured(
            name, "there is no such setting in the settings file", accepted=f"did you mean {near[0]}?" if near else ""
        )
    field = name.removeprefix(PREFIX).lower()
    described = fields.get(field)
    setting = PREFIX + field.upper()
    return Misconfigured(
        setting, first["msg"].removeprefix("Input "), accepted=(described.description or "") if described else ""
    )
