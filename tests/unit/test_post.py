"""What waits on one socket."""

from hypothesis import given
from hypothesis import strategies as st

from voicemind.channels.browser.post import Post
from voicemind.engines.contract import AgentSound
from voicemind.speech.audio import Pcm

RATE = 1000


def sound(at_ms: int, ms: int = 40, generation: int = 1) -> AgentSound:
    """Each sample says where it belongs."""
    return AgentSound(
        generation, at_ms, Pcm(b"".join(place.to_bytes(2, "little") for place in range(at_ms, at_ms + ms)), RATE)
    )


def everything(post: Post) -> list[str | AgentSound]:
    taken = []
    while (item := post.take()) is not None:
        taken.append(item)
    return taken


def test_sound_that_waits_together_leaves_together() -> None:
    post = Post()
    for at in range(0, 400, 40):
        post.put_sound(sound(at), now=0)
    taken = everything(post)
    assert [item.position for item in taken if isinstance(item, AgentSound)] == [0, 200]
    assert b"".join(item.pcm.samples for item in taken if isinstance(item, AgentSound)) == sound(0, 400).pcm.samples


def test_sound_of_two_replies_or_with_a_gap_or_a_word_between_is_not_put_together() -> None:
    post = Post()
    post.put_sound(sound(0), now=0)
    post.put_sound(sound(80), now=0)
    post.put("a word")
    post.put_sound(sound(120), now=0)
    post.put_sound(sound(0, generation=2), now=0)
    assert [item if isinstance(item, str) else (item.generation, item.position) for item in everything(post)] == [
        (1, 0),
        (1, 80),
        "a word",
        (1, 120),
        (2, 0),
    ]


def test_of_too_much_sound_the_oldest_is_dropped_and_no_word_ever() -> None:
    post = Post(queued_ms=200)
    for at in range(0, 1000, 40):
        post.put(f"word {at}")
        post.put_sound(sound(at), now=0)
    taken = everything(post)
    assert [item for item in taken if isinstance(item, str)] == [f"word {at}" for at in range(0, 1000, 40)]
    assert [item.position for item in taken if isinstance(item, AgentSound)] == [800, 840, 880, 920, 960]


def test_a_client_is_behind_from_the_first_drop_until_nothing_waits() -> None:
    post = Post(queued_ms=80)
    assert [post.put_sound(sound(at), now=at / 40) for at in (0, 40, 80, 120)] == [0, 0, 0, 1]
    everything(post)
    assert post.put_sound(sound(160), now=9) == 0


@given(st.lists(st.sampled_from(["word", "sound", "take", "hush"]), max_size=60))
def test_words_come_out_as_they_went_in_and_sound_never_goes_back(steps: list[str]) -> None:
    post = Post(queued_ms=120)
    said, taken = 0, list[str | AgentSound]()
    for at, step in enumerate(steps):
        if step == "word":
            post.put(str(said))
            said += 1
        elif step == "sound":
            post.put_sound(sound(at * 40), now=at)
        elif step == "hush":
            post.drop_sound()
        elif (item := post.take()) is not None:
            taken.append(item)
        assert 0 <= post._sound_ms <= 120
    taken += everything(post)
    assert [item for item in taken if isinstance(item, str)] == [str(number) for number in range(said)]
    places = [item.position for item in taken if isinstance(item, AgentSound)]
    assert places == sorted(places)
    assert post._sound_ms == 0
