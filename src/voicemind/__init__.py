"""One persistent mind for an AI character, reachable on every channel."""

__version__ = "0.1.0"
