"""Where an entry comes from, as it is answered."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from voicemind.channels.rest.mind_shapes import entry_shape
from voicemind.store.values import Entry, Evidence, Modality, Turn

BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


def turn(seq: int, modality: Modality) -> Turn:
    return Turn(seq, "user", "I own a mill.", "I own a mill.", BEGAN, modality=modality)


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [
        (["speech", "speech"], True),
        (["speech", "text"], False),
        (["text"], False),
        ([], False),
        (["speech", None], False),
    ],
)
def test_an_entry_is_from_speech_where_all_that_it_rests_on_was_spoken(
    modalities: list[Modality | None], expected: bool
) -> None:
    evidence = tuple(Evidence("talk", at, "a mill") for at in range(1, len(modalities) + 1))
    turns = {("talk", at): turn(at, kind) for at, kind in enumerate(modalities, 1) if kind is not None}
    shape = entry_shape(Entry("id", "Ada owns a mill.", evidence), turns)
    assert shape.from_speech is expected
    assert [cited.modality for cited in shape.evidence] == modalities
