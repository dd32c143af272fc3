"""Frames that no client should send to `/voice-conversation`: noise, damaged headers, and messages with the wrong things in them."""

from __future__ import annotations

import json
import random
import struct

TYPES = ["text", "audio", "interrupt", "end", "played", "ack", "resume", "metrics", "ready", ""]
FIELDS = ["text", "data", "id", "generation", "ms", "sequence", "sessionId", "secret", "underruns", "gapMs"]
VALUES: list[object] = [
    None,
    True,
    0,
    -1,
    2**70,
    1e308,
    -0.0,
    "x",
    "",
    "\ud800",
    "💥" * 50,
    "UklGRg==",
    "A",
    [],
    {},
    [[[]]],
]
CHARACTERS = '{}[]",:0tfn\\u \x00é💥-e.'


def malformed(chance: random.Random) -> str | bytes:
    """One frame; a few are even good."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(80))
    if kind == 1:
        header = struct.pack("<IId", chance.randrange(3), chance.randrange(2**32), chance.random())
        return header + chance.randbytes(chance.randrange(9))
    if kind == 2:
        return "".join(chance.choice(CHARACTERS) for _ in range(chance.randrange(60)))
    fields = {chance.choice(FIELDS): chance.choice(VALUES) for _ in range(chance.randrange(5))}
    text = json.dumps({"type": chance.choice([*TYPES, None, 7]), **fields}, ensure_ascii=chance.random() < 0.9)
    text = text.encode("utf-8", "replace").decode()
    if kind == 3:
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(["", "\x00", "9" * 400, "]", '"']) + text[at + chance.randrange(3) :]
    return text or "{"
