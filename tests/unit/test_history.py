"""The talk so far as chat messages, and which of them fit."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from voicemind.llm.contract import Message
from voicemind.mind.history import UNSAID_CHARS, fitting, messages_of
from voicemind.store.values import Call, Role, Turn

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
NOTE = "[earlier messages left out: "


def turn(seq: int, role: Role, text: str, heard: str | None = None) -> Turn:
    return Turn(seq, role, text, text if role == "user" else heard, NOON)


def talk(count: int, size: int) -> list[Message]:
    return [Message("user" if number % 2 == 0 else "assistant", "x" * size) for number in range(count)]


def test_the_mind_sees_what_was_heard_and_not_what_was_generated() -> None:
    turns = [turn(1, "user", "Hello"), turn(2, "agent", "One. Two. Three.", "One."), turn(3, "user", "Stop")]
    assert messages_of(turns) == (Message("user", "Hello"), Message("assistant", "One."), Message("user", "Stop"))


def test_turns_of_one_side_become_one_message() -> None:
    turns = [turn(1, "user", "Hello"), turn(2, "agent", "Hm.", ""), turn(3, "user", "Are you there?")]
    assert messages_of(turns) == (Message("user", "Hello Are you there?"),)


def cut(seq: int, generated: str, heard: str) -> Turn:
    return Turn(seq, "agent", generated, heard, NOON, interrupted=True)


KING = cut(2, "There was a king, who lived by the sea. He had nine daughters.", "There was a king,")


def test_what_was_cut_ends_in_a_dash_and_the_person_is_said_to_have_interrupted() -> None:
    turns = [turn(1, "user", "Tell me a story"), KING, turn(3, "user", "Wait"), turn(4, "user", "Which king?")]
    assert messages_of(turns) == (
        Message("user", "Tell me a story"),
        Message("assistant", "There was a king—"),
        Message("user", "[interrupting you] Wait Which king?"),
    )


def test_nothing_in_what_the_agent_said_itself_could_be_taken_up_as_its_way_to_speak() -> None:
    turns = [KING, turn(3, "user", "Wait"), cut(4, "Yes. I shall wait here for you.", "Yes."), turn(5, "user", "Now")]
    said = [message.content for message in messages_of(turns, resays_cut=True) if message.role == "assistant"]
    assert said == ["There was a king—", "Yes.—"]
    assert not any("[" in text or "interrupt" in text for text in said)


def test_who_was_heard_to_the_end_was_not_cut() -> None:
    whole = cut(2, "Good day.", "Good day.")
    assert messages_of([turn(1, "user", "Hello"), whole, turn(3, "user", "Bye")])[1:] == (
        Message("assistant", "Good day."),
        Message("user", "Bye"),
    )


def test_what_is_supposed_or_unsaid_follows_an_interruption_as_words_do() -> None:
    assert messages_of([KING], supposing="Which king?")[-1] == Message("user", "[interrupting you] Which king?")
    silent = messages_of([KING], silence_s=20)[-1]
    assert silent == Message("user", "[interrupting you] [The user has been silent for 20 seconds.]")


def test_an_agent_may_be_told_what_it_had_still_wanted_to_say_but_of_its_newest_turn_alone() -> None:
    old = cut(2, "One. Two. Three.", "One.")
    turns = [old, turn(3, "user", "Stop"), cut(4, KING.generated, "There was a king,"), turn(5, "user", "Wait")]
    asked = [message.content for message in messages_of(turns, resays_cut=True) if message.role == "user"]
    assert asked[0] == "[interrupting you] Stop"
    assert "who lived by the sea. He had nine daughters." in asked[1]
    assert asked[1].endswith("] Wait")

    answered = [*turns, turn(6, "agent", "I am waiting.")]
    assert not any("daughters" in message.content for message in messages_of(answered, resays_cut=True))


def test_what_it_had_still_wanted_to_say_is_told_in_short() -> None:
    long = cut(1, "Well. " + "word " * 500, "Well.")
    told = messages_of([long, turn(2, "user", "Stop")], resays_cut=True)[-1].content
    assert len(told) < UNSAID_CHARS + 100
    assert '…": say it' in told


def test_an_answer_whose_playing_is_unknown_counts_whole() -> None:
    assert messages_of([turn(1, "agent", "Welcome.")]) == (Message("assistant", "Welcome."),)


def test_an_answer_that_broke_off_unknown_to_anybody_was_not_said() -> None:
    partial = Turn(2, "agent", "I was going to", None, NOON, interrupted=True)
    assert messages_of([turn(1, "user", "Hello"), partial]) == (Message("user", "Hello"),)


def test_a_turn_of_calls_alone_is_no_message() -> None:
    called = Turn(2, "agent", "", "", NOON, calls=(Call("call-1", "skip_turn", "{}"),))
    assert messages_of([turn(1, "user", "Wait"), called]) == (Message("user", "Wait"),)


def test_what_fits_stays_as_it_is() -> None:
    assert fitting(talk(4, 10), chars=40) == tuple(talk(4, 10))


def test_what_does_not_fit_is_noted() -> None:
    kept = fitting(talk(12, 100), chars=500)
    assert kept[0].role == "user"
    assert kept[0].content.startswith(NOTE)
    assert kept[-1] == talk(12, 100)[-1]


def test_the_newest_message_is_always_there() -> None:
    assert fitting([Message("user", "a" * 50), Message("user", "b" * 900)], chars=100)[-1].content.endswith("b" * 900)


def test_the_beginning_stays_while_the_talk_goes_on() -> None:
    firsts = {fitting(talk(count, 50), chars=1000)[0].content for count in range(1, 101)}
    assert len(firsts) <= 12


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(50, 1000))
def test_no_message_is_dropped_in_silence(sizes: list[int], chars: int) -> None:
    messages = [Message("user" if number % 2 == 0 else "assistant", "x" * size) for number, size in enumerate(sizes)]
    text = "".join(message.content for message in fitting(messages, chars=chars))
    left_out = int(text.partition(NOTE)[2].partition("]")[0] or 0)
    assert text.count("x") == sum(sizes[left_out:])
