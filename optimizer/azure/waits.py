"""How long the service asks to stay away: in headers, in its own words, or by what its limits are."""

from __future__ import annotations

import re
from collections.abc import Collection

BLOCKED_SECONDS = 4 * 3600.0
"""How long to keep away after ``CloudDosTimeboudLimitReached``, whose text only asks for "few hours"."""

LONGEST_SECONDS = 31 * 86_400.0
"""The longest wait that is believed: what asks for more is a slip of a header."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

_VAGUE = {"s": 60.0, "m": 600.0, "h": BLOCKED_SECONDS, "d": 2 * 86_400.0}
"""What "few" or "some" of a unit counts as, in seconds."""

_AMOUNT = r"(?P<number>\d{1,6}(?:\.\d+)?|an?|one|few|some|several|a\ few|a\ couple\ of)\s+"
_UNIT = r"(?P<unit>s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)\b"

_ASKED = re.compile(
    r"(?i)\b(?:retry|try|tried|wait|again|resubmit)\b[^.;]{0,60}?\b(?:after|in|for)\s+"
    r"(?:about\s+|at\ least\s+|approximately\s+|another\s+|the\s+next\s+)?" + _AMOUNT + _UNIT
)
"""``retry after few hours``, ``try again after 24 hours``, ``please wait for 30 minutes``."""

_LIMIT = re.compile(
    r"(?i)\b(?:reached|exceed(?:ed|s)?|over)\b[^.;]{0,40}\blimit\b[^.;]{0,80}?\b"
    r"(?:(?:in|per|within|for|every)\s+(?:the\s+last\s+|a\s+period\s+of\s+|any\s+)?(?P<number>\d{1,4})\s*"
    r"(?P<unit>h(?:ou)?rs?|days?|minutes?)\b|(?P<day>(?:in|per|within)\s+(?:a|one)\s+day|daily|per\s+day)\b)"
)
"""``Operation is blocked as you have reached the limit on number of operations permitted in 24 hours``."""

_DOS_CODE = "clouddostimebou"
"""The service spells its own code ``CloudDosTimeboudLimitReached``."""


def blocked_seconds(codes: Collection[str], text: str, header_seconds: float | None) -> float | None:
    """Seconds for which the service is closed to this caller, whatever the status of its answer.

    Parameters
    ----------
    codes
        Codes of the answer, in lower case.
    text
        Its words.
    header_seconds
        ``Retry-After``, where it was sent.

    Returns
    -------
    float or None
        None where neither code nor text says that a limit over hours was reached.
    """
    if any(code.startswith(_DOS_CODE) for code in codes):
        return _longest(header_seconds, asked_seconds(text)) or BLOCKED_SECONDS
    if match := _LIMIT.search(text):
        period = 86_400.0 if match["day"] else float(match["number"]) * _UNITS[match["unit"][0].lower()]
        return _longest(header_seconds, asked_seconds(text), period)
    return None


def asked_seconds(text: str) -> float | None:
    """Seconds that the words of an answer ask to wait; None where they do not."""
    match = _ASKED.search(text)
    if match is None:
        return None
    unit, number = match["unit"][0].lower(), match["number"].lower()
    if number[0].isdigit():
        return min(float(number) * _UNITS[unit], LONGEST_SECONDS)
    return _UNITS[unit] if number in {"a", "an", "one"} else _VAGUE[unit]


def _longest(*seconds: float | None) -> float | None:
    known = [value for value in seconds if value is not None]
    return min(max(known), LONGEST_SECONDS) if known else None
