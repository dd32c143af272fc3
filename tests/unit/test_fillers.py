"""Words in place of silence are said, and are no part of the talk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemind.conversation.fillers import apology, filler, without_fillers

LANGUAGES = ("en", "en-GB", "de", "fr", "es", "it", "nl", "pt", "xx", "")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", range(4))
def test_a_filler_ends_so_that_the_voice_goes_on(language: str, turn: int) -> None:
    assert filler(language, turn=turn).endswith("... ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_fillers_change_from_turn_to_turn(language: str) -> None:
    assert len({filler(language, turn=turn) for turn in range(3)}) == 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", range(3))
@given(said=st.text("abcdefgh äöü", min_size=1).map(str.strip).filter(bool))
def test_what_is_said_after_a_filler_is_what_remains(language: str, turn: int, said: str) -> None:
    for spoken in (filler(language, turn=turn) + said, filler(language, turn=turn).replace("...", "…") + said):
        assert without_fillers(spoken).strip() == said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", range(3))
def test_a_filler_or_an_apology_alone_is_nothing(language: str, turn: int) -> None:
    assert without_fillers(filler(language, turn=turn)) == ""
    assert without_fillers(apology(language)) == ""
    assert without_fillers(filler(language, turn=turn) + apology(language)) == ""


@pytest.mark.parametrize(
    "said",
    [
        "Well, that is a long story.",
        "One moment is all it takes.",
        "I'm sorry to hear that.",
        "Hmm.",
        "Well... maybe",
        "Let me see your hands.",
    ],
)
def test_words_of_the_agents_own_stay(said: str) -> None:
    assert said.endswith(without_fillers(said))
    assert without_fillers(said)


@given(st.text())
def test_whatever_is_said_stays_or_loses_its_beginning(said: str) -> None:
    assert said.endswith(without_fillers(said))
