"""What every store promises about the persons it knows."""

import pytest

from voicemind.errors import UnknownUser
from voicemind.store.contract import Store
from voicemind.store.values import MindKey

pytest_plugins = ["tests.databases"]
pytestmark = pytest.mark.anyio


async def talk(store: Store, name: str, person: str, *, tenant: str = "acme", anonymous: bool = False) -> None:
    key = MindKey(tenant, "sage", person)
    await store.open_conversation(key, name, user_id=person, channel="chat", anonymous=anonymous)


async def test_a_person_is_known_from_their_first_conversation_on(store: Store) -> None:
    await talk(store, "one", "anna")
    await talk(store, "two", "anna")
    await talk(store, "three", "made-up", anonymous=True)
    anna = await store.user("acme", "anna")
    assert (anna.tenant, anna.id, anna.anonymous, anna.conversations) == ("acme", "anna", False, 2)
    assert anna.created_at <= (await store.conversation("acme", "one")).created_at
    assert (await store.user("acme", "made-up")).anonymous


async def test_an_unknown_person_is_an_error_of_its_own(store: Store) -> None:
    await talk(store, "one", "anna", tenant="globex")
    with pytest.raises(UnknownUser):
        await store.user("acme", "anna")


async def test_persons_are_listed_by_id_and_page_by_page(store: Store) -> None:
    for person in ("dora", "anna", "carl", "bert"):
        await talk(store, f"with {person}", person)
    await talk(store, "theirs", "anna", tenant="globex")
    listed = await store.users("acme")
    assert [person.id for person in listed] == ["anna", "bert", "carl", "dora"]
    assert [person.conversations for person in listed] == [1, 1, 1, 1]
    assert [person.id for person in await store.users("acme", after="anna", limit=2)] == ["bert", "carl"]
    assert await store.users("acme", after="dora") == ()


async def test_a_person_of_whom_there_is_a_mind_alone_is_known_and_can_be_erased(store: Store) -> None:
    key = MindKey("acme", "counsellor", "imported")
    await store.ensure_mind(key, seed={"memory": ["Likes tea."]})
    assert (await store.user("acme", "imported")).conversations == 0
    assert (await store.erase_user("acme", "imported")).counts["minds"] == 1
    assert await store.mind(key) is None
