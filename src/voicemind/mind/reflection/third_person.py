"""First person to third: "I live with my wife" becomes "The user lives with their wife."."""

from __future__ import annotations

import re

from voicemind.mind.plain import one_line
from voicemind.mind.reflection.words import ADVERBS, AUXILIARIES, BE, CONNECTORS, is_past, is_verb, third, word_set

USER = "The user"
"""Who every rewritten statement is about; `about` puts another name there."""

_OPENERS = re.compile(
    r"""^(?:(?:well|so|um+|uh+|erm?|hm+|mm+|yeah|yes|yep|no|nope|oh|ah|okay|ok|right|anyway|actually|honestly|basically|and|but|also|plus|look|
        listen|hi|hello|hey|please|thanks|thank\syou(?:\sso\smuch)?|sure|sorry|good\s(?:morning|evening|afternoon|day)|you\sknow|i\smean|i\ssee|
        to\sbe\shonest|the\sthing\sis|the\struth\sis|by\sthe\sway|for\sthe\srecord|as\si\ssaid|of\scourse|
        (?:just\s)?so\s(?:that\s)?you\sknow|fyi|there|doctor|
        (?:please\s|and\s|also\s|can\syou\s|do\s)*(?:remember|note|memori[sz]e|keep\sin\smind|don['’]?t\sforget|do\snot\sforget|never\sforget|
            write\sdown|make\sa\snote|be\saware)(?:\sthis|\sfor\s(?:me|next\stime|later))?(?:\sthat)?|
        (?:i\s)?(?:just\s|really\s|also\s)?(?:want(?:ed)?|wanna|would\slike|['’]d\slike|need|have)\s(?:you\s)?to\s(?:tell\syou|let\syou\sknow|
            know|remember|mention|say|share|add)(?:\sthat)?|
        let\sme\stell\syou(?:\sthat)?|(?:i\s)?(?:should|must|can)\s(?:also\s)?(?:tell\syou|mention|say|add)(?:\sthat)?|
        i(?:['’]ve|\shave)?\stold\syou(?:\sthat)?|i\ssaid(?:\sthat)?)(?=[\s,.:!-]|$)[\s,.:!-]*)+""",
    re.IGNORECASE | re.VERBOSE,
)
_ADDRESSED = re.compile(
    r"^(?!yesterday|today|tonight|now|then|once|sometimes|usually|recently|lately|still|currently)\w+, (?=(?:i|my|i['’]\w+)\s)",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"(?:,\s*|\b)(?:u+m+|u+h+|e+r+m*|hm+|mm+)\b\s*,?|,\s*(?:you know|i mean|like|i guess|well)\s*,|,?\s+(?:you know|by the way|thanks|thank you|please|too|actually|though|lol|haha|anyway)$",
    re.IGNORECASE,
)
_TWICE = re.compile(r"\b(\w+)(?:\s+\1\b)+", re.IGNORECASE)
_EXPANSIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\bi['’]m\b|\bim\b", "I am"),
        (r"\b(?:i['’]ve|ive|i have) gotta\b|\bi gotta\b", "I have to"),
        (r"\b(?:i['’]ve|ive|i have) got\b", "I have"),
        (r"\bi['’]ve\b|\bive\b", "I have"),
        (r"\bi['’]ll\b", "I will"),
        (r"\bi['’]?d (?=(?:\w+ly |also |just )?(?:like|love|prefer|rather|want)\b)", "I would "),
        (r"\bwanna\b", "want to"),
        (r"\bgonna\b", "going to"),
        (r"\bi (really |also |just |still )?(?:don['’]t|dont)\b", r"I \1do not"),
        (r"\bi (really |also |just |still )?haven['’]?t\b", r"I \1have not"),
        (r"\b(my \w+)['’]s (?=(?:a|an|the|called|named|not|in|at|from|very|so|too|really|also|now|my|\d+|\w+ing|\w+ed|dead|ill|sick|gone|pregnant|fine)\b)", r"\1 is "),
        (r"\b(my (?:\w+ )?name)['’]s\b", r"\1 is"),
        (r"\b(my \w+)['’]s (?=(?:been|got|had)\b)", r"\1 has "),
    )
)  # fmt: skip
_LEADING_TIME = re.compile(
    r"""^(?:(?:last|this|next|every|each|one|some)\s\w+|in\s(?:the\s)?(?:\w+\s){0,2}?\w+|on\s\w+s?|at\s(?:\w+\s){0,2}?\w+|for\s(?:\w+\s){1,3}|
        since\s(?:\w+\s){0,3}?\w+|(?:\w+\s){1,3}ago|when|while|before|after|as\sa\s\w+|back\sin\s\w+|these\sdays|today|tonight|yesterday|now|
        currently|recently|lately|sometimes|usually|often|once|then|still|at\sthe\smoment|right\snow|unfortunately|sadly|luckily|
        fortunately|because\sof\s\w+|with\smy\s\w+|until\s\w+|growing\sup|outside\s\w+|besides\s\w+)\b""",
    re.IGNORECASE | re.VERBOSE,
)  # fmt: skip
_EARLY_WORDS = ("now", "currently", "also", "still", "then", "recently", "sometimes", "usually", "often")
_EARLY = re.compile(rf"^({'|'.join(_EARLY_WORDS)}),? {USER}(?= )\s*", re.IGNORECASE)
_NEGATED = word_set("cant wont didnt wasnt couldnt shouldnt wouldnt hadnt")
_PRONOUNS = {
    "i": "they",
    "my": "their",
    "mine": "theirs",
    "me": "them",
    "myself": "themselves",
    "our": "their",
    "ours": "theirs",
}
_UNSURE = re.compile(
    r"[\"“”«»]|\b(?:we|us|ourselves|no sorry|sorry|no wait|wait no|or rather|i mean|scratch that|correction|ain['’]?t)\b|\bi['’]d\b",
    re.IGNORECASE,
)


