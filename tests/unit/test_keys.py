"""Files of keys: every text is either keys or refused in words that show none of it, and a file is read when it is left alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicemind.errors import Misconfigured
from voicemind.ops.keys import MIN_KEY_CHARS, Guest, Keys, guests_in
from voicemind.ops.keys_file import Settled, Stamp

letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"))
names = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
keys = st.lists(st.tuples(names, st.text(letters, min_size=MIN_KEY_CHARS, max_size=20)), min_size=1, max_size=5)


@given(keys)
def test_what_is_written_lets_in_and_names_its_tenant(pairs: list[tuple[str, str]]) -> None:
    owners = {key: tenant for tenant, key in reversed(pairs)}
    text = "".join(f"# {tenant}\n  {tenant} : {key}\t\n\n" for key, tenant in owners.items())
    known = Keys(has_file=True)
    known.replace(guests_in(text))
    for key, tenant in owners.items():
        found = known.guest_of(key)
        assert found is not None
        assert found.tenant == tenant
    assert len(known) == len(owners)


@given(st.text())
@example("canary")
@example("canary:canary")
@example(":canary-canary")
def test_any_text_is_keys_or_refused_without_being_shown(text: str) -> None:
    refusal, found = "", list[Guest]()
    try:
        found = guests_in(text)
    except Misconfigured as error:
        refusal = str(error)
    assert bool(refusal) != bool(found)
    assert "canary" not in refusal
    assert all(guest.tenant.strip() for guest in found)


def test_those_who_lose_their_key_are_named_and_those_whom_the_settings_let_in_are_not() -> None:
    known = Keys("acme:ann-key-1", has_file=True)
    both = guests_in("acme:ann-key-1\nacme:ann-key-2\nglobex:bob-key-3")
    assert known.replace(both) == frozenset()
    gone = known.replace(guests_in("globex:bob-key-3"))
    assert gone == {both[1]}
    assert [guest in known for guest in both] == [True, False, True]


def test_a_key_that_changes_its_owner_is_gone_for_the_first() -> None:
    known = Keys(has_file=True)
    known.replace(first := guests_in("acme:one-and-the-same"))
    assert known.replace(guests_in("globex:one-and-the-same")) == set(first)


@pytest.mark.parametrize("text", ["acme:bob-key-3", "globex:new-key-4\nacme:new-key-4"])
def test_a_key_has_one_owner_and_a_refusal_changes_nothing(text: str) -> None:
    known = Keys("globex:bob-key-3", has_file=True)
    known.replace(before := guests_in("acme:ann-key-2"))
    with pytest.raises(Misconfigured, match="two tenants"):
        known.replace(guests_in(text))
    assert before[0] in known
    assert len(known) == 2


def test_keys_are_needed_even_while_no_key_is_known() -> None:
    assert Keys(has_file=True)
    assert not Keys()
    assert Guest("acme", b"") not in Keys(has_file=True)


@given(st.lists(st.sampled_from([None, (1, 1, 1, 1, 1), (1, 2, 1, 1, 1), (1, 2, 0, 2, 2)])))
def test_a_file_is_taken_once_for_each_change_and_never_in_the_middle_of_one(stamps: list[Stamp | None]) -> None:
    settled, taken, last = Settled(None), None, None
    for stamp in stamps:
        is_taken = settled.look(stamp)
        assert is_taken == (stamp == last and stamp != taken)
        taken, last = stamp if is_taken else taken, stamp
