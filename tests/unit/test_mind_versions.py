"""What differs between versions, and what remains when one in between is taken back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.mind.reflection import likeness
from voicemind.mind.reflection.likeness import say_the_same
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


WORDS = st.sampled_from(
    ["tea", "Tea.", "not", "two", "2", "Anna", "likes", "liked", "the", "user", "cats", "cat", "🐈", ""]
)
TEXTS = st.lists(WORDS, max_size=5).map(" ".join)


@given(st.lists(TEXTS, max_size=6), st.lists(TEXTS, max_size=6), st.integers(0, 3))
def test_what_became_what_is_what_comparing_each_with_each_says(gone: list[str], came: list[str], kept: int) -> None:
    before = [Entry(f"old {at}", text) for at, text in enumerate(gone)]
    after = [*before[:kept], *(Entry(f"new {at}", text) for at, text in enumerate(came))]
    removed, added, changed = list(before[kept:]), list[Entry](), list[tuple[Entry, Entry]]()
    for new in after[len(before[:kept]) :]:
        old = next((one for one in removed if say_the_same(one.text, new.text)), None)
        if old is None:
            added.append(new)
        else:
            removed.remove(old)
            changed.append((old, new))
    told = diff(version(1, *before), version(2, *after))
    assert [(one.added, one.removed, one.changed) for one in told] == (
        [(tuple(added), tuple(removed), tuple(changed))] if added or removed or changed else []
    )


def test_two_versions_that_have_hardly_a_line_in_common_are_compared_by_reading_each_line_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    real = likeness.same_text

    def counting(text: str) -> str:
        read.append(text)
        return real(text)

    monkeypatch.setattr(likeness, "same_text", counting)
    before = [Entry(f"old {at}", f"The user has been to town {at} and liked it.") for at in range(100)]
    after = [Entry(f"new {at}", f"In year {at} the user saw a bird called Ann.") for at in range(100)]
    (told,) = diff(version(1, *before), version(2, *after))
    assert (len(told.added), len(told.removed)) == (100, 100)
    assert len(read) <= 2 * 200


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
