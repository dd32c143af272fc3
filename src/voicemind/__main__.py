"""Where the program begins."""

from __future__ import annotations

import sys

from voicemind.cli.app import app
from voicemind.cli.running import last_words


def main() -> None:
    """Run the command line."""
    sys.excepthook = last_words
    app(prog_name="voicemind")


if __name__ == "__main__":
    main()
