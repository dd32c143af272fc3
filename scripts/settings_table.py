"""Writes the table of settings into the README, from the settings themselves."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from voicemind.config import Settings
from voicemind.config_reading import PREFIX

README = Path(__file__).resolve().parent.parent / "README.md"
FOLDERS = {"data_dir": "the user's data folder", "cache_dir": "the user's cache folder"}


def default(name: str) -> str:
    """A field's default as a reader writes it."""
    value = Settings.model_fields[name].default
    if name in FOLDERS:
        return FOLDERS[name]
    if value in (None, "") or (isinstance(value, SecretStr) and not value.get_secret_value()):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    """Replace what stands between the two marks."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    table = "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows])
    text = README.read_text()
    README.write_text(
        re.sub(r"(<!-- settings -->\n).*?(<!-- /settings -->)", rf"\g<1>{table}\n\g<2>", text, flags=re.S)
    )


if __name__ == "__main__":
    main()
