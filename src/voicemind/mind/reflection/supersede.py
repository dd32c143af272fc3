"""Which remembered entry a new statement contradicts or tells further, decided by rules alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voicemind.mind.reflection.words import ANIMALS, RELATIVES, third, word_set
from voicemind.store.values import Entry

_WHO = "|".join(sorted(RELATIVES | ANIMALS, key=len, reverse=True))
_NUMBER = r"(?:\d+|[a-z]+teen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ][a-z]+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_PAST = re.compile(r"\b(?:in \d{4}|when they|as a (?:child|kid|boy|girl|student)|\w+ years ago|used to|once|before)\b")
_ATTRIBUTES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("home", r"^the user (?:now |currently |just |recently |still |has )*(?:lives? in|lives at|is living in|moved to|is based in|has moved to) (?P<value>.+)$"),
        ("name", r"^the user(?:'s name is| is called| is named) (?P<value>.+)$"),
        ("nickname", r"^the user wants to be called (?P<value>.+)$"),
        ("age", rf"^the user (?:is|turned|just turned) (?P<value>{_NUMBER})(?: years old)?$"),
        ("birthday", r"^the user(?:'s birthday is| was born) (?P<value>.+)$"),
        ("job", r"^the user (?:now |currently |still )*(?:works as|is working as) (?P<value>.+)$"),
        ("employer", r"^the user (?:now |currently |still )*(?:works|is working) (?:at|for) (?P<value>.+)$"),
        ("status", r"^the user (?:is|got|has got|has been) (?:now |happily |recently |still |newly )*(?P<value>married|divorced|single|engaged|widowed|separated)\b"),
        ("{of} name", rf"^the user's (?P<of>(?:[\w-]+ )?(?:{_WHO})) (?:is called|is named|'s name is) (?P<value>.+)$"),
        ("{of} age", rf"^the user's (?P<of>(?:[\w-]+ )?(?:{_WHO})) is (?:now )?(?P<value>{_NUMBER})(?: years old)?$"),
        ("{of} home", rf"^the user's (?P<of>(?:[\w-]+ )?(?:{_WHO})) (?:now )?(?:lives in|moved to) (?P<value>.+)$"),
        ("{of}", r"^the user's (?P<of>favou?rite [\w-]+|job|boss|employer|address|hometown|nickname|native language|religion) is (?P<value>.+)$"),
    )
)  # fmt: skip
_TASTE = re.compile(
    r"^the user (?:really |also |still |now )*(?P<verb>likes|loves|enjoys|adores|hates|dislikes|detests|cannot stand|can't stand|does not (?:really )?(?:like|enjoy|love)|(?:is )?no longer (?:like|love|enjoy)s?) (?P<value>.+)$"
)
_GOOD = frozenset({"likes", "loves", "enjoys", "adores"})
_ENDED = re.compile(
    r"^the user (?:(?:no longer|does not|is not|stopped|quit|gave up|has stopped|has quit|has given up|lost|sold)) (?P<rest>.+?)(?P<any> any ?more| any longer)?$"
)
_NO_JOB = re.compile(
    r"^the user (?:(?:now |just |has )*(?:retired|is retired|is unemployed|is out of work)|(?:quit|lost|left) their job|(?:was|got) (?:just )?(?:fired|laid off))\b"
)
_DEATH = re.compile(
    rf"^(?:the user's (?P<of>(?:[\w-]+ )?(?:{_WHO}))(?: (?P<both>[a-z][\w'-]*))?|(?P<name>[\w'-]+)) (?P<how>(?:has |is |was )?(?:sadly )?(?:died|dead|passed away|put down|put to sleep)\b.*)$"
)
_NAMING = re.compile(
    rf"^the user(?:'s (?P<of>(?:[\w-]+ )?(?:{_WHO})) (?:is called|is named)| (?:now )?(?:has|owns|got|adopted) an? (?P<kind>(?:[\w-]+ )??(?:{_WHO}))(?:,| called| named)) (?P<name>[\w'-]+)$"
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """`text` takes the place of the entry `entry_id`, whose evidence it keeps where it `inherits`."""

    entry_id: str
    text: str
    reason: str
    inherits: bool = False


def replacement(text: str, entries: Sequence[Entry]) -> Replacement | None:
    """What the statement `text` replaces among the entries; None where it adds to them. Both are about "The user"."""
    new = _plain(text)
    return _end_of_life(text, new, entries) or next(
        (
            Replacement(entry.id, text, reason)
            for entry in entries
            if (reason := _contradiction(new, _plain(entry.text)))
        ),
        None,
    )


def is_told(text: str, lines: Sequence[Entry]) -> Entry | None:
    """The line that says the statement already: in the same words, about somebody named more fully, or of somebody who has died since."""
    new = _words(text)
    named = _NAMING.match(_plain(text))
    for line in lines:
        old = _words(line.text)
        if f" {old}".endswith(f" {new}"):
            return line
        if named and re.match(
            rf"the user s {named['of'] or named['kind']} {re.escape(named['name'])} (?:has |is |was )?(?:died|dead|passed|put)",
            old,
        ):
            return line
    return None


def _words(text: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split())


def _contradiction(new: str, old: str) -> str:
    """Why both cannot hold at once; empty where they can."""
    if new == old:
        return ""
    ours, theirs = _attribute(new), _attribute(old)
    if ours and theirs and ours[0] == theirs[0]:
        return "" if ours[1] == theirs[1] else f"the {ours[0]} is another one now"
    if theirs and theirs[0] in {"job", "employer"} and _NO_JOB.match(new):
        return "the job has ended"
    if _taste(new) and _taste(old) and _taste(new) != _taste(old) and _liked(new) == _liked(old):
        return "the taste has changed"
    return "this no longer holds" if _ends(new, old) or _ends(old, new) else ""


def _attribute(text: str) -> tuple[str, str] | None:
    """What the statement says of a thing of which there is one at a time: its name and its value."""
    if _PAST.search(text):
        return None
    for name, pattern in _ATTRIBUTES:
        if found := pattern.match(text):
            groups = found.groupdict()
            value = re.sub(
                r"\b(?:now|these days|at the moment|today|last \w+|this \w+|recently)\b", "", groups["value"]
            )
            return name.format(of=groups.get("of") or ""), " ".join(value.split())
    return None


def _taste(text: str) -> str:
    found = _TASTE.match(text)
    return "" if not found else ("good" if found["verb"] in _GOOD else "bad")


def _liked(text: str) -> str:
    found = _TASTE.match(text)
    return re.sub(r"\b(?:anymore|any more|a lot|very much|now)\b", "", found["value"]).strip() if found else ""


def _ends(new: str, old: str) -> bool:
    """ "The user no longer lives in Oslo" against "The user lives in Oslo"; "quit smoking" against "smokes"."""
    found = _ENDED.match(new)
    if not found or _ENDED.match(old) or not old.startswith("the user "):
        return False
    return _stems(found["rest"]) == _stems(old.removeprefix("the user "))


def _end_of_life(text: str, new: str, entries: Iterable[Entry]) -> Replacement | None:
    death = _DEATH.match(new)
    if not death:
        return None
    for entry in entries:
        naming = _NAMING.match(_plain(entry.text))
        if naming is None:
            continue
        who = naming["of"] or naming["kind"]
        if death["name"] == naming["name"] or (death["of"] == who and death["both"] in {None, naming["name"]}):
            name = next(word for word in entry.text.rstrip(".").split()[::-1] if word.lower() == naming["name"])
            how = " ".join(text.rstrip(".").split()[-len(death["how"].split()) :])
            return Replacement(entry.id, f"The user's {who} {name} {how}.", "it has died", inherits=True)
    return None


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("’", "'").rstrip(".!").split())


_STOP = word_set("a an the their to in at on of any more anymore longer user now")


def _stems(text: str) -> frozenset[str]:
    """Content words without their endings: smoke, smokes and smoking are one."""
    words = [word.strip(",.") for word in text.split()]
    return frozenset(_stem(word) for word in words if word not in _STOP)


def _stem(word: str) -> str:
    irregular = {third(verb): verb for verb in ("have", "do", "go", "try", "study")}
    word = irregular.get(word, word)
    stem = re.sub(r"(?:ing|ies|es|ed|s|e)$", "", word)
    return stem if len(stem) > 2 else word
