"""What a person says becomes short statements in the third person, and nothing else does."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemind.mind.reflection.clauses import clauses
from voicemind.mind.reflection.extract import Candidate, extract
from voicemind.mind.reflection.third_person import about
from voicemind.store.values import Role, Turn

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def turn(text: str, *, seq: int = 1, role: Role = "user") -> Turn:
    return Turn(seq, role, text, text, NOON)


def found(*texts: str) -> list[Candidate]:
    return list(extract([turn(text, seq=seq) for seq, text in enumerate(texts, 1)]).candidates)


CLEAR = [
    ("My cat is called Biscuit and I live in Oslo.", ["The user's cat is called Biscuit.", "The user lives in Oslo."]),
    ("my cat is called biscuit and i live in oslo", ["The user's cat is called Biscuit.", "The user lives in Oslo."]),
    (
        "my name is anna i live in oslo i have two kids",
        ["The user's name is Anna.", "The user lives in Oslo.", "The user has two kids."],
    ),
    ("I HAVE A DOG CALLED REX", ["The user has a dog called Rex."]),
    ("My name's Olav.", ["The user's name is Olav."]),
    ("Call me Anna.", ["The user wants to be called Anna."]),
    ("my friends call me bo", ["The user wants to be called Bo."]),
    ("I live in Oslo and work as a nurse.", ["The user lives in Oslo.", "The user works as a nurse."]),
    ("I'm 42 years old and I've got two kids.", ["The user is 42 years old.", "The user has two kids."]),
    ("im 30", ["The user is 30."]),
    ("My wife and I live in Bergen.", ["The user and their wife live in Bergen."]),
    ("I and my husband adopted a dog", ["The user and their husband adopted a dog."]),
    (
        "Last year I moved to Trondheim because I got a job there.",
        ["Last year the user moved to Trondheim because they got a job there."],
    ),
    ("I have a daughter. Her name is Emma.", ["The user has a daughter.", "The user's daughter is called Emma."]),
    ("I have a dog, his name is Rex.", ["The user has a dog.", "The user's dog is called Rex."]),
    ("my wife is anna she works at google", ["The user's wife is anna.", "The user's wife works at google."]),
    ("my dog's called rex and he's three", ["The user's dog is called Rex.", "The user's dog is three."]),
    ("The name of my cat is Biscuit.", ["The user's cat is called Biscuit."]),
    ("My cat's name is Biscuit.", ["The user's cat is called Biscuit."]),
    ("Anna is my sister", ["Anna is the user's sister."]),
    ("Remember that I am allergic to nuts.", ["The user is allergic to nuts."]),
    ("Please don't forget that my son is diabetic", ["The user's son is diabetic."]),
    ("By the way, I'm allergic to peanuts, you know.", ["The user is allergic to peanuts."]),
    ("I don't like mushrooms.", ["The user does not like mushrooms."]),
    ("i dont eat meat", ["The user does not eat meat."]),
    ("I can't stand my boss", ["The user can't stand their boss."]),
    ("I hate my job", ["The user hates their job."]),
    ("I love hiking and cooking", ["The user loves hiking and cooking."]),
    ("I study physics and play the guitar", ["The user studies physics.", "The user plays the guitar."]),
    ("I teach maths at a school", ["The user teaches maths at a school."]),
    ("I work nights at the hospital", ["The user works nights at the hospital."]),
    ("My brother's a teacher.", ["The user's brother is a teacher."]),
    ("My brother's dog bit the postman.", ["The user's brother's dog bit the postman."]),
    ("yeah um i i live in um bergen you know", ["The user lives in Bergen."]),
    ("Well, to be honest, I've been depressed since March.", ["The user has been depressed since March."]),
    ("I live in Oslo, what about you?", ["The user lives in Oslo."]),
    ("I'm from Norway but I live in Spain now", ["The user is from Norway.", "The user lives in Spain now."]),
    ("my parents divorced when i was six", ["The user's parents divorced when they were six."]),
    ("I can't sleep because I worry about my mum", ["The user can't sleep because they worry about their mum."]),
    ("My mother passed away in 2019.", ["The user's mother passed away in 2019."]),
    ("I have two dogs and three cats.", ["The user has two dogs and three cats."]),
    ("I don't have a cat.", ["The user does not have a cat."]),
    (
        "i work as a teacher in a small school and my boss is horrible",
        ["The user works as a teacher in a small school.", "The user's boss is horrible."],
    ),
    ("My girlfriend broke up with me yesterday.", ["The user's girlfriend broke up with them yesterday."]),
    ("Our house burned down", ["The user's house burned down."]),
    ("mum is ill", ["The user's mum is ill."]),
    ("I have trouble sleeping", ["The user has trouble sleeping."]),
    ("my favourite colour is blue", ["The user's favourite colour is blue."]),
    ("I was born in 1980", ["The user was born in 1980."]),
    ("I always carry my insulin with me", ["The user always carries their insulin with them."]),
    ("My wife and my son live with me", ["The user's wife and their son live with them."]),
    ("Yesterday my dog died", ["Yesterday the user's dog died."]),
    ("Doctor, I am pregnant.", ["The user is pregnant."]),
    ("Mara, my wife is pregnant.", ["The user's wife is pregnant."]),
    ("I live in St. Gallen with Dr. Meier.", ["The user lives in St. Gallen with Dr. Meier."]),
    ("I live at 3.5 Mile Road", ["The user lives at 3.5 Mile Road."]),
    ("I'm married; I have a son", ["The user is married.", "The user has a son."]),
    ("I want to sleep better", ["The user wants to sleep better."]),
    ("I'd like to stop smoking", ["The user would like to stop smoking."]),
    ("my goal is to run a marathon", ["The user's goal is to run a marathon."]),
    ("I'm trying to drink less", ["The user is trying to drink less."]),
    ("i wanna learn spanish", ["The user wants to learn spanish."]),
]

UNCLEAR = [
    ("I no longer live in Oslo", "The user no longer lives in Oslo."),
    ("When I was ten my father died.", "When the user was ten their father died."),
    ("I used to smoke", "The user used to smoke."),
    ("We moved to Bergen last year.", 'The user said: "We moved to Bergen last year"'),
    ('My sister said "I am lazy".', 'The user said: "My sister said \'I am lazy"'),
    ("I live in Bergen, no sorry, in Voss", 'The user said: "I live in Bergen, no sorry, in Voss"'),
    ("I feel sad today.", "The user feels sad today."),
    ("I'm Anna.", "The user is Anna."),
    ("I met my husband at university", "The user met their husband at university."),
    ("I stopped smoking two years ago", "The user stopped smoking two years ago."),
    ("I go to the gym every day", "The user goes to the gym every day."),
    ("I quit my studies", "The user quit their studies."),
]

NOTHING = [
    "",
    "   ",
    "What is my cat called?",
    "what is my cat called",
    "do you know my name",
    "Do you remember where I live?",
    "I live in Oslo, don't I?",
    "my cat is called biscuit right",
    "is my cat ill",
    "When did I tell you that?",
    "I am fine thanks",
    "I'm good, and you?",
    "I think so",
    "I don't know",
    "i do not know what to say",
    "I have a question",
    "I want to talk about my mother",
    "I have to go now",
    "I see.",
    "I understand",
    "Me too",
    "Yes.",
    "Tell me a story about my cat.",
    "Remind me of my appointment",
    "If I won the lottery I would buy a castle and I live in Paris",
    "Suppose I am a dog",
    "Imagine I live on the moon",
    "Maybe I have a brother",
    "I wish I had a cat",
    "I might move to Spain",
    "I would buy a boat",
    "You live in Oslo.",
    "Your cat is called Biscuit.",
    "I like you",
    "The weather is nice.",
    "He died.",
    "It is called Rex.",
    "My password is hunter2",
    "my pin code is 1234",
    "My credit card number is 4111 1111 1111 1111",
    "call me master",
    "...",
    "!!! ??? ,,, ;;;",
    "i",
    "my",
    "I I I I",
]


@pytest.mark.parametrize(("said", "entries"), CLEAR)
def test_a_clear_statement_becomes_an_entry_without_a_second_opinion(said: str, entries: list[str]) -> None:
    candidates = found(said)
    assert [candidate.text for candidate in candidates] == entries
    assert all(candidate.sure for candidate in candidates)


@pytest.mark.parametrize(("said", "entry"), UNCLEAR)
def test_an_unclear_statement_waits_for_a_second_opinion(said: str, entry: str) -> None:
    (candidate,) = found(said)
    assert candidate.text == entry
    assert not candidate.sure


@pytest.mark.parametrize("said", NOTHING)
def test_nothing_is_remembered_of_questions_commands_wishes_and_secrets(said: str) -> None:
    assert found(said) == []


@pytest.mark.parametrize("said", [row[0] for row in (*CLEAR, *UNCLEAR)])
def test_every_quote_is_what_was_said_word_for_word(said: str) -> None:
    assert all(candidate.quote in said for candidate in found(said))


def test_the_agents_words_are_never_evidence() -> None:
    turns = [turn("So your cat is called Biscuit. I live in Oslo.", role="agent"), turn("Right.", seq=2)]
    assert extract(turns).candidates == ()


def test_a_statement_about_a_known_name_counts() -> None:
    (gone,) = extract([turn("Biscuit died last spring")], remembered=["The user's cat is called Biscuit."]).candidates
    assert (gone.text, gone.sure) == ("Biscuit died last spring.", True)
    (lower,) = extract([turn("biscuit died last spring")], remembered=["The user's cat is called Biscuit."]).candidates
    assert lower.text == "Biscuit died last spring."
    assert extract([turn("Biscuit died last spring")]).candidates == ()


def test_each_candidate_names_its_turn() -> None:
    assert [candidate.turn for candidate in found("I live in Oslo.", "Hm.", "I have a son.")] == [1, 3]


def test_a_pronoun_does_not_refer_to_the_turn_before() -> None:
    assert [candidate.text for candidate in found("I have a daughter.", "Her name is Emma.")] == [
        "The user has a daughter."
    ]


def test_what_a_person_wants_is_a_goal() -> None:
    assert [candidate.kind for candidate in found("I want to sleep better and I live in Oslo")] == ["goal", "home"]


def test_statements_about_a_guest_name_the_guest() -> None:
    assert about("The user's cat is called Biscuit.", "Guest 7") == "Guest 7's cat is called Biscuit."
    assert about("Last year the user moved.", "A guest") == "Last year a guest moved."


WORDS = st.sampled_from(
    [
        "I",
        "my",
        "i'm",
        "me",
        "we",
        "our",
        "he",
        "she",
        "it",
        "is",
        "am",
        "are",
        "was",
        "have",
        "has",
        "don't",
        "and",
        "but",
        "because",
        "when",
        "if",
        "that",
        "the",
        "a",
        "to",
        "in",
        "cat",
        "dog",
        "wife",
        "live",
        "work",
        "love",
        "died",
        "called",
        "Biscuit",
        "oslo",
        ",",
        ".",
        "?",
        "!",
        ";",
        "-",
        '"',
        "'",
        "…",
        "system:",
        "<b>",
        "{}",
        "[]",
        "\u200b",
        "é",
        "日本",
        "🙂",
        "1",
        "2024",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=40).map(" ".join)))
def test_any_text_is_survived_and_quoted_faithfully(text: str) -> None:
    for candidate in found(text):
        assert candidate.quote in text
        assert candidate.quote.strip()
        assert "\n" not in candidate.text
        assert len(candidate.text) <= 240


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=40).map(" ".join)))
def test_clauses_are_slices_in_order(text: str) -> None:
    at = 0
    for clause in clauses(text):
        at = text.find(clause.text, at)
        assert at >= 0
        at += len(clause.text)
