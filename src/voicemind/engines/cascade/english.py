"""What stands for words in written English, and the words it stands for. Pure.

Each rule is a pattern and a function of its match; `RULES` are tried in order wherever a token may begin. Digits are ASCII: others are left to the voice.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from voicemind.engines.cascade.numbers import cardinal, decimal, digits, ordinal, plural, year

Rule = tuple[str, Callable[[re.Match[str]], str]]

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MONTH = "(?:" + "|".join([*_MONTHS, "(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\\b\\.?"]) + ")"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"

CURRENCIES = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", ""), "₹": ("rupee", ""),
}  # fmt: skip
_PLURALS = {
    "penny": "pence",
    "yen": "yen",
    "hertz": "hertz",
    "kilohertz": "kilohertz",
    "megahertz": "megahertz",
    "gigahertz": "gigahertz",
}
_MAGNITUDES = {"k": "thousand", "m": "million", "bn": "billion", "b": "billion", "tn": "trillion"}

UNITS = {
    "km/h": "kilometre per hour", "m/s": "metre per second", "mph": "mile per hour", "km²": "square kilometre", "m²": "square metre",
    "m³": "cubic metre", "km": "kilometre", "cm": "centimetre", "mm": "millimetre", "m": "metre", "kg": "kilogram", "mg": "milligram",
    "g": "gram", "lbs": "pound", "lb": "pound", "oz": "ounce", "ml": "millilitre", "mL": "millilitre", "l": "litre", "L": "litre", "ft": "foot",
    "ms": "millisecond", "min": "minute", "hrs": "hour", "hr": "hour", "h": "hour", "s": "second", "GHz": "gigahertz", "MHz": "megahertz", "kHz": "kilohertz",
    "Hz": "hertz", "kW": "kilowatt", "kWh": "kilowatt hour", "W": "watt", "V": "volt", "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "kcal": "kilocalorie", "dB": "decibel",
}  # fmt: skip
ABBREVIATIONS = {
    "Dr.": "Doctor", "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miss", "Prof.": "Professor", "Jr.": "Junior", "Sr.": "Senior", "St.": "Saint", "Mt.": "Mount",
    "vs.": "versus", "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is", "approx.": "approximately", "dept.": "department", "Gen.": "General",
    "Capt.": "Captain", "Rev.": "Reverend", "Inc.": "Incorporated", "Ltd.": "Limited", "cf.": "compare", "a.k.a.": "also known as", "w/": "with", "w/o": "without",
}  # fmt: skip
_SPELLED = frozenset(
    [
        "AI",
        "API",
        "BBC",
        "CEO",
        "CFO",
        "CIA",
        "CPU",
        "CTO",
        "DIY",
        "DNA",
        "EU",
        "FAQ",
        "FBI",
        "FYI",
        "GPU",
        "HIV",
        "HR",
        "ID",
        "IP",
        "IQ",
        "IT",
        "MIT",
        "OCD",
        "ATM",
        "PC",
        "PDF",
        "PR",
        "PTSD",
        "RNA",
        "TV",
        "UFO",
        "UI",
        "UK",
        "UN",
        "URL",
        "USA",
        "USB",
        "UV",
        "VIP",
        "VPN",
        "ADHD",
        "EMDR",
        "CBT",
    ]
)
_SCALE = {"C": "Celsius", "F": "Fahrenheit", "K": "Kelvin"}
_FRACTIONS = {"½": "one half", "¼": "one quarter", "¾": "three quarters", "⅓": "one third", "⅔": "two thirds"}
SYMBOLS = {
    "&": "and", "+": "plus", "=": "equals", "≈": "about", "×": "times", "÷": "divided by", "°": "degrees", "@": "at", "%": "percent", "§": "section", "→": "to", "⇒": "so",
    "<": "less than", ">": "greater than", "≤": "at most", "≥": "at least", "≠": "is not", "±": "plus or minus", "√": "the square root of", "∞": "infinity", "µ": "micro",
    "€": "euros", "$": "dollars", "£": "pounds", "¥": "yen", "₹": "rupees", "/": "slash", "²": "squared", "³": "cubed",
    **_FRACTIONS,
}  # fmt: skip
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))


def counted(number: str, thing: str) -> str:
    """
    >>> counted("1", "metre"), counted("2.5", "kilometre per hour")
    ('one metre', 'two point five kilometres per hour')
    """
    first, space, rest = thing.partition(" ")
    if thing.startswith(("square", "cubic", "kilowatt ")):
        return f"{decimal(number)} {first} {rest if number == '1' else plural(rest)}"
    return f"{decimal(number)} {first if number == '1' else _PLURALS.get(first) or plural(first)}{space}{rest}"


def _money(match: re.Match[str]) -> str:
    amount, magnitude = match["amount"], (match["magnitude"] or "").strip()
    main, minor = CURRENCIES[match["before"] or match["after"]]
    if magnitude:
        return (
            f"{decimal(amount)} {_MAGNITUDES.get(magnitude.casefold(), magnitude)} {_PLURALS.get(main) or plural(main)}"
        )
    whole, _, cents = amount.partition(".")
    if len(cents) != 2 or not minor:
        return counted(amount, main)
    small = counted(str(int(cents)), minor)
    if int(whole.replace(",", "")) == 0:
        return small
    return counted(whole, main) + (f" and {small}" if int(cents) else "")


def _clock(match: re.Match[str]) -> str:
    hour, minute, half = int(match["hour"]), match["minute"], (match["half"] or "").replace(".", "").strip().upper()
    said = cardinal(hour)
    if minute and int(minute):
        said += f" {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    elif not half:
        said += " o'clock" if 0 < hour <= 12 else " hundred"
    return f"{said} {' '.join(half)}".strip()


def _day_first(match: re.Match[str]) -> str:
    return f"the {ordinal(int(match['day1']))} of {_month(match['month1'])}" + _of_year(match["year1"])


def _month_first(match: re.Match[str]) -> str:
    return f"{_month(match['month2'])} {ordinal(int(match['day2']))}" + _of_year(match["year2"])


def _iso_date(match: re.Match[str]) -> str:
    return f"{_MONTHS[int(match['mm']) - 1]} {ordinal(int(match['dd']))}{_of_year(match['yyyy'])}"


def _slash_date(match: re.Match[str]) -> str:
    return f"{_MONTHS[int(match['sm']) - 1]} {ordinal(int(match['sd']))}{_of_year(match['sy'])}"


def _month(written: str) -> str:
    return next(month for month in _MONTHS if month.startswith(written.rstrip(".")[:3]))


def _of_year(written: str | None) -> str:
    return f", {year(int(written))}" if written else ""


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    return ("plus " if match[0].startswith("+") else "") + ", ".join(digits(group) for group in groups)


def _decade(match: re.Match[str]) -> str:
    written = match["decade"]
    if len(written) == 4 and written[2:] == "00":
        return f"{cardinal(int(written[:2]))} hundreds" if written[1] != "0" else f"{cardinal(int(written))}s"
    return plural(year(int(written)) if len(written) == 4 else cardinal(int(written)))


def _fraction(match: re.Match[str]) -> str:
    over, under = int(match["over"]), int(match["under"])
    if over >= under or (over, under) == (9, 11):
        return f"{cardinal(over)} {cardinal(under)}"
    name = {2: "half", 4: "quarter"}.get(under) or ordinal(under)
    return f"{cardinal(over)} {name if over == 1 else 'halves' if under == 2 else plural(name)}"


def _dotted(match: re.Match[str]) -> str:
    return " point ".join(
        digits(part) if len(part) > 6 or part[0] == "0" else cardinal(int(part)) for part in match[0].split(".")
    )


def _number(match: re.Match[str]) -> str:
    sign = "minus " if match["sign"] else ""
    written = match["number"]
    if len(written) == 4 and written.isdigit() and 1500 <= int(written) < 2100 and not sign:
        return year(int(written))
    return sign + decimal(written)


def _acronym(match: re.Match[str]) -> str:
    letters = match["letters"]
    if letters in _SPELLED or not re.search("[AEIOUY]", letters):
        return " ".join(letters) + ("s" if match["several"] else "")
    return match[0]


def _address(match: re.Match[str]) -> str:
    return _dots(match["local"].replace("@", " at ")) + " at " + _dots(match["domain"])


def _page(match: re.Match[str]) -> str:
    path = match["path"].strip("/")
    said = _dots(match["host"])
    return (
        said + " slash " + _dots(path.replace("/", " slash "))
        if 0 < len(path) <= 24 and re.fullmatch(r"[\w/.-]+", path)
        else said
    )


def _dots(text: str) -> str:
    words = text.replace(".", " dot ").replace("-", " dash ").replace("_", " underscore ").replace("+", " plus ")
    return re.sub(r"\d{1,15}", lambda match: f" {decimal(match[0])} ", words)


RULES: tuple[Rule, ...] = (
    (r"(?P<local>[\w.+-]+)@(?P<domain>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})", _address),
    (r"(?:https?://(?:www\.)?|\bwww\.)(?P<host>[\w-]+(?:\.[\w-]+)*)(?::\d+)?(?P<path>(?:[/?#][^\s<>()\"“”]*[^\s<>()\"“”.,;:!?'’\]*_`])?)/?", _page),
    (r"\b(?P<yyyy>[12]\d{3})-(?P<mm>0[1-9]|1[0-2])-(?P<dd>0[1-9]|[12]\d|3[01])\b(?!-)", _iso_date),
    (r"\b(?P<sm>0?[1-9]|1[0-2])/(?P<sd>0?[1-9]|[12]\d|3[01])/(?P<sy>(?:19|20)\d\d)\b", _slash_date),
    (rf"\b(?P<day1>[12]?\d|3[01])(?:st|nd|rd|th)? (?P<month1>{_MONTH})(?:,? (?P<year1>(?:1[5-9]|20)\d\d)\b)?(?![\w])", _day_first),
    (rf"\b(?P<month2>{_MONTH}) (?P<day2>[12]?\d|3[01])(?:st|nd|rd|th)?\b(?!:\d)(?:,? (?P<year2>(?:1[5-9]|20)\d\d)\b)?", _month_first),
    (r"(?<![\w.])(?:(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d))(?P<half>\s?(?:[aApP]\.m\.|[aApP][mM]\b))?)(?!:?\d)", _clock),
    (r"(?<![\w.])(?P<hour_only>0?[1-9]|1[0-2])\s?(?P<half_only>[aApP]\.m\.|[aApP][mM]\b)", lambda m: f"{cardinal(int(m['hour_only']))} {' '.join(m['half_only'].replace('.', '').upper())}"),
    (rf"(?:(?P<before>[$€£¥₹])\s?)(?P<amount>{_NUMBER})(?P<magnitude>\s?(?:thousand|million|billion|trillion|[kKmM]|bn|tn)\b)?(?P<after>)(?!\d)", _money),
    (r"(?<![\w.,])(?:\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,5}|\(\d{2,5}\)[ .-]?\d{3,4}[ .-]?\d{3,5}|(?:\d{3}[ .-]){1,2}\d{4}|0\d{2,4}[ -]\d{3,8})\b(?![.,]?\d)", _phone),
    (rf"(?P<percent>{_NUMBER})\s?%", lambda m: f"{decimal(m['percent'])} percent"),
    (rf"(?<![\w.])(?P<degrees>[-−–]?{_NUMBER})\s?°\s?(?P<scale>[CFK])\b", lambda m: f"{_signed(m['degrees'])} degrees {_SCALE[m['scale']]}"),
    (rf"(?<![\w.])(?P<euros>{_NUMBER})\s?(?P<sign_after>[€£])", lambda m: counted(m["euros"], CURRENCIES[m["sign_after"]][0])),
    (r"(?<!\w)['’]?(?P<decade>(?:1[5-9]|20)?\d0)['’]?s\b", _decade),
    (rf"(?<![\w.])(?P<measure>{_NUMBER})\s?(?P<unit>{_UNIT})(?![\w²³/'’])", lambda m: counted(m["measure"], UNITS[m["unit"]])),
    (r"(?<![\w.,])(?P<nth>\d{1,3}(?:,\d{3})*|\d{1,15})(?:st|nd|rd|th)\b", lambda m: ordinal(int(m["nth"].replace(",", "")))),
    (r"(?<![\w./])(?P<over>\d{1,2})/(?P<under>[2-9]|1\d|[2-9]\d|100)(?![\w/])(?!\.\d)", _fraction),
    (r"(?<=:\d\d)\s?[-–—]\s?(?=\d{1,2}:\d\d)", lambda _: " to "),
    (rf"(?<![\w.])(?P<low>{_NUMBER})\s?[-–—]\s?(?={_NUMBER}(?![\d-])(?!\.\d)(?!,\d{{3}}\b)(?!\s?[-–]))", lambda m: f"{_maybe_year(m['low'])} to "),
    (r"(?<![\w.])\d+(?:\.\d+){2,}\b", _dotted),
    (rf"(?:(?<![\w.)])(?P<sign>[-−]))?(?<![\d.])(?P<number>{_NUMBER})", _number),
    (r"\bNo\. (?=\d)", lambda _: "number "),
    (r"#(?=\d)", lambda _: "number "),
    (r"(?<![\w])[ap]\.m\.", lambda m: " ".join(m[0].replace(".", "").upper())),
    (r"\bSt\.(?! [A-Z])", lambda _: "Street"),
    ("(?<![\\w.])(?:" + "|".join(sorted(map(re.escape, ABBREVIATIONS), key=len, reverse=True)) + ")", lambda m: ABBREVIATIONS[m[0]]),
    (r"\b(?P<letters>[A-Z]{2,5})(?P<several>s?)\b", _acronym),
    (r"(?<=\band)/(?=or\b)", lambda _: " "),
    (r"(?<=[^\W\d])/(?=[^\W\d])", lambda _: " or "),
    (r"~(?=\s?\d)", lambda _: "about "),
    ("[" + "".join(map(re.escape, SYMBOLS)) + "]", lambda m: f" {SYMBOLS[m[0]]} "),
)  # fmt: skip


def _signed(written: str) -> str:
    return f"minus {decimal(written[1:])}" if written[0] in "-−–" else decimal(written)


def _maybe_year(written: str) -> str:
    return year(int(written)) if re.fullmatch(r"(?:1[5-9]|20)\d\d", written) else decimal(written)
