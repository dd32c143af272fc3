"""What an erasure leaves, decided without a database."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemind.store.survivors import Known, Span, gone, mentions, moved_spans, rewritten, rewritten_changes


def known(name: str, text: str = "", *origins: str, lost: str = "", kept: str = "") -> Known:
    """Each letter of `lost` and `kept` is a piece of evidence."""
    return Known(name, text or name, origins, frozenset(lost), frozenset(kept))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([known("a", kept="y"), known("b")], {}, id="nothing is lost"),
        pytest.param([known("a", lost="x")], {"a": ()}, id="all evidence is lost"),
        pytest.param([known("a", lost="x", kept="y")], {}, id="some evidence is left"),
        pytest.param(
            [known("a", lost="x"), known("b", kept="y"), known("m", "a and b", "a", "b", lost="x", kept="y")],
            {"a": (), "m": ("b",)},
            id="a merged line becomes what stays of its parts",
        ),
        pytest.param(
            [known("a", kept="y"), known("m", "a, more", "a", lost="x", kept="y")],
            {"m": ("a",)},
            id="an update is taken back",
        ),
        pytest.param(
            [known("a", lost="x"), known("m", "a, more", "a", lost="x", kept="y")],
            {"a": (), "m": ()},
            id="an update of what is gone goes with it",
        ),
        pytest.param(
            [known("a", "same", lost="x"), known("m", "same", "a", lost="x", kept="y")],
            {"a": ()},
            id="said again by another",
        ),
        pytest.param(
            [
                known("a", lost="x"),
                known("u", "a, more", "a", lost="x", kept="y"),
                known("m", "a, more", "u", lost="xz", kept="y"),
            ],
            {"a": (), "u": (), "m": ()},
            id="said again by nobody who is left",
        ),
        pytest.param(
            [known("a", lost="x"), known("b", "fuller", kept="y"), known("m", "fuller", "a", "b", lost="x", kept="y")],
            {"a": ()},
            id="an origin that stays says the same",
        ),
        pytest.param(
            [known("a", kept="y"), known("b", "fuller", lost="x"), known("m", "fuller", "a", "b", lost="x", kept="y")],
            {"b": (), "m": ("a",)},
            id="the origin that said the same is gone",
        ),
        pytest.param(
            [known("m", "text", "never stored", lost="x", kept="y")],
            {"m": ()},
            id="an origin that nobody knows any more",
        ),
        pytest.param(
            [known("a", lost="x"), known("m", "of a", "a", kept="y")],
            {"a": (), "m": ()},
            id="words of another's evidence",
        ),
        pytest.param(
            [known("a"), known("m", "a, more", "a", lost="x")], {"m": ("a",)}, id="back to what the maker wrote"
        ),
        pytest.param(
            [
                known("m2", "3", "m1", "c", lost="x", kept="yz"),
                known("m1", "2", "a", "b", lost="x", kept="y"),
                known("a", kept="y"),
                known("b", lost="x"),
                known("c", kept="z"),
            ],
            {"b": (), "m1": ("a",), "m2": ("a", "c")},
            id="through several steps, in any order",
        ),
        pytest.param(
            [known("a", "x", "b", lost="x", kept="y"), known("b", "y", "a", lost="x", kept="y")],
            {"a": (), "b": ()},
            id="a circle, which only an import can make",
        ),
    ],
)
def test_what_goes_and_what_stands_in_its_place(entries: list[Known], expected: dict[str, tuple[str, ...]]) -> None:
    assert gone(entries) == expected


History = list[tuple[frozenset[int], tuple[int, ...], bool]]
"""Each entry: who said it, of which earlier ones it is made, and whether it repeats the last of those word by word."""
histories: st.SearchStrategy[History] = st.lists(
    st.tuples(st.frozensets(st.integers(0, 4), min_size=1, max_size=2), st.tuples(st.integers(0, 9)) | st.just(()), st.booleans())
    | st.tuples(st.frozensets(st.integers(0, 4), max_size=1), st.tuples(st.integers(0, 9), st.integers(0, 9)), st.booleans()),
    max_size=10,
)  # fmt: skip


@settings(max_examples=500)
@given(histories, st.sets(st.integers(0, 4)))
def test_nothing_stays_that_was_said_in_an_erased_conversation_alone(history: History, erased: set[int]) -> None:
    """A text is a set of words; `sayers` are the conversations in which each of them was said.

    What nobody said is the maker's.
    """
    sayers: list[set[int]] = []
    texts: list[frozenset[int]] = []
    speakers: list[frozenset[int]] = []
    entries: list[Known] = []
    for number, (said_by, wanted, repeats) in enumerate(history):
        origins = tuple(dict.fromkeys(origin for origin in wanted if origin < number))
        sayers.append(set())
        text = texts[origins[-1]] if origins and repeats else frozenset({number})
        for word in text:
            sayers[word] |= said_by
        if not repeats:
            text = text.union(*(texts[origin] for origin in origins))
        texts.append(text if said_by or origins else frozenset())
        text = texts[-1]
        speakers.append(said_by.union(*(speakers[origin] for origin in origins)))
        evidence = speakers[-1]
        entries.append(
            Known(
                str(number),
                repr(sorted(text)),
                tuple(map(str, origins)),
                lost=evidence & erased,
                kept=evidence - erased,
            )
        )
    dead = gone(entries)
    for number, entry in enumerate(entries):
        if entry.id not in dead:
            assert all(sayers[word] - erased for word in texts[number] if history[word][0])
            assert entry.kept or not entry.lost
        elif not entry.lost:
            raise AssertionError("an entry went that rests on nothing erased")
    for heirs in dead.values():
        assert not set(heirs) & dead.keys()
        assert len(set(heirs)) == len(heirs)


def test_a_version_holds_what_stands_in_for_an_entry_once() -> None:
    content = {"memory": ["x", "m", "y"], "goals": ["n", "z"]}
    assert rewritten(content, {"m": ("a", "y", "b"), "n": ("b", "c"), "z": ()}) == {
        "memory": ["x", "a", "b", "y"],
        "goals": ["c"],
    }


def test_changes_keep_what_still_happened() -> None:
    add: Mapping[str, object] = {"kind": "add", "block": "memory", "gone": [], "came": "a", "reason": "why a"}
    lost = {**add, "came": "m", "reason": "why m"}
    update = {**add, "kind": "update", "gone": ["b", "c"], "came": "m"}
    merge = {**add, "kind": "merge", "gone": ["m", "c"], "came": "a"}
    changed = rewritten_changes([add, lost, update, merge], {"memory": ["a", "b"]}, {"a", "b", "c"})
    assert changed == [
        add,
        {**update, "gone": ["c"], "came": None, "reason": ""},
        {**merge, "gone": ["c"], "reason": ""},
    ]


def test_a_name_is_found_at_any_depth() -> None:
    assert mentions([{"evidence": [{"conversation_id": "x"}]}], {"x"})
    assert not mentions([{"x": "y", "text": "about x", "turn": 1}], {"x"})


def test_what_takes_over_a_place_in_the_archive_is_there_while_it_stands_in_no_block() -> None:
    spans: dict[str, list[Span]] = {"m": [(2, None, "memory")], "a": [(5, 6, "goals")], "other": [(1, None, "memory")]}
    contents = {number: {"memory": ["a"] if number == 3 else []} for number in range(1, 8)}
    assert moved_spans(spans, contents, {"m": ("a", "b")}) == {
        "a": [(2, 3, "memory"), (4, 5, "memory"), (5, 6, "goals"), (6, None, "memory")],
        "b": [(2, None, "memory")],
    }
