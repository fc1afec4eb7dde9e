"""Reads from an answer of the service how long to wait before the next request."""

from __future__ import annotations

import re
from collections.abc import Collection

BLOCKED_SECONDS = 4 * 3600.0
"""Seconds to stay away if the service only asks for "few hours" or "some time"."""

LONGEST_SECONDS = 31 * 86_400.0
"""Longest wait that is believed, in seconds; a longer one is taken for a mistake of the service."""

_DAY = 86_400.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY}
"""Seconds per unit, by its first letter."""

_VAGUE = {"s": 60.0, "m": 600.0, "h": BLOCKED_SECONDS, "d": 2 * _DAY}
"""Seconds that "few" or "some" of a unit count as."""

_WORDS = dict.fromkeys(("a", "an", "one"), 1.0) | {
    "half an": 0.5,
    "half a": 0.5,
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "six": 6.0,
    "eight": 8.0,
    "ten": 10.0,
    "twelve": 12.0,
    "fifteen": 15.0,
    "twenty": 20.0,
    "twenty-four": 24.0,
    "thirty": 30.0,
    "forty-five": 45.0,
    "sixty": 60.0,
}
"""Values of number words."""

_NUMBER = (
    r"['\"]?(?P<number>\d{1,7}(?:\.\d+)?|"
    + "|".join(sorted(_WORDS, key=len, reverse=True))
    + r"|(?:a\s+)?few|some|several|a\s+couple\s+of)['\"]?"
)
_UNIT = r"(?P<unit>s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)(?:\(s\))?"

_LENGTH = (
    r"\s*[:=]?\s*(?:(?:about|approximately|around|at\s+least|up\s+to|another|the\s+next|a\s+further)\s+)?(?:"
    rf"{_NUMBER}[\s-]*{_UNIT}(?!\w)"
    r"(?=['\"]?\s*(?:$|[,;:.!)\]]|(?:and|or|before|after|then|until|to|as|from|for|since|when|if|with|while)\b))"
    r"|['\"]?(?P<clock>\d{1,3}:\d\d:\d\d)\b"
    r"|['\"]?(?P<iso>PT?(?=\d)(?:(?P<iso_d>\d+)D)?T?(?:(?P<iso_h>\d+)H)?(?:(?P<iso_m>\d+)M)?(?:(?P<iso_s>\d+)S)?)\b)"
)
"""A duration and its end. The text after it must not make it part of a noun, as in "30 days retention"."""

_NO_PREPOSITION = r"(?:(?!\b(?:in|for|with|within|of|on|by|at|than|that|which|after)\b)[^.;]){0,60}?"
"""Text between the verb and its preposition, as in "try again in"; it must not contain another preposition."""

_ASKED = re.compile(
    r"(?i)\b(?:"
    rf"(?:retry|retried|try|tried|again|resubmit|resubmitted)\b{_NO_PREPOSITION}\b(?:after|in)\b"
    r"|retry-after\b|retry\s+after\b|wait(?:ing)?(?:\s+for|\s+at\s+least)?\b"
    rf"){_LENGTH}"
)
"""Phrases such as ``retry after few hours``, ``try again in '6' seconds``, ``please wait 45 minutes before`` or
``retry after PT4H``."""

_BARE = re.compile(r"(?i)\bretry[-\s]?after['\"]?\s*[:=]?\s*['\"]?(\d{1,7})['\"]?\s*(?:$|[,;)}\]]|\.(?!\d))")
"""The header in a text, such as ``Retry-After: 3600``; the number is in seconds."""

_TOMORROW = re.compile(rf"(?i)\b(?:retry|retried|try|tried|again|wait)\b{_NO_PREPOSITION}\btomorrow\b")

