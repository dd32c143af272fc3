"""What every store promises about recordings: consent, the name of the file, and what erasure takes with it."""

import pytest

from voicemind.errors import UnknownConversation
from voicemind.store.contract import Store
from voicemind.store.values import MindKey

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio


async def talk(store: Store, name: str, person: str = "anna", *, tenant: str = "acme") -> None:
    await store.open_conversation(MindKey(tenant, "sage", person), name, user_id=person, channel="voice")


async def test_nothing_is_recorded_unless_somebody_agreed(store: Store) -> None:
    await talk(store, "one")
    conversation = await store.conversation("acme", "one")
    assert (conversation.recording, conversation.records) == (None, False)
    assert await store.recordings() == frozenset()


async def test_the_first_name_stays_when_somebody_agrees_again(store: Store) -> None:
    await talk(store, "one")
    await store.let_record("acme", "one", name="first")
    await store.let_record("acme", "one", name="second")
    conversation = await store.conversation("acme", "one")
    assert (conversation.recording, conversation.records) == ("first", True)
    assert await store.recordings() == {"first"}


async def test_who_does_not_agree_is_not_recorded_and_what_was_recorded_stays(store: Store) -> None:
    await talk(store, "one")
    await store.let_record("acme", "one", name="first")
    await store.let_record("acme", "one", name=None)
    conversation = await store.conversation("acme", "one")
    assert (conversation.recording, conversation.records) == ("first", False)


async def test_another_tenants_conversation_is_unknown(store: Store) -> None:
    await talk(store, "one")
    with pytest.raises(UnknownConversation):
        await store.let_record("globex", "one", name="theirs")
    assert await store.recordings() == frozenset()


async def test_a_dropped_recording_is_nobodys_and_may_not_go_on(store: Store) -> None:
    for name in ("one", "two"):
        await talk(store, name)
        await store.let_record("acme", name, name=f"of {name}")
    await store.drop_recordings({"of one", "of nobody"})
    assert await store.recordings() == {"of two"}
    conversation = await store.conversation("acme", "one")
    assert (conversation.recording, conversation.records) == (None, False)


async def test_erasure_takes_recordings_with_it_and_counts_them(store: Store) -> None:
    for name, person in (("one", "anna"), ("two", "anna"), ("three", "anna"), ("four", "bert")):
        await talk(store, name, person)
    for name in ("one", "two", "four"):
        await store.let_record("acme", name, name=f"of {name}")
    assert (await store.erase_conversation("acme", "one")).counts["recordings"] == 1
    assert (await store.erase_user("acme", "anna")).counts["recordings"] == 1
    assert await store.recordings() == {"of four"}
