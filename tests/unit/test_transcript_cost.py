"""What a telling is, is found out in a time that nobody who waits for an answer notices, however it repeats itself."""

import random
from datetime import UTC, datetime
from functools import cache
from time import thread_time

import pytest

from voicemind.conversation.fillers import without_fillers
from voicemind.conversation.transcript import Reconciled, reconcile
from voicemind.llm.contract import Message, ToolCall
from voicemind.store.turn_edits import HeardTurn
from voicemind.store.values import NewTurn, Turn

MOST = 600
"""So many times as long as an ordinary long talk may the worst one take: without bounds it took more than a thousand times as long."""
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def stored(*texts: str, side: str = "") -> list[Turn]:
    """Turns of the two in turn, the person first; or all of one side."""
    sides = ("user", "agent")
    return [
        Turn(seq, "agent" if (side or sides[(seq - 1) % 2]) == "agent" else "user", text, text, NOON)
        for seq, text in enumerate(texts, 1)
    ]


def told(turns: list[Turn]) -> list[Message]:
    return [Message("user" if turn.role == "user" else "assistant", turn.generated) for turn in turns]


def measured(turns: list[Turn], messages: list[Message]) -> tuple[Reconciled, float]:
    """What the request is, and the seconds of work that it took to find out."""
    before = thread_time()
    done = reconcile(turns, messages, spoken=without_fillers)
    return done, thread_time() - before


@cache
def ordinary_s() -> float:
    """The same for a long talk that is told as it is stored: what the others are compared with."""
    talk = stored(*["This is what was said.", "And this was answered."] * 500)
    return min(measured(talk, [*told(talk), Message("user", "Go on")])[1] for _ in range(5))


def any_words(count: int, *, of: int) -> str:
    chance = random.Random(count)
    return " ".join(f"w{chance.randrange(of)}" for _ in range(count))


def test_a_long_talk_of_short_words_with_another_beginning_is_told_at_once() -> None:
    talk = stored(*["yes", "okay then"] * 800)
    done, took_s = measured(talk, [Message("user", "Yes indeed!"), *told(talk)[1:], Message("user", "Go on")])
    assert done.edits[-1] == NewTurn("user", "Go on", heard="Go on")
    assert took_s < MOST * ordinary_s()


def test_a_long_talk_that_is_told_with_other_words_now_and_then_is_told_at_once() -> None:
    talk = stored(*["yes", "okay then"] * 800)
    messages = told(talk)
    for at in range(0, len(messages), 97):
        messages[at] = Message(messages[at].role, f"something else {at}")
    _, took_s = measured(talk, [*messages, Message("user", "Go on")])
    assert took_s < MOST * ordinary_s()


def test_many_turns_of_one_side_are_told_at_once() -> None:
    for side in ("user", "agent"):
        talk = stored(*[f"yes, {number % 7} of it all" for number in range(1600)], side=side)
        messages = [Message(message.role, f"{message.content[:-4]} none") for message in told(talk)]
        _, took_s = measured(talk, [*messages, Message("user", "Go on")])
        assert took_s < MOST * ordinary_s(), side


def test_the_newest_part_of_a_long_talk_is_found_in_the_middle_of_much_that_is_the_same() -> None:
    lines = ["yes", "okay then"] * 500
    lines[701] = "The red one costs ten."
    talk = stored(*lines)
    done, took_s = measured(talk, [*told(talk)[600:], Message("user", "Go on")])
    assert done.edits == (NewTurn("user", "Go on", heard="Go on"),)
    assert len(done.history) == 1001
    assert took_s < MOST * ordinary_s()


@pytest.mark.parametrize(
    "letters", [list("\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03"), list(map(chr, range(0x4E00, 0x4E96)))]
)
def test_a_very_long_saying_that_was_recognised_anew_is_told_at_once(letters: list[str]) -> None:
    chance = random.Random(1)
    before, now = ("".join(chance.choices(letters, k=32_000)) for _ in range(2))
    _, took_s = measured(stored(before), [Message("user", now)])
    assert took_s < MOST * ordinary_s()


@pytest.mark.parametrize(("count", "of"), [(4000, 50), (4000, 2), (100_000, 1000), (300_000, 1)])
def test_a_very_long_answer_in_other_words_is_told_at_once(count: int, of: int) -> None:
    ours = any_words(count, of=of)
    theirs = " ".join(reversed(ours.split()[1:]))
    _, took_s = measured(
        stored("hello", ours), [Message("user", "hello"), Message("assistant", theirs), Message("user", "Go on")]
    )
    assert took_s < MOST * ordinary_s()


def test_a_long_answer_in_slightly_other_words_is_still_known() -> None:
    ours = " ".join(f"Then came word{number}, and it cost 5 euros." for number in range(60))
    theirs = " ".join(ours.replace("5", "five").split()[:200])
    done, _ = measured(
        stored("hello", ours), [Message("user", "hello"), Message("assistant", theirs), Message("user", "Go on")]
    )
    assert done.edits[0] == HeardTurn(2, " ".join(ours.split()[:200]))


def test_a_long_saying_that_is_recognised_anew_takes_the_place_of_the_old_one() -> None:
    before = " ".join(f"eye want {number} dogs" for number in range(200))
    done, _ = measured(stored(before), [Message("user", before.replace("eye", "I").replace("7", "8"))])
    assert done.kind == "revised"


def test_a_person_who_was_never_answered_is_understood_at_once() -> None:
    talk = stored(*["yes"] * 1600, side="user")
    for asked in (["yes"] * 1600 + ["no"], ["yes " * 1600 + "no"], ["yes"] * 3, ["no " + "yes " * 1600, "no"]):
        _, took_s = measured(talk, [Message("user", text) for text in asked])
        assert took_s < MOST * ordinary_s()


def test_a_long_talk_whose_every_answer_is_told_in_other_words_is_told_at_once() -> None:
    chance = random.Random(3)
    talk = stored(*[" ".join(chance.choices(["yes", "no", "a", "b"], k=200)) for _ in range(800)])
    messages = [
        message if message.role == "user" else Message("assistant", " ".join(reversed(message.content.split())))
        for message in told(talk)
    ]
    _, took_s = measured(talk, [*messages, Message("user", "Go on")])
    assert took_s < MOST * ordinary_s()


def test_a_call_of_many_tools_is_read_at_once() -> None:
    talk = stored(*["yes", "okay then"] * 400)
    calls = [
        message
        for number in range(800)
        for message in (
            Message("assistant", "", tool_calls=(ToolCall(f"c{number}", "look", "{}"),)),
            Message("tool", "found", tool_call_id=f"c{number}"),
        )
    ]
    _, took_s = measured(talk, [*told(talk), Message("user", "Look"), *calls])
    assert took_s < MOST * ordinary_s()
