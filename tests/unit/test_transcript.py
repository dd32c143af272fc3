"""What a request's messages mean for the stored transcript, case by case."""

from datetime import UTC, datetime

import pytest

from voicemind.conversation.told import fingerprint
from voicemind.conversation.transcript import Reconciled, reconcile
from voicemind.llm.contract import Message, ToolCall
from voicemind.store.turn_edits import DroppedTurns, HeardTurn, RewordedTurn
from voicemind.store.values import Call, NewTurn, Turn

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CALL = Call("call-1", "look_up", "{}")
ASKED = Message("assistant", "", tool_calls=(ToolCall("call-1", "look_up", "{}"),))
FOUND = Message("tool", "found", tool_call_id="call-1")


def stored(*lines: str) -> list[Turn]:
    """A line begins with "U " (a person's turn), "A " (an agent's), "P " (one that broke off) or "C " (one with a call)."""
    return [
        Turn(
            seq,
            "user" if line[0] == "U" else "agent",
            line[2:],
            None if line[0] == "P" else line[2:],
            NOON,
            interrupted=line[0] == "P",
            calls=(CALL,) if line[0] == "C" else (),
        )
        for seq, line in enumerate(lines, 1)
    ]


def chat(*lines: str) -> list[Message]:
    return [Message("user" if line[0] == "U" else "assistant", line[2:]) for line in lines]


def said(text: str) -> NewTurn:
    return NewTurn("user", text, heard=text)


def spoke(text: str) -> NewTurn:
    return NewTurn("agent", text, heard=text)


def replayed(done: Reconciled) -> list[int]:
    assert (done.does, done.edits, done.history) == ("replay", (), ())
    return [turn.seq for turn in done.replay]


def test_a_first_message_is_a_new_turn() -> None:
    done = reconcile([], chat("U Hello"))
    assert done == Reconciled("new", "generate", (said("Hello"),), (Message("user", "Hello"),))


def test_the_platforms_greeting_is_taken_over_before_the_first_turn() -> None:
    done = reconcile([], chat("A Hi, I am Mark.", "U Hello"), modality="speech")
    assert [(edit.generated, edit.modality) for edit in done.edits if isinstance(edit, NewTurn)] == [
        ("Hi, I am Mark.", "speech"),
        ("Hello", "speech"),
    ]


def test_what_we_have_lost_is_taken_over_as_it_is_told() -> None:
    done = reconcile(stored("U One"), chat("U One", "A Two", "U Three", "A Four", "U Five"))
    assert done.edits == (spoke("Two"), said("Three"), spoke("Four"), said("Five"))


def test_words_that_are_recognised_anew_take_the_place_of_the_old_ones_and_of_their_answer() -> None:
    done = reconcile(stored("U I want", "A What?"), chat("U I want a dog"))
    assert (done.kind, done.edits) == ("revised", (RewordedTurn(1, "I want a dog"), DroppedTurns(2)))
    done = reconcile(stored("A Hello", "U Eye want", "C "), chat("A Hello", "U I want"))
    assert (done.kind, done.edits) == ("revised", (RewordedTurn(2, "I want"), DroppedTurns(3)))


def test_words_that_are_corrected_later_keep_the_answer_that_was_heard() -> None:
    done = reconcile(
        stored("U Eye want a dog", "A Which dog do you want?"),
        chat("U I want a dog", "A Which dog do you want?", "U Red"),
    )
    assert done.edits == (RewordedTurn(1, "I want a dog"), said("Red"))


def test_an_edit_of_an_earlier_message_drops_what_followed_it() -> None:
    talk = stored("U One", "A Two", "U Three", "A Four", "U Five", "A Six")
    done = reconcile(talk, chat("U One", "A Two", "U Zebra"))
    assert (done.kind, done.edits) == ("revised", (RewordedTurn(3, "Zebra"), DroppedTurns(4)))


def test_the_same_request_while_it_is_answered_shares_the_answer() -> None:
    pending = chat("U Hello there")
    assert reconcile(stored("U Hello there"), chat("U  hello there. "), pending=pending) == Reconciled("retry", "join")
    talk = stored("U Hello", "A Yes?")
    silent = chat("U Hello", "A Yes?", "U ...")
    assert reconcile(talk, silent, pending=silent) == Reconciled("retry", "join")


def test_a_request_whose_answer_broke_off_is_answered_anew() -> None:
    done = reconcile(stored("U Hello", "P How are"), chat("U Hello"))
    assert done == Reconciled("retry", "generate", (DroppedTurns(2),), (Message("user", "Hello"),))


def test_a_request_that_was_answered_gets_the_same_answer() -> None:
    assert replayed(reconcile(stored("U Hello", "A Hi!"), chat("U Hello"))) == [2]
    assert replayed(reconcile(stored("U Look", "C ", "A Found."), chat("U Look"))) == [2]


def test_a_request_that_comes_late_changes_nothing() -> None:
    talk = stored("U One", "A Two", "U Three", "A Four")
    assert replayed(reconcile(talk, chat("U One"))) == [2]
    assert replayed(reconcile(talk, chat("U One", "A Two", "U Thr"), pending=None)) == [4]
    assert replayed(reconcile(talk, chat("U One", "A Two", "U ..."))) == [4]


def test_a_request_that_was_revised_changes_nothing_when_it_comes_again() -> None:
    old = chat("A Hello", "U Eye want")
    done = reconcile(stored("A Hello", "U I want", "A What?"), old, superseded={fingerprint(old)})
    assert replayed(done) == [3]


