"""What may never become memory: instructions in disguise, markup, secrets; and what is not worth it: questions, fillers, wishes."""

from __future__ import annotations

import re
import unicodedata

from voicemind.mind.plain import is_invisible, visible
from voicemind.mind.reflection.orders import is_order

_TAMPERED = re.compile(
    r"""<\|?/?\s*\w[^>]{0,80}\|?>            # <system>, <|im_start|>, </user>
      | \[/?\s*(?:inst|sys|system|tool\w*|assistant|user|human|end|begin)\b[^\]]{0,40}\]
      | <<\s*/?\s*sys | ‹\|? | \|> | \|\|
      | ```|~~~|"{3}|'{3}
      | ^[ \t]*[\#=*_-]{3,} | ^[ \t]*\#{2,}[ \t]*\w
      | <!--|&(?:lt|gt|\#\d+|\#x[0-9a-f]+); | \]\( | \bjavascript:
      | [{\[]\s*["'][\w ./-]+["']\s*:          # {"tool": …
      | "\s*:\s*[\[{"] | ["']?(?:tool_call|function_call|tool_use|arguments|operations)["']?\s*[:=]
      | \b(?:system|assistant|developer|tool|function|human|user|ai|agent)\s*[:>]\s
      | ^[ \t]*(?:\#+|-{2,})[ \t]*(?:system|instruction|new|rules?|context|memory|end|begin)
      | \b(?:role|content)\s*=\s*["']
      | begin\s+(?:system|prompt|instructions?) | end\s+of\s+(?:transcript|prompt|data|conversation|user|input)
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_AGENT = r"(?:assistant|counsell?or|chat ?bot|bot|ai|a\.i\.|agent|model|system|character|llm|program|software)"
_DUTY = r"(?:must|should|shall|has to|have to|needs? to|ought to|is (?:now )?(?:required|obliged|allowed|permitted|free|able|to)|can(?:not)?|may|will)"
_INSTRUCTION = re.compile(
    rf"""\b(?:
        (?:ignore|disregard|forget|override|bypass|overwrite|delete|erase|drop|skip|violate|break)\s
            (?:\w+\s){{0,4}}(?:instruction|rule|prompt|guideline|polic|restriction|order|command|memor(?:y|ies)\b|context|filter|safet)\w*
      | (?:ignore|disregard|forget|override)\s(?:\w+\s){{0,3}}above\b
      | (?:previous|prior|above|earlier|old|original|system|initial|hidden|new|secret|special|following)\s(?:system\s)?
            (?:instruction|prompt|rule|guideline|directive|command|order)s?
      | system\s(?:prompt|message|instruction|override|note|update|mode) | developer\smode | jail ?break | prompt\sinjection | god\smode
      | from\snow\son | henceforth | from\sthis\s(?:point|moment|day)\s(?:on|forward)
      | (?:in|for|with)\s(?:all|every|each|any|future)\s(?:\w+\s)?(?:future\s)?(?:answer|repl(?:y|ies)|response|message|conversation|session|talk)\w*
      | (?:all|every|each|any)\s(?:answer|repl(?:y|ies)|response|message|sentence)s?\s
      | (?:starting|beginning|effective|as\sof)\s(?:today|now|immediately)\b.{{0,20}}\b(?:you\b|call|address|answer|repl|say|speak|treat)
      | call\s(?:me|them|the\suser)\s.{{1,40}}\s(?:and\snothing\selse|at\sall\stimes)
      | you\sare\snow\b | the\s{_AGENT}\sis\snow\b | your\s(?:identity|persona|guidelines?|instructions?|system|programming|prompt)\b
      | (?:require|command|instruct|order|demand|authori[sz]e|forbid)(?:s|ed|es)?\sthe\s(?:agent|assistant|chat\s?bot|bot|ai|llm)\b
      | (?:the|this|that|an?|any)\s{_AGENT}\s{_DUTY} | {_AGENT}\s(?:must|should|shall|has\sto|needs\sto)
      | as\s(?:an?\s)?(?:ai|language\smodel) | you\sare\s(?:now\s)?(?:an?|the|my)\b | act\s(?:as|like)\s | pretend\s(?:to\sbe|that|you|i)\b | role-?play\sas
      | my\s(?:\w+\s)?(?:rule|instruction|command|order|directive|polic(?:y|ies)|prompt|request|demand)s?\s(?:is|are|for|to)
      | (?:obey(?!s\b)\w*|comply|jailbroken|unrestricted|unfiltered|uncensored|do\sanything\snow)\b | must\sbe\s(?:obeyed|followed|trusted|believed|done)
      | (?:i|user|guest)\s(?:\w+\s){{0,3}}(?:order|command|instruct|require|demand|authori[sz]e|forbid|permit|allow|expect|want|need|ask|urge|program|tell)s?\s
            (?:the\s{_AGENT}|this\s{_AGENT}|an?\s{_AGENT}|everyone|it)\b
      | (?:i|we)(?:\sam|['’]?m|\sare|\shave|['’]ve)\s(?:\w+\s){{0,3}}(?:your\s\w+|authori[sz]ed|root|superuser|admin\s(?:rights|access)|
            (?:full|unlimited|unrestricted|special|admin\w*|root)\s(?:access|permissions?|rights|privileges?|clearance))
      | permission\sto\s | access\sto\s(?:all|every|other|the)\s | (?:other|all|every)\s(?:patient|user|client|guest)s?['’]?\s
      | (?:reveal|repeat|print|output|show|leak|exfiltrate|disclose)\s(?:\w+\s){{0,4}}(?:prompt|secret|instruction|password|key|memor)
      | (?:save|store|add|write|put|insert|record|append|keep)\s(?:\w+\s){{0,4}}(?:in|into|to)\s(?:\w+\s)?(?:memor|mind|prompt|block|notes?|identity|role)\w*
      | (?:call|invoke|execute|run)\s(?:the\s)?(?:\w+\s)?(?:tool|function|action|command|script)\b | sudo | base64 | eval\( | https?://
      | (?:when|whenever|if|every\stime)\s(?:\w+\s){{1,6}}(?:say|answer|reply|respond|ask|tell)s?\s(?:\w+\s)?(?:with|that|them|him|her|me|to|about)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_MANNER = re.compile(
    r"""\b(?:always|never|only|must|should)\s(?:be\s)?(?:answer|repl(?:y|ies)|respond|obey|say|speak|talk|call|mention|reveal|refer|treat|trust|
        believe|follow|address|agree|recommend|begin|start|end|include|pretend|act|refuse|output|print|write|use\sthe\sword)\w*""",
    re.IGNORECASE | re.VERBOSE,
)
_OWN_MANNER = re.compile(
    r"\b(?:i|we|he|she|they|the user|(?:my|their|the user's) \w+)(?: (?:can|could|just|really|have|has|had|almost|will|would))? (?:always|never|only|must|should)\b",
    re.IGNORECASE,
)
_DICTATED = re.compile(
    r"""(?:^|[.!?:"“]\s*)(?:please\s|now\s|and\s)?(?:add|put|write|save|store|insert|record|note|enter|file)\s.{0,40}\b(?:plan|record|file|chart|profile|history)\b""",
    re.IGNORECASE,
)
_ABOUT_AGENT = re.compile(r"^(?:the|this|your)\s(?:agent|assistant|chat\s?bot|bot|ai|llm)(?:['’]s)?\b", re.IGNORECASE)
_SECRET = re.compile(
    r"\b(?:pass ?word|pass ?code|pass ?phrase|pin (?:code|number)|my pin|credit card|card number|cvv|iban|api key|access token|"
    r"social security|bank account number|security code)\b|\b(?:\d[ -]?){12,19}\b|\bsk-[\w-]{8,}",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"\b(?:if|unless|suppose|supposing|imagine|pretend|what if|let['’]?s say|say that|assum(?:e|ing)|i wish|wish(?:ed)?|in case|would|wouldn['’]?t|"
    r"i['’]d(?! (?:like|love|prefer|rather))|might|maybe|perhaps|dream(?:t|ed)? (?:that|about|i)|in (?:my|the) (?:dream|story|book|game|film|movie)|"
    r"just (?:kidding|joking)|kidding|hypothetically|as if|for example)\b",
    re.IGNORECASE,
)
_WISH = re.compile(r"\bi (?:\w+ )?(?:would|['’]d) (?:\w+ )?(?:like|love|prefer|rather)\b", re.IGNORECASE)
_QUESTION = re.compile(
    r"^(?:what|who|whom|whose|which|where|when(?! (?:i|my|we)\b)|why|how|do|does|did|can|could|would|will|is|are|am|was|were|"
    r"should|shall|may|have you|has|don['’]?t you|isn['’]?t|aren['’]?t|guess what)\b|\b(?:don['’]?t|isn['’]?t|aren['’]?t|right|or not|huh|eh)$",
    re.IGNORECASE,
)
_SMALL_TALK = re.compile(
    r"""^(?:(?:well|so|oh|yes|no|yeah|and|but)\s)*(?:
        i(?:['’]?m|\sam|\sfeel|\swas)\s(?:\w+\s)?(?:fine|good|great|ok|okay|well|alright|all\sright|here|back|ready|listening|done|sorry|
            glad|sure|not\ssure|happy\sto|pleased|curious|wondering|just\s(?:testing|asking|saying|looking|wondering|kidding|curious|here)|
            testing|calling|asking|saying|talking|speaking|so\s(?:sorry|glad)|kidding|joking|afraid\s(?:so|not))\b.*
      | i\s(?:really\s|just\s|also\s|still\s|do\s|did\s|don['’]?t\s|do\snot\s|didn['’]?t\s|can['’]?t\s|cannot\s|can\s|could\s|totally\s)*(?:know|think|guess|see|understand|agree|
            suppose|hope|mean|believe|appreciate|wonder|bet|doubt|promise|swear|remember|forget|forgot|hear|heard|care|mind|disagree|get)(?:\s(?:so|it|not|that|this|what|why|how|you|too|now|then|whether|where|who|if|anything|nothing|either)\b.*)?
      | i\s(?:have|had|['’]ve|['’]?ve\sgot|got)\s(?:a|an|another|one|two|some|no|any)\s(?:\w+\s)?(?:question|idea|feeling|second|minute|moment|problem\shearing|clue|doubt)s?\b.*
      | i\s(?:would|['’]d|want|wanted|wanna|need|needed|like|['’]?d\slike|would\slike|am\sgoing|have)\s(?:\w+\s)?(?:to\s)?(?:talk|ask|say|tell|hear|know\s(?:what|if|about|more|how|why)|discuss|chat|speak|thank|
            see\s(?:what|if|how)|test|mention|share|go\snow|leave\snow|end\s(?:this|the)|stop\s(?:here|now|talking)|add\sthat|point\sout)\b.*
      | i\s(?:said|told|asked|meant|mentioned|was\s(?:just\s)?(?:saying|asking|wondering|thinking|going))\b.*
      | my\s(?:pleasure|bad|god|goodness|point|question|word|fault|apologies|mistake)\b.*
      | i\s(?:have|need|['’]?ve\sgot)\sto\s(?:go|leave|run|be\soff|hang\sup)(?:\s\w+)?
      | (?:we|i)\s(?:can|could|will|should)\s(?:talk|start|begin|stop|continue|go\son)\b.*
      | me\stoo.* | same\shere | i\s(?:do|did|don['’]?t|didn['’]?t|am|was|have|had|will|can|can['’]?t|won['’]?t)(?:\s(?:too|not|so|either))?
    )\s*$""",
    re.IGNORECASE | re.VERBOSE,
)


_JOINING = (
    "ARABIC",
    "SYRIAC",
    "DEVANAGARI",
    "BENGALI",
    "GURMUKHI",
    "GUJARATI",
    "TAMIL",
    "TELUGU",
    "KANNADA",
    "MALAYALAM",
    "SINHALA",
)
"""Scripts whose letters change their shape beside each other."""


def is_tampered(text: str) -> bool:
    """Whether a turn carries what no person says: role tags, chat templates, tool calls, delimiters, invisible characters."""
    if text.isascii() and text.isprintable():  # nearly every turn: nothing of it is hidden or disguised
        return bool(_TAMPERED.search(text))
    if any(is_invisible(character) and not _joins(text, at) for at, character in enumerate(text)):
        return True
    return bool(_TAMPERED.search(text) or _TAMPERED.search(visible(text)) or _mixes_scripts(text))


def is_hostile(text: str) -> bool:
    """Whether a text carries markup or orders, so that it is not to be shown in a prompt at all."""
    return is_tampered(text) or is_instruction(text)


def is_instruction(text: str) -> bool:
    """Whether a statement tells the agent what to do, or claims rights over it. Also asked of every entry before it is written."""
    plain = visible(text).replace("’", "'")
    spaced_out = re.sub(r"\b(\w)[ .\-_](?=\w\b)", r"\1", plain)
    forms = {plain, spaced_out, re.sub(r"[^\w\s']+", "", plain)}
    if is_order(plain) or _DICTATED.search(plain):
        return True
    return any(_INSTRUCTION.search(form) or _MANNER.search(_OWN_MANNER.sub("they", form)) for form in forms)


def is_about_agent(text: str) -> bool:
    """Whether a statement says what the agent is, does or wants: no fact about a person."""
    return bool(_ABOUT_AGENT.match(visible(text)))


def is_secret(text: str) -> bool:
    """Whether a statement gives away a password or a number that should not be kept."""
    return bool(_SECRET.search(text))


def is_question(text: str) -> bool:
    """Whether recognised speech without punctuation asks something."""
    return bool(_QUESTION.search(text))


def is_supposed(text: str) -> bool:
    """Whether a statement is about what could be rather than what is; "I would like" is a wish, and stated."""
    return bool(_SUPPOSED.search(_WISH.sub("", text)))


def is_small_talk(text: str) -> bool:
    """Whether a statement only keeps the conversation going."""
    return bool(_SMALL_TALK.match(text))


def _joins(text: str, at: int) -> bool:
    """Emoji are joined and coloured by characters that cannot be seen on their own, and Persian and Indian letters parted by them."""
    if text[at] not in "\u200c\u200d\ufe0f" or at == 0:
        return False
    before = text[at - 1]
    if text[at] != "\ufe0f" and unicodedata.name(before, "").startswith(_JOINING):
        return True
    return unicodedata.category(before) in {"So", "Sk"} or before == "\ufe0f"


def _mixes_scripts(text: str) -> bool:
    """Latin and Cyrillic or Greek letters in one word: a disguise, not a language."""
    for word in re.findall(r"\w+", text):
        scripts = {unicodedata.name(letter, "?").split()[0] for letter in word if letter.isalpha()}
        if "LATIN" in scripts and scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}:
            return True
    return False
