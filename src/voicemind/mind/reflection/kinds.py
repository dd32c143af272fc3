"""What a statement is about, and whether it is so clear that nobody needs to be asked before it is remembered."""

from __future__ import annotations

import re
from typing import Literal

from voicemind.mind.reflection.words import ANIMALS, RELATIVES, word_set

Kind = Literal["name", "pet", "home", "job", "family", "taste", "health", "age", "goal", "life", "other"]

_NUMBER = r"(?:\d{1,3}|[a-z]+teen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ]\w+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_KIN = "|".join(sorted(RELATIVES, key=len, reverse=True))
_PET = "|".join(sorted(ANIMALS, key=len, reverse=True))
_OCCUPATION = (
    r"(?:teacher|nurse|doctor|engineer|developer|programmer|student|lawyer|driver|writer|author|artist|musician|singer|actor|actress|farmer|chef|cook|"
    r"waiter|waitress|manager|accountant|carpenter|plumber|electrician|mechanic|pilot|soldier|scientist|researcher|professor|designer|architect|"
    r"journalist|photographer|painter|sailor|fisherman|baker|butcher|barber|hairdresser|secretary|pharmacist|dentist|vet|veterinarian|midwife|surgeon|"
    r"psychologist|librarian|policeman|police officer|firefighter|translator|salesman|consultant|analyst|entrepreneur|merchant|smith|blacksmith|"
    r"paramedic|postman|tailor|therapist|physicist|chemist|biologist|historian|economist|freelancer|cashier|cleaner|receptionist|volunteer|trainer|coach)"
)
_ILLNESS = (
    r"(?:allerg\w+|diagnosed|diabet\w+|asthma\w*|depress\w+|anxi\w+|panic attacks?|insomnia|migraines?|epilep\w+|cancer|adhd|autis\w+|bipolar|ptsd|ocd|"
    r"dyslexi\w+|pregnant|coeliac|celiac|arthritis|blood pressure|heart (?:attack|disease|condition)|stroke|surgery|operation|wheelchair|deaf|blind|"
    r"medication|medicine|antidepressants?|insulin|pills?|therapy|rehab|sober|chronic|pain|hiv|lactose|gluten|vegan|vegetarian|vaccinated|eating disorder|"
    r"trouble sleeping|cannot sleep|can't sleep|sleep badly|sleeps badly|stutters?|stammers?)"
)
_TABLE: tuple[tuple[Kind, str], ...] = (
    ("name", r"^the user's (?:\w+ )?name is \S+|^the user (?:is called|is named|goes by|wants to be called) \S+"),
    ("goal", r"^the user (?:now |also |still |really |just |only )*(?:wants|would (?:really |also )?(?:like|love) to|needs|hopes|plans|aims|intends|is (?:\w+ )?(?:trying|planning|hoping|working|aiming|going) (?:to|on|towards?)|has decided to|decided to|has to)\b"),
    ("goal", r"^the user's (?:\w+ ){0,2}(?:goals?|aim|plan|target|resolution|ambition|dream)\b"),
    ("age", rf"^the user (?:is|turned|turns|will be|will turn) (?:now |almost |nearly |just )?{_NUMBER}(?: years? old)?(?: (?:today|yesterday|last \w+|next \w+|this \w+|soon|in \w+))?\.$|^the user's (?:birthday|date of birth)\b|^the user was born\b"),
    ("home", r"^the user (?:now |still |currently |recently |just |also |has |have )*(?:lives?|lived|is living|moved|moves|grew up|was born|was raised|comes|came|is (?:originally )?from|is based|stays|resides|rents|bought a (?:house|flat|home)|owns a (?:house|flat))\b"),
    ("home", r"^the user's (?:home|house|flat|apartment|address|hometown|home town)\b"),
    ("job", rf"^the user (?:now |still |currently |also |has |just |recently |no longer |used to )*(?:works?|worked|is working|retired|is retired|is unemployed|is self-employed|studies|study|studied|teaches|quit their job|lost their job|got (?:a|the) (?:new )?job|got fired|got promoted|was (?:fired|promoted|laid off)|runs a|owns a|graduated|(?:is|was) (?:an?|the) (?:[\w-]+ ){{0,3}}{_OCCUPATION})\b"),
    ("job", r"^the user's (?:\w+ )?(?:job|work|boss|employer|company|profession|business|shift|salary|school|university|major|degree)\b"),
    ("pet", rf"^the user's (?:\w+ ){{0,2}}(?:{_PET})s?\b|^the user (?:now |also |still |once |just |recently )*(?:has|had|owns|got|adopted|bought|does not have|lost)(?: \S+){{0,4}} (?:{_PET})s?\b"),
    ("family", rf"^the user's (?:\w+ ){{0,2}}(?:{_KIN}|parents|grandparents|family|siblings|children|kids|friends?|twins)s?\b|^the user (?:now |also |still |only )*(?:has|had|does not have|lost)(?: \S+){{0,4}} (?:{_KIN}|children|siblings|parents)s?\b"),
    ("family", rf"^the user and their (?:{_KIN})\b|^the user (?:is|was|has been|got) (?:now |happily |recently |still |newly )*(?:married|divorced|single|engaged|widowed|separated|expecting|an only child|a (?:single )?(?:mother|father|mum|mom|dad|parent|grandmother|grandfather|widow|widower))\b|^the user (?:broke up|got married|got divorced|married|divorced)\b"),
    ("family", rf"^(?!the )[\w' -]{{2,30}} (?:is|was) the user's (?:{_KIN}|{_PET})\b"),
    ("taste", r"^the user (?:really |also |still |absolutely |never |always |usually |truly |just )*(?:likes|loves|enjoys|hates|dislikes|prefers|adores|detests|does not (?:really )?(?:like|enjoy|love|eat|drink)|cannot stand|can't stand|cant stand|is (?:\w+ )?(?:afraid|scared|terrified|fond) of|drinks|eats|plays|collects|speaks|supports|would rather|has never liked)\b"),
    ("taste", r"^the user's (?:\w+ )?(?:favou?rite|hobby|hobbies|passion|birthday|nickname|native language|mother tongue|religion)\b"),
    ("health", rf"^the user\b.*\b{_ILLNESS}\b"),
)  # fmt: skip
_SURE: list[tuple[Kind, re.Pattern[str]]] = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _TABLE]
_LEAD = re.compile(r"^(?!the user)(?:[\w'-]+,? ){1,4}the user(?=\W)", re.IGNORECASE)
_OPEN_ENDED = re.compile(
    r"\b(?:it|that|this|those|these|them|him|her|he|she|there|one|ones|stuff|something|things)\b", re.IGNORECASE
)
_FEELING = re.compile(
    r"^the user (?:\w+ ){0,2}(?:is|feels|was|felt) (?:\w+ ){0,2}\w+(?: (?:today|now|tonight|right now))?\.$",
    re.IGNORECASE,
)
_LIFE = re.compile(
    r"^the user(?:'s)? .*\b(?:\d{2,4}|years?|months?|died|dead|passed away|born|married|moved|lost|bought|sold|won|started|stopped|finished|learn\w*|"
    r"built|wrote|broke|accident|school|university|mother|father|since|ago|last|every|used to|no longer|lost|loves?|likes?|hates?)\b",
    re.IGNORECASE,
)


