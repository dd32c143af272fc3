"""What a turn calls up: the few entries that have to do with it, or none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemind.mind.recall import EXACT, LIMIT, Vector, VectorIndex, fused, query, share, shares, statement
from voicemind.store.found import Match

SCORES = st.dictionaries(st.sampled_from("abcdefghij"), st.floats(-1, 1, allow_nan=False), max_size=10)
SHARES = st.dictionaries(st.sampled_from("abcdefghij"), st.floats(0, 1, allow_nan=False), max_size=10)


def test_a_turn_that_asks_for_nothing_recalls_nothing() -> None:
    for said in ("Yes.", "No, and then?", "", "I do."):
        assert query([said]) is None or said.endswith("?")
    assert query([]) is None
    assert query(["Yes."]) is None


def test_the_words_of_a_query_are_plain_and_telling() -> None:
    wanted = query(['Where did I go with "Tom" in Lisbon, OR was it NEAR(Oslo)?'], names=["Tom"])
    assert wanted is not None
    assert wanted.words == ("go", "lisbon", "near", "oslo")


def test_a_short_question_is_understood_by_what_stands_before_it() -> None:
    wanted = query(["I went sailing in Lisbon.", "That sounds lovely!", "And when was that?"])
    assert wanted is not None
    assert {"sailing", "lisbon"} <= set(wanted.words)
    assert wanted.text.endswith("And when was that?")


def test_a_full_question_needs_nothing_before_it() -> None:
    wanted = query(["I went sailing.", "Nice!", "Which bakery did Priya show me?"])
    assert wanted is not None
    assert wanted.words == ("bakery", "priya", "show")


def test_a_name_of_the_person_stands_for_the_person() -> None:
    wanted = query(["When did Ann's sister visit Ann?"], person="Ann")
    assert wanted is not None
    assert wanted.text == "When did my sister visit I?"
    assert "ann" not in wanted.words


def test_what_shares_words_and_meaning_comes_before_what_shares_one_of_them() -> None:
    assert fused({"both": 1.0, "words": 1.0}, {"both": 0.6, "words": 0.1, "meaning": 0.7}) == (
        "both",
        "meaning",
        "words",
    )


def test_a_turn_that_has_to_do_with_nothing_recalls_nothing() -> None:
    assert fused({"a": 0.3}, {"a": 0.2, "b": 0.35}) == ()
    assert fused({}, {}) == ()


def test_without_an_embedder_the_words_decide_alone() -> None:
    assert fused({"a": 0.8, "b": 0.2}, {}) == ("a", "b")
    assert fused({"a": 0.3}, {}) == ()


def test_without_the_floor_the_best_are_given_all_the_same() -> None:
    assert fused({"a": 0.3}, {"a": 0.2, "b": 0.35}, floor=False) == ("a", "b")


@given(SHARES, SCORES, st.integers(1, 8))
def test_what_is_recalled_was_found_once_and_within_the_limit(
    found: dict[str, float], alike: dict[str, float], limit: int
) -> None:
    recalled = fused(found, alike, limit=limit)
    assert len(recalled) == len(set(recalled)) <= limit
    assert set(recalled) <= {*found, *alike}


@given(SCORES)
def test_meaning_alone_keeps_its_order(alike: dict[str, float]) -> None:
    recalled = fused({}, alike, limit=LIMIT)
    scores = [alike[entry] for entry in recalled]
    assert scores == sorted(scores, reverse=True)


def test_the_cue_of_an_entry_counts_less_than_its_words() -> None:
    words = ("sail", "lisbon")
    assert share(words, "The user sailed to Lisbon.") == 1
    assert share(words, "The user was seasick.", cue="You sailed to Lisbon?") == pytest.approx(0.7)
    assert share(words, "The user likes tea.") == 0


def test_many_entries_have_the_shares_that_each_has_alone() -> None:
    words = ("sail", "lisbon", "uncle")
    found = [
        Match("b", "The user sailed to Lisbon.", ""),
        Match("a", "The user was seasick.", "Sailing with your uncle?"),
    ]
    each = {one.entry_id: share(words, one.text, cue=one.cue) for one in found}
    assert list(shares(words, found).items()) == list(each.items())
    assert shares((), found) == {"b": 0, "a": 0}


def test_the_frame_of_a_quotation_is_not_embedded() -> None:
    assert statement('Guest Ann said: "It was "fine"."') == 'It was "fine".'
    assert statement("The user went home.") == "The user went home."


def _point(*coordinates: float) -> np.ndarray:
    vector = np.array(coordinates, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_the_nearest_points_are_found_and_those_that_are_asked_for() -> None:
    index = VectorIndex(2)
    index.add("east", _point(1, 0))
    index.add("north", _point(0, 1))
    index.add("northeast", _point(1, 1))
    near = index.alike(_point(1, 0), limit=1, also=["north", "nowhere"])
    assert near == {"east": pytest.approx(1), "north": pytest.approx(0, abs=1e-6)}
    assert index.alike(_point(1, 0))["northeast"] == pytest.approx(math.sqrt(0.5))


def test_an_empty_index_finds_nothing() -> None:
    assert VectorIndex(2).alike(_point(1, 0)) == {}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=200))
def test_an_index_holds_what_was_added_and_not_removed(steps: list[tuple[bool, int]]) -> None:
    index, held = VectorIndex(2), dict[str, int]()
    for adds, number in steps:
        if adds:
            index.add(str(number), _point(number + 1, 1))
            held[str(number)] = number
        else:
            index.remove(str(number))
            held.pop(str(number), None)
    assert len(index) == len(held)
    assert all(entry in index for entry in held)
    cosines = index.alike(_point(1, 0), limit=200)
    assert cosines == {
        entry: pytest.approx(float(_point(number + 1, 1)[0]), abs=1e-5) for entry, number in held.items()
    }


SEEDS = st.integers(0, 2**32 - 1)
DIMENSIONS = 384


def _points(seed: int, count: int) -> Vector:
    """Around 200 subjects, as texts are."""
    chance = np.random.default_rng(seed)
    subjects = chance.standard_normal((200, DIMENSIONS))
    points = subjects[np.arange(count) % 200] + 0.8 * chance.standard_normal((count, DIMENSIONS))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32)


def _index(points: Vector) -> VectorIndex:
    index = VectorIndex(points.shape[1])
    for number, point in enumerate(points):
        index.add(str(number), point)
    return index


def _nearest(points: Vector, vector: Vector, count: int) -> set[str]:
    return {str(number) for number in np.argsort(points @ vector)[len(points) - count :]}


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.integers(1, EXACT))
def test_a_small_index_finds_the_very_nearest(seed: int, count: int) -> None:
    points = _points(seed, count)
    found = _index(points).alike(points[0], limit=20)
    assert set(found) == _nearest(points, points[0], min(20, count))


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sets(st.integers(0, EXACT + 499), max_size=60))
def test_a_large_index_loses_neither_what_is_asked_for_nor_the_same_point(seed: int, also: set[int]) -> None:
    points = _points(seed, EXACT + 500)
    found = _index(points).alike(points[7], limit=20, also=[*map(str, also), "nowhere"])
    assert {"7", *map(str, also)} <= set(found)
    assert len(found) <= 20 + len(also)
    assert found == {entry: pytest.approx(float(points[int(entry)] @ points[7]), abs=1e-5) for entry in found}


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_a_large_index_hardly_misses_any_of_the_nearest(seed: int) -> None:
    points = _points(seed, EXACT + 1000)
    index = _index(points[500:])
    hits = [len(_nearest(points[500:], vector, 10) & set(index.alike(vector))) for vector in points[:100]]
    assert sum(hits) / (10 * len(hits)) > 0.97


def test_a_large_index_knows_what_was_added_replaced_and_removed_since_it_was_asked() -> None:
    points = _points(1, EXACT + 500)
    index = _index(points)
    assert "7" in index.alike(points[7], limit=5)
    index.remove("7")
    assert "7" not in index.alike(points[7], limit=5)
    index.add("9", -points[9])
    index.add("new", points[7])
    assert "9" not in index.alike(points[9], limit=5)
    assert index.alike(-points[9], limit=5)["9"] == pytest.approx(1, abs=1e-5)
    assert index.alike(points[7], limit=5)["new"] == pytest.approx(1, abs=1e-5)