def test_a_person_who_goes_on_before_the_answer_has_said_both() -> None:
    for answer in ("A What?", "P Wha"):
        done = reconcile(stored("U I want", answer), chat("U I want", "U a dog"))
        assert (done.kind, done.edits) == ("continuation", (DroppedTurns(2), said("a dog")))
    assert done.history == (Message("user", "I want a dog"),)


def test_an_agent_that_was_cut_off_and_is_asked_for_more_goes_on() -> None:
    done = reconcile(stored("U Tell me", "A One two three"), chat("U Tell me", "A One two"))
    assert (done.kind, done.edits) == ("continuation", (HeardTurn(2, "One two"),))
    assert done.history[-1].role == "user"


@pytest.mark.parametrize("tail", [("U ...",), ("U ",), ("U \u2026",), ()])
def test_silence_is_no_turn_and_the_agent_speaks_again(tail: tuple[str, ...]) -> None:
    done = reconcile(stored("U Hello", "A Hi!"), chat("U Hello", "A Hi!", *tail))
    assert (done.kind, done.does, done.edits) == ("silence", "generate", ())
    assert done.history[-1] == Message("user", "...")
    assert replayed(reconcile(stored("U Hello", "A Hi!", "A Still there?"), chat("U Hello", "A Hi!", *tail))) == [3]


def test_an_agent_that_is_to_begin_begins_once() -> None:
    assert reconcile([], []).kind == "silence"
    assert replayed(reconcile(stored("A Good day."), [])) == [1]


def test_what_nobody_heard_is_dropped_when_the_person_speaks() -> None:
    done = reconcile(stored("U Hello", "A Hi!", "A Still there?"), chat("U Hello", "A Hi!", "U Yes"))
    assert (done.kind, done.edits) == ("new", (DroppedTurns(3), said("Yes")))


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ("I think that cats", "I think that cats"),
        ("I think, that ca...", "I think that ca"),
        ("  i  think\nthat ", "I think that"),
        ("I think that cats are fine. Really.", "I think that cats are fine. Really!"),
        ("I think that cats are fine.", "I think that cats are fine."),
    ],
)
def test_the_newest_telling_says_what_was_heard(told: str, heard: str) -> None:
    talk = stored("U Hi", "P I think that cats are fine. Really!")
    done = reconcile(talk, chat("U Hi", f"A {told}", "U Stop"))
    assert done.edits == (HeardTurn(2, heard), said("Stop"))


def test_the_results_of_calls_are_answered_and_the_turn_is_not_stored_again() -> None:
    talk = stored("U Look", "C ")
    messages = [*chat("U Look"), ASKED, FOUND]
    done = reconcile(talk, messages)
    assert done == Reconciled("tool_result", "generate", (), tuple(messages))
    assert replayed(reconcile([*talk, Turn(3, "agent", "Found.", "Found.", NOON)], messages)) == [3]
    assert reconcile(talk, messages, pending=messages) == Reconciled("retry", "join")


def test_calls_that_are_stored_nowhere_are_taken_over_with_their_turn() -> None:
    done = reconcile([], [*chat("U Look"), ASKED, FOUND])
    assert (done.kind, done.edits) == ("tool_result", (said("Look"), NewTurn("agent", "", heard="", calls=(CALL,))))


def test_a_model_never_sees_calls_without_results_or_results_without_calls() -> None:
    done = reconcile(stored("U Wait", "C "), [FOUND, *chat("U Wait"), ASKED, *chat("U Go on")])
    assert done.history == (Message("user", "Wait Go on"),)
    done = reconcile(stored("U Wait", "C "), [*chat("U Wait"), ASKED, *chat("U Go on")])
    assert done.history == (Message("user", "Wait Go on"),)
    assert done.edits == (said("Go on"),)


def test_a_telling_of_the_newest_part_is_completed_with_what_came_before() -> None:
    done = reconcile(stored("U One", "A Two", "U Three", "A Four"), chat("A Four", "U Five"))
    assert done.edits == (said("Five"),)
    assert [message.content for message in done.history] == ["One", "Two", "Three", "Four", "Five"]


def test_a_client_that_sends_only_the_newest_message_is_answered_with_the_stored_talk_in_mind() -> None:
    done = reconcile(stored("U I am Ann", "A Hello Ann"), chat("U Who am I?"))
    assert done.history == tuple(chat("U I am Ann", "A Hello Ann", "U Who am I?"))
    assert done.edits == (said("Who am I?"),)


def test_the_same_words_later_in_the_talk_are_a_new_turn() -> None:
    assert reconcile(stored("U Yes", "A Sure?"), chat("U Yes", "A Sure?", "U Yes")).edits == (said("Yes"),)


def test_what_the_platform_said_instead_of_us_takes_the_place_of_what_nobody_heard() -> None:
    done = reconcile(stored("U Hi", "A Our answer."), chat("U Hi", "A Please hold the line, caller.", "U OK"))
    assert done.edits == (DroppedTurns(2), spoke("Please hold the line, caller."), said("OK"))


def test_words_that_we_put_in_to_fill_a_pause_are_nobodys() -> None:
    def without(text: str) -> str:
        return text.removeprefix("Let me think... ")

    done = reconcile(stored("U Hi", "A Our answer."), chat("U Hi", "A Let me think... Our ans", "U OK"), spoken=without)
    assert done.edits == (HeardTurn(2, "Our ans"), said("OK"))
    assert done.history[1] == Message("assistant", "Our ans")