def kind_of(sentence: str) -> tuple[Kind, bool]:
    """What a sentence about "The user" is about, and whether that is clear-cut. The sentence is in the third person."""
    text = sentence.replace("’", "'")
    text = _LEAD.sub("the user", text)
    for kind, pattern in _SURE:
        if pattern.search(text):
            return kind, not (_OPEN_ENDED.search(text) and len(text.split()) < 6)
    return ("life" if _LIFE.search(text) else "other"), False


def is_worth_keeping(sentence: str) -> bool:
    """The verdict without a model, for a sentence that is not clear-cut: it names something that lasts."""
    text = _LEAD.sub("The user", sentence.replace("’", "'"))
    if re.match(r"The user is [A-Z][a-z]+\.$", text):
        return True
    if _FEELING.match(text) or len(text.split()) < 5:
        return False
    named = re.search(r"(?<!^)(?<![.!?\"] )\b[A-Z][a-z]{2,}", text.removeprefix("The user said: "))
    return bool(_LIFE.search(text) or (named and not _OPEN_ENDED.search(text)))


_NAMED = re.compile(
    r"\b(?:called|named|name is) ((?:[a-z][\w'’-]*)(?: [a-z][\w'’-]*)?)(?=[.,]|$| (?:and|but|after|who|because)\b)"
)
_PLACED = re.compile(
    r"\b(?:lives? in|lived in|living in|moved to|from|born in|grew up in|works in|based in) ([a-z][\w'’-]+)(?=[.,]|$| (?:and|but|with|now|for|since|because|last|when|in)\b)"
)
_COMMON = word_set("""a an the my their his her its our this that here there home work school bed town city country abroad london's another some any one
    two three four five small big little large old new same different something nothing someone people person day night today
    years months weeks childhood january february march april may june july august september october november december""")  # fmt: skip


def with_capitals(sentence: str) -> str:
    """The sentence with capitals for names and places, where a recogniser wrote none at all."""
    if re.search(r"[A-Z]", sentence.removeprefix("The user")):
        return sentence
    for pattern in (_NAMED, _PLACED):
        found = pattern.search(sentence)
        if found and found[1].split()[0] not in _COMMON:
            name = " ".join(word[0].upper() + word[1:] for word in found[1].split())
            sentence = sentence[: found.start(1)] + name + sentence[found.end(1) :]
    return sentence