def plain_statement(clause: str) -> str:
    """The clause without fillers, openers ("well", "remember that") and stutters, with contractions of the first person written out."""
    text = _TWICE.sub(r"\1", one_line(clause).strip(" ,.:!-'\""))
    text = _NOISE.sub(" ", f"{text}").strip(" ,")
    text = " ".join(text.split())
    text = _ADDRESSED.sub("", _OPENERS.sub("", text))
    if text.isupper() and len(text) > 5:
        text = text.lower()
    text = re.sub(r"^(?:mum|mom|dad|grandma|grandpa|granny)(?= \w)", r"my \g<0>", text, flags=re.IGNORECASE)
    for pattern, replacement in _EXPANSIONS:
        text = pattern.sub(replacement, text)
    text = re.sub(r"\bi\b", "I", " ".join(text.split()))
    return _NOISE.sub("", text).strip(" ,.")


def in_third_person(statement: str) -> str | None:
    """A plain statement about the speaker as one sentence about "The user"; None where no rule is sure.

    The statement starts with "I", "my" or "our", with an expression of time and then "I" or "my", or is of the form "X is my Y".
    """
    if _UNSURE.search(statement):
        return None
    words = statement.split()
    at = next((at for at, word in enumerate(words) if _bare(word) in _PRONOUNS), None)
    if at is None or (at > 0 and not _may_come_first(" ".join(words[:at]), words[at])):
        return None
    start = _start(words, at)
    if start is None:
        return None
    opening, rest = start
    said = [*words[:at], *opening, *_others(rest, after=opening)]
    sentence = " ".join(said)
    if at > 0:
        sentence = sentence.replace(USER, USER.lower(), 1)
    return _sentence(_tidied(sentence))


def about(sentence: str, subject: str) -> str:
    """The sentence with another name for its person: "Ingrid", "Guest 7" or "A guest"."""
    if subject == USER:
        return sentence
    return sentence.replace(USER, subject).replace(
        USER.lower(), subject[0].lower() + subject[1:] if subject.startswith("A ") else subject
    )


def quoted(statement: str) -> str:
    """The statement word for word, where no rule is sure."""
    return f'{USER} said: "{statement.replace(chr(34), chr(39)).strip()}"'


