"""What a request's messages mean for the stored transcript."""

from datetime import UTC, datetime

from voicemind.conversation.placement import place
from voicemind.llm.contract import Message
from voicemind.store.values import Role, Turn


def turn(seq: int, role: Role, text: str, *, interrupted: bool = False) -> Turn:
    return Turn(seq, role, text, text, datetime(2026, 1, 1, tzinfo=UTC), interrupted=interrupted)


def user(text: str) -> Message:
    return Message("user", text)


def agent(text: str) -> Message:
    return Message("assistant", text)


def test_a_first_message_is_a_new_turn() -> None:
    placement = place([], [user("Hello")])
    assert (placement.kind, placement.text, placement.history) == ("new", "Hello", (user("Hello"),))


def test_the_same_request_again_is_answered_with_the_stored_reply() -> None:
    placement = place([turn(1, "user", "Hello"), turn(2, "agent", "Hi!")], [user("Hello")])
    assert (placement.kind, placement.text) == ("replay", "Hi!")


def test_a_turn_whose_reply_was_never_finished_is_answered_without_being_stored_twice() -> None:
    stored = [turn(1, "user", "Hello"), turn(2, "agent", "H", interrupted=True)]
    placement = place(stored, [user("Hello")])
    assert placement.kind == "unanswered"
    assert placement.history == (user("Hello"),)


def test_the_same_words_later_in_the_talk_are_a_new_turn() -> None:
    stored = [turn(1, "user", "Yes"), turn(2, "agent", "Sure?")]
    placement = place(stored, [user("Yes"), agent("Sure?"), user("Yes")])
    assert placement.kind == "new"


def test_a_client_that_sends_only_the_newest_message_is_answered_with_the_stored_talk_in_mind() -> None:
    stored = [turn(1, "user", "I am Ann"), turn(2, "agent", "Hello Ann")]
    placement = place(stored, [user("Who am I?")])
    assert placement.history == (user("I am Ann"), agent("Hello Ann"), user("Who am I?"))


def test_the_platform_knows_best_what_was_heard() -> None:
    stored = [turn(1, "user", "Hi"), turn(2, "agent", "A very long answer")]
    messages = [user("Hi"), agent("A very"), user("Stop")]
    assert place(stored, messages).history == tuple(messages)
