"""What differs between versions, and what remains when one in between is taken back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from voicemind.mind.versions import diff, reverted
from voicemind.store.values import Change, Entry, MindKey, MindVersion

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TEA, CHESS, RAIN, MAPS = (Entry(name, f"The user likes {name}.") for name in ("tea", "chess", "rain", "maps"))
COFFEE = Entry("coffee", "The user likes coffee now.")
COCOA = Entry("cocoa", "The user likes cocoa now.")


def version(number: int, *entries: Entry, changes: Sequence[Change] = (), **blocks: tuple[Entry, ...]) -> MindVersion:
    told: Mapping[str, tuple[Entry, ...]] = {"memory": entries, **blocks}
    return MindVersion(MindKey("t", "a", "u"), number, "reflection", NOON, told, changes=tuple(changes))


ADDED = (version(1, TEA), version(2, TEA, CHESS, changes=[Change("add", "memory", (), "chess")]))
REPLACED = (
    version(1, TEA, MAPS),
    version(2, MAPS, COFFEE, changes=[Change("supersede", "memory", ("tea",), "coffee")]),
)
ARCHIVED = (version(1, TEA, MAPS), version(2, MAPS, changes=[Change("archive", "memory", (), "tea")]))
RECALLED = (version(1, MAPS), version(2, MAPS, TEA, changes=[Change("recall", "memory", ("tea",), "tea")]))
REMOVED = (version(1, MAPS), version(2, MAPS, changes=[Change("remove", "memory", ("tea",), None)]))
"""Out of the archive."""


def test_a_diff_tells_what_came_what_went_and_what_became_another() -> None:
    (told,) = diff(
        version(1, TEA, MAPS), version(2, COFFEE, RAIN, changes=[Change("update", "memory", ("tea",), "coffee")])
    )
    assert (told.block, told.added, told.removed, told.changed) == ("memory", (RAIN,), (MAPS,), ((TEA, COFFEE),))
    assert told.text.splitlines()[3:] == [
        "-The user likes tea.",
        "-The user likes maps.",
        "+The user likes coffee now.",
        "+The user likes rain.",
    ]


def test_blocks_without_a_difference_are_left_out() -> None:
    assert diff(version(1, TEA, goals=(MAPS,)), version(2, TEA, goals=(MAPS,))) == ()


def test_the_newest_version_is_taken_back_as_a_whole() -> None:
    before, after = ADDED
    made = reverted(after, before, after, archived={})
    assert made is not None
    assert (made.parent, made.blocks, made.archive_of, made.restores) == (2, before.blocks, 1, 1)


@pytest.mark.parametrize(
    ("pair", "newest", "left"),
    [
        (ADDED, version(3, TEA, CHESS, RAIN), (TEA, RAIN)),
        (REPLACED, version(3, MAPS, COFFEE, RAIN), (MAPS, RAIN, TEA)),
        (REPLACED, version(3, COFFEE), (TEA,)),
    ],
)
def test_an_older_version_is_taken_back_and_what_came_after_it_stays(
    pair: tuple[MindVersion, MindVersion], newest: MindVersion, left: tuple[Entry, ...]
) -> None:
    made = reverted(newest, *pair, archived={})
    assert made is not None
    assert made.blocks == {"memory": left}
    assert (made.parent, made.author, made.restores) == (3, "undo", 1)


def test_what_was_replaced_again_since_stays_replaced() -> None:
    assert reverted(version(3, MAPS, COCOA), *REPLACED, archived={}) is None


def test_of_two_replacements_only_the_one_that_still_stands_is_taken_back() -> None:
    before = version(1, TEA, MAPS)
    changes = [Change("supersede", "memory", ("tea",), "coffee"), Change("supersede", "memory", ("maps",), "rain")]
    made = reverted(version(3, COFFEE, COCOA), before, version(2, COFFEE, RAIN, changes=changes), archived={})
    assert made is not None
    assert made.blocks == {"memory": (COCOA, TEA)}


def test_what_was_put_away_comes_back_where_it_still_is_in_the_archive() -> None:
    made = reverted(version(3, MAPS, RAIN), *ARCHIVED, archived={}, put_away={"tea"})
    assert made is not None
    assert (made.blocks, made.unarchive) == ({"memory": (MAPS, RAIN, TEA)}, ("tea",))


def test_what_was_put_away_and_is_gone_since_stays_gone() -> None:
    assert reverted(version(3, MAPS, RAIN), *ARCHIVED, archived={}) is None


def test_what_was_called_up_goes_back_to_the_archive() -> None:
    made = reverted(version(3, MAPS, TEA, RAIN), *RECALLED, archived={"tea": TEA})
    assert made is not None
    assert (made.blocks, made.archive) == ({"memory": (MAPS, RAIN)}, {"memory": (TEA,)})


def test_what_was_removed_from_the_archive_goes_back_there_once() -> None:
    made = reverted(version(3, MAPS, RAIN), *REMOVED, archived={"tea": TEA})
    assert made is not None
    assert made.archive == {"memory": (TEA,)}
    assert reverted(version(4, MAPS, RAIN), *REMOVED, archived={"tea": TEA}, put_away={"tea"}) is None


def test_what_was_removed_and_lives_again_is_not_archived_too() -> None:
    assert reverted(version(3, MAPS, TEA), *REMOVED, archived={"tea": TEA}) is None


def test_a_replacement_that_went_to_the_archive_leaves_it_for_what_it_had_replaced() -> None:
    made = reverted(version(3, MAPS), *REPLACED, archived={}, put_away={"coffee"})
    assert made is not None
    assert (made.blocks, made.unarchive) == ({"memory": (MAPS, TEA)}, ("coffee",))


def test_what_came_and_went_within_a_version_stands_in_nobodys_way() -> None:
    changes = [Change("update", "memory", ("tea",), "draft"), Change("merge", "memory", ("draft", "maps"), "coffee")]
    made = reverted(version(3, RAIN, COFFEE), version(1, TEA, MAPS), version(2, COFFEE, changes=changes), archived={})
    assert made is not None
    assert made.blocks == {"memory": (RAIN, TEA, MAPS)}