def _bare(word: str) -> str:
    return word.lower().strip(",.;:!?()'’\"")


def _may_come_first(before: str, word: str) -> bool:
    if _LEADING_TIME.match(before) or (before.lower() == "the name of" and _bare(word) == "my"):
        return True
    return _bare(word) == "my" and bool(
        re.search(r"^[\w'’ -]{2,40} (?:is|was|are|were)(?: (?:also|now|not))?$", before)
    )


def _start(words: list[str], at: int) -> tuple[list[str], list[str]] | None:
    """The subject with its verb, and the words after it."""
    first = _bare(words[at])
    if first in {"my", "our"}:
        joined = words[at + 2 : at + 4]
        if at == 0 and [_bare(word) for word in joined] == ["and", "i"]:
            return [USER, "and", "their", words[at + 1]], words[at + 4 :]
        return ([f"{USER}'s"], words[at + 1 :]) if len(words) > at + (2 if at == 0 else 1) else None
    if first != "i":
        return None
    if [_bare(word) for word in words[at + 1 : at + 3]] == ["and", "my"] and len(words) > at + 4:
        return [USER, "and", "their", words[at + 3]], words[at + 4 :]
    return _with_verb(words, at)


def _with_verb(words: list[str], at: int) -> tuple[list[str], list[str]] | None:
    verb_at = at + 1
    while verb_at < len(words) and (_bare(words[verb_at]) in ADVERBS | {"no", "longer"} or _is_adverb(words[verb_at])):
        verb_at += 1
    if verb_at >= len(words):
        return None
    verb = words[verb_at]
    bare = _bare(verb)
    if not bare.isalpha() and not re.search(r"n['’]t$", bare):
        return None
    tail = verb[len(bare) :] if verb.lower().startswith(bare) else ""
    if bare in AUXILIARIES or is_past(bare) or bare in _NEGATED or bare.replace("’", "'").endswith("n't"):
        said = bare
    elif bare in BE or is_verb(bare) or _looks_like_verb(bare):
        said = third(bare)
    else:
        return None
    return [USER, *words[at + 1 : verb_at], said + tail], words[verb_at + 1 :]


def _is_adverb(word: str) -> bool:
    bare = _bare(word)
    return (
        len(bare) > 4
        and bare.endswith("ly")
        and bare not in {"apply", "rely", "reply", "supply", "bully", "rally", "multiply", "imply", "comply"}
    )


def _looks_like_verb(word: str) -> bool:
    return (
        word not in CONNECTORS
        and not re.search(r"(ing|ness|tion|ous|ful|able|est)$", word)
        and len(word) > 2
        and word not in {"too", "alone", "myself"}
    )


def _others(words: list[str], *, after: list[str]) -> list[str]:
    """The rest of the statement: every further "I" is "they"."""
    said: list[str] = []
    for word in words:
        bare = _bare(word)
        previous = _bare(said[-1]) if said else ""
        if bare in _PRONOUNS:
            start = word.lower().find(bare)
            said.append(word[:start] + _PRONOUNS[bare] + word[start + len(bare) :])
        elif previous == "they" and bare in {"am", "was"}:
            said.append(word.lower().replace("am", "are").replace("was", "were"))
        else:
            said.append(word)
    return said


def _lowered(word: str) -> str:
    return word.lower() if word.lower() in _EARLY_WORDS else word


def _tidied(sentence: str) -> str:
    owner = rf"(?:{USER}|{USER.lower()})'s"
    sentence = re.sub(rf"^{owner} (.{{1,40}}?)(?:'s|’s) name is (?=\S+$)", rf"{USER}'s \1 is called ", sentence)
    sentence = _EARLY.sub(rf"{USER} \1 ", sentence)
    sentence = re.sub(rf"^{USER} ([A-Z][a-z]+)(?= )", lambda found: f"{USER} {_lowered(found[1])}", sentence)
    return re.sub(r"^[Tt]he name of the user's (\S+) is ", rf"{USER}'s \1 is called ", sentence)


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else f"{text}."
