"""Which of an agent's models a turn is for, said without waiting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from voicemind.mind.routing import Facts, Rule, Tier, route

NEVER = Rule(longer_than=0, words=(), tools=False)


@pytest.mark.parametrize(
    ("rule", "facts", "tier"),
    [
        (Rule(), Facts("Good morning!"), "fast"),
        (Rule(), Facts("Why is that?"), "strong"),
        (Rule(), Facts("WHY"), "strong"),
        (Rule(), Facts("The airplane, Whyte"), "fast"),
        (Rule(), Facts("x" * 240), "fast"),
        (Rule(), Facts("x" * 241), "strong"),
        (Rule(tools=True), Facts("Hello", tools=True), "strong"),
        (Rule(), Facts("Hello", tools=True), "fast"),
        (Rule(intents=("advice",)), Facts("Hello", intent="advice"), "strong"),
        (Rule(intents=("advice",)), Facts("Hello", intent="small talk"), "fast"),
        (Rule(intents=("",)), Facts("Hello"), "fast"),
        (Rule(words=("what if",)), Facts("And what, if it rains?"), "strong"),
        (Rule(words=("what if",)), Facts("If what?"), "fast"),
        (Rule(words=("¿por qué?",)), Facts("Dime por qué."), "strong"),
        (Rule(words=("?!",)), Facts("Hm?!"), "fast"),
        (Rule(longer_than=0), Facts("x" * 9000), "fast"),
    ],
)
def test_a_turn_gets_the_model_that_its_rule_says(rule: Rule, facts: Facts, tier: Tier) -> None:
    assert route(rule, facts) == tier


@settings(deadline=None)
@given(some.text(max_size=400), some.booleans(), some.text(max_size=10))
def test_a_rule_without_a_reason_never_asks_the_strong_model(said: str, tools: bool, intent: str) -> None:
    assert route(NEVER, Facts(said, tools, intent)) == "fast"


@settings(deadline=None)
@given(some.text(max_size=100), some.sampled_from(["", "?", "… ", "(", ", now"]))
def test_a_reason_stays_one_whatever_else_is_said(said: str, joint: str) -> None:
    assert route(Rule(longer_than=0, tools=False), Facts(f"{said} why{joint} {said}")) == "strong"
