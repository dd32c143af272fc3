"""Blocks that are over their limit are made to fit, however much a file or a long life has put into them."""

import itertools
import random
import time

from voicemind.mind.agent_files import load_agents
from voicemind.mind.reflection.room import make_room
from voicemind.store.values import Entry, Evidence

AGENT = load_agents()["counsellor"]
LABEL = "patient_memory"


REST = {block.label: () for block in AGENT.reflective}


def told(name: str, text: str) -> Entry:
    return Entry(name, text, (Evidence(f"talk-{name}", 1, text),))


def test_a_line_that_a_fuller_one_tells_becomes_part_of_it() -> None:
    filler = [told(f"f{number}", f"The user knows person{number} " + "x" * 60) for number in range(40)]
    short, full = told("short", "The user sails."), told("full", "The user sails to Lisbon.")
    numbers = itertools.count()
    roomy = make_room({**REST, LABEL: (*filler, short, full)}, AGENT, new_id=lambda: f"new-{next(numbers)}")
    kept = {entry.id: entry for entry in (*roomy.blocks[LABEL], *roomy.archive[LABEL])}
    joined = next(entry for entry in kept.values() if entry.origins)
    assert (joined.text, joined.origins) == (full.text, ("short", "full"))
    assert {piece.conversation_id for piece in joined.evidence} == {"talk-short", "talk-full"}
    assert not {"short", "full"} & kept.keys()


def test_thousands_of_lines_from_a_file_keep_nobody_waiting() -> None:
    pick = random.Random(3)
    words = ["".join(pick.choices("abcdefghij", k=6)) for _ in range(3000)]
    lines = tuple(told(str(number), f"The user {' '.join(pick.sample(words, 8))}.") for number in range(5000))
    began = time.process_time()
    roomy = make_room({**REST, LABEL: lines}, AGENT, new_id=lambda: "new")
    assert time.process_time() - began < 3
    assert len(roomy.blocks[LABEL]) + len(roomy.archive[LABEL]) == len(lines)