_SENTENCE = re.compile(r"[.;!](?:\s|$)")
_HIT = re.compile(r"(?i)\b(?:reached|exceed\w*|surpass\w*|over\s+(?:the|your|its)|beyond|hit|more\s+than|exhausted)\b")
_PERIOD = re.compile(
    r"(?i)\b(?:(?:in|per|within|every|over|during)\s+(?:the\s+|any\s+)?(?:last\s+|past\s+|a\s+period\s+of\s+)?"
    r"|(?P<span>))(?P<number>\d{1,4}|an?|one)?[\s-]*(?P<unit>h(?:ou)?rs?|days?|minutes?)\b(?(span)\s+(?:window|period|limit))"
    r"|\b(?P<daily>daily|hourly)\b"
)
"""Period of a limit, such as ``in 24 hours``, ``per day`` or ``daily``; "for 5 days" is how long something is kept."""

_OPERATIONS = re.compile(
    r"(?i)\b(?:operations?|requests?|calls|attempts|changes|modifications|modified|writes|updates|edits|creations"
    r"|\d+\s+(?:new\s+)?policies)\b"
)
_CONTENT = re.compile(r"(?i)\bretention|\bsnapshot|\bbackups\b|\brecovery points?\b|\bschedule")
"""Words about the content of a policy. Limits on such values are refusals as well, and waiting does not help."""

_DOS_CODE = "clouddos"
"""Prefix of ``CloudDosAbsoluteLimitReached``, and of ``CloudDosTimeboudLimitReached`` (the service's spelling)."""


def blocked_seconds(
    codes: Collection[str], text: str, header_seconds: float | None, *, throttled: bool = False
) -> float | None:
    """Seconds for which the service blocks this caller; the answer may have any status.

    Parameters
    ----------
    codes
        Error codes of the answer, in lower case.
    text
        Text of the answer.
    header_seconds
        Seconds of ``Retry-After``; None if it was not sent.
    throttled
        Whether the status already states that there were too many requests (429).

    Returns
    -------
    float or None
        None if neither code nor text reports that a limit over a period was reached.
    """
    closed = any(code.startswith(_DOS_CODE) for code in codes)
    period = _limit_period(text, throttled=throttled or closed)
    if not closed and period is None:
        return None
    asked = asked_seconds(text)
    known = [value for value in (header_seconds, period if asked is None else asked) if value is not None]
    return min(max(known, default=BLOCKED_SECONDS), LONGEST_SECONDS)


def asked_seconds(text: str) -> float | None:
    """Seconds that the text of an answer asks to wait; None if it does not."""
    match = _ASKED.search(text)
    if match is not None:
        return min(_seconds(match), LONGEST_SECONDS)
    if match := _BARE.search(text):
        return min(float(match[1]), LONGEST_SECONDS)
    return _DAY if _TOMORROW.search(text) else None


def _seconds(match: re.Match[str]) -> float:
    if match["clock"]:
        hours, minutes, seconds = map(int, match["clock"].split(":"))
        return hours * 3600.0 + minutes * 60.0 + seconds
    if match["iso"]:
        return sum(float(match[f"iso_{unit}"] or 0) * size for unit, size in _UNITS.items())
    unit, number = match["unit"][0].lower(), " ".join(match["number"].lower().split())
    if number[0].isdigit():
        return float(number) * _UNITS[unit]
    return _WORDS[number] * _UNITS[unit] if number in _WORDS else _VAGUE[unit]


def _limit_period(text: str, *, throttled: bool) -> float | None:
    """Seconds of the period whose limit on operations was reached; None if the text reports no such limit."""
    for sentence in _SENTENCE.split(text):
        match = _PERIOD.search(sentence)
        if match is None or not _HIT.search(sentence):
            continue
        period = _period(match)
        is_rate = period <= _DAY and _OPERATIONS.search(sentence) and not _CONTENT.search(sentence)
        if throttled or is_rate:
            return period
    return None


def _period(match: re.Match[str]) -> float:
    if match["daily"]:
        return _DAY if match["daily"].lower() == "daily" else 3600.0
    number = match["number"] or "1"
    return (float(number) if number.isdigit() else 1.0) * _UNITS[match["unit"][0].lower()]
