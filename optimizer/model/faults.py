"""Explains pydantic's errors in the words of this product: the place, the value, and what is allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]
Notation = Literal["TOML", "JSON"]

_LONGEST_VALUE = 60
"""Number of characters of a value that a message shows."""

_MOST_FAULTS = 3
"""Number of faults that one message lists; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Explanation of a wrong value.

    Parameters
    ----------
    wrong
        What is wrong, such as "is too small".
    allowed
        What is allowed, such as "1 or more".
    advice
        What to do about it, such as "raise it".
    """

    wrong: str
    allowed: str
    advice: str

    def __str__(self) -> str:
        """All three parts in one line, to follow "KEY = VALUE: "."""
        return f"{self.wrong}; allowed: {self.allowed}; {self.advice}"


_TABLE = {"TOML": "a table, as { key = value }", "JSON": 'an object, as { "key": value }'}
_DATE = {"TOML": "a date, as 2026-12-24", "JSON": 'a date in quotes, as "2026-12-24"'}
_MOMENT = 'a date and time with its UTC offset in quotes, as "2026-12-24T20:00:00Z"'

_TYPES: Mapping[str, str | Mapping[str, str]] = {
    "bool": "true or false, without quotes",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "decimal": "a number, without quotes",
    "string": 'text in quotes, as "sql-*"',
    "list": "a list, as [ ... ]",
    "tuple": "a list, as [ ... ]",
    "set": "a list, as [ ... ]",
    "frozen_set": "a list, as [ ... ]",
    "iterable": "a list, as [ ... ]",
    "dict": _TABLE,
    "mapping": _TABLE,
    "model": _TABLE,
    "model_attributes": _TABLE,
    "date": _DATE,
    "time": 'a time of day in quotes, as "20:00"',
    "datetime": _MOMENT,
    "time_delta": 'a duration in quotes, as "PT2H"',
    "none": "nothing",
}
"""What is allowed where a value has the wrong type, by the part of pydantic's error name before ``_type`` or
``_parsing``."""

_SAME_TYPE = {
    "int_from_float": "int",
    "date_from_datetime_parsing": "date",
    "date_from_datetime_inexact": "date",
    "datetime_from_date_parsing": "datetime",
    "datetime_object_invalid": "datetime",
    "none_required": "none",
}
"""Type errors whose names do not follow the usual pattern, with the type that they are about."""

_VALUES: Mapping[str, tuple[str, str, str]] = {
    "finite_number": ("is not a finite number", "a finite number", "write a number"),
    "greater_than": ("is too small", "more than {gt:g}", "raise it"),
    "greater_than_equal": ("is too small", "{ge:g} or more", "raise it"),
    "less_than": ("is too large", "less than {lt:g}", "lower it"),
    "less_than_equal": ("is too large", "{le:g} or less", "lower it"),
    "multiple_of": ("does not fit", "a multiple of {multiple_of:g}", "write one"),
    "int_parsing_size": ("has too many digits", "a smaller whole number", "lower it"),
    "literal_error": ("is not known", "{expected}", "write one of these"),
    "enum": ("is not known", "{expected}", "write one of these"),
    "string_pattern_mismatch": ("does not have the right form", "text of the form {pattern}", "correct it"),
    "string_unicode": ("is not UTF-8 text", "text in UTF-8", "save the file as UTF-8 text"),
    "string_not_ascii": ("has letters beyond ASCII", "ASCII text", "replace them"),
    "timezone_aware": ("has no UTC offset", _MOMENT, "add it"),
    "invalid_key": ("has a key that is not text", "keys in quotes", "write keys as text"),
    "missing": ("is missing", "a value", "add it"),
    "extra_forbidden": ("is not a key that is known here", "the keys of the documentation", "take it out"),
    "recursion_loop": ("is nested too deeply", "fewer levels", "take levels out"),
    "recursion_depth_exceeded": ("is nested too deeply", "fewer levels", "take levels out"),
}
"""Errors about values; the placeholders are filled from pydantic's context."""

ANYTHING_ELSE = Expected("is not a value that can stand here", "what the documentation of this key says", "correct it")
"""Explanation of an error that no model of this product raises."""


def expectation(error: ErrorDetails, notation: Notation, allowed_range: str = "") -> Expected:
    """Explain what is wrong with a value, for every kind of error that pydantic reports.

    Parameters
    ----------
    error
        The error, as :meth:`pydantic.ValidationError.errors` returns it.
    notation
        Language of the file, which decides how values are written.
    allowed_range
        Range of allowed numbers, such as "0.1 to 100", for a value that is NaN or infinite. If empty, the range comes
        from the error.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return Expected(str(context["error"]), "", "")
    value = error["input"]
    about_type = kind.endswith(("_type", "_error", "_forbidden"))
    if isinstance(value, float) and not math.isfinite(value) and not about_type:
        wrong = "is not a number" if math.isnan(value) else "is infinite"
        return Expected(wrong, allowed_range or _limit(kind, context), "write a number")
    if kind in _VALUES:
        wrong, allowed, advice = _VALUES[kind]
        return Expected(wrong, allowed.format(**context).replace("'", '"'), advice)
    return _about_whole(kind, context, value) or _about_type(kind, notation)


def _about_whole(kind: str, context: Mapping[str, Any], value: object) -> Expected | None:
    """Explain faults of length, of an object's kind, and of a whole file; None for any other fault."""
    if kind.endswith(("too_short", "too_long")) and "url" not in kind:
        return _length(kind, context, value)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tags = str(context.get("expected_tags", "one of those in the documentation")).replace("'", '"')
        return Expected("is not known" if kind == "union_tag_invalid" else "is missing", tags, "write one of these")
    if kind == "json_invalid":
        return Expected(f"is not valid JSON ({_in_words(context['error'])})", "JSON", "correct it")
    return None


def _about_type(kind: str, notation: Notation) -> Expected:
    name = _SAME_TYPE.get(kind) or kind.removesuffix("_type").removesuffix("_parsing")
    if name not in _TYPES:
        return ANYTHING_ELSE
    allowed = _TYPES[name]
    return Expected("has the wrong type", allowed if isinstance(allowed, str) else allowed[notation], "write it so")


def _limit(kind: str, context: Mapping[str, Any]) -> str:
    return _VALUES[kind][1].format(**context) if kind in _VALUES else "a finite number"


def _length(kind: str, context: Mapping[str, Any], value: object) -> Expected:
    """Explain that a value has too few or too many entries or characters."""
    of_text = not kind.startswith("too")
    size = _size(context, value)
    wrong = "is too long" if size is None else f"has {_counted(size, of_text)}" if size else "is empty"
    if kind.endswith("too_long"):
        return Expected(wrong, f"{_counted(int(context['max_length']), of_text)} or fewer", "shorten it")
    least = int(context["min_length"])
    if of_text and least == 1:
        return Expected(wrong, "any text", "write some")
    return Expected(wrong, f"{_counted(least, of_text)} or more", "add one")


def _size(context: Mapping[str, Any], value: object) -> int | None:
    """Length of a value as the validator stated it, or else its own; None if it has none."""
    stated = context.get("actual_length")
    if isinstance(stated, int):
        return stated
    return len(value) if isinstance(value, str | bytes | Sequence) else None


def _counted(number: int, of_text: bool) -> str:
    """A number of characters or entries, in words."""
    singular, plural = ("character", "characters") if of_text else ("entry", "entries")
    return f"{number:,} {singular if number == 1 else plural}"


def _in_words(error: object) -> str:
    """Message of the JSON parser in plain words."""
    return str(error).replace("EOF while parsing", "the file ends inside")


def real_errors(exc: ValidationError) -> list[ErrorDetails]:
    """Errors of a validation, without those that follow from others.

    For example, a list is not too short because its entries are wrong.
    """
    errors = exc.errors(include_url=False)
    locations = [error["loc"] for error in errors]

    def follows(error: ErrorDetails) -> bool:
        location = error["loc"]
        return error["type"] == "too_short" and any(
            len(x) > len(location) and x[: len(location)] == location for x in locations
        )

    return [error for error in errors if not follows(error)]


def place_in(document: object, error: ErrorDetails) -> Location:
    """Location of an error in the document as it was written.

    Pydantic's own location also contains the branches of its unions.
    """
    candidates = list(_walks(document, error["loc"], error["type"] == "missing"))
    exact = (candidate for candidate, value in candidates if value is error["input"] or value == error["input"])
    location = next(exact, candidates[0][0])
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return (*location, str(error["ctx"]["discriminator"]).strip("'"))
    return location


def _walks(document: Any, parts: Location, missing: bool) -> Iterator[tuple[Location, object]]:
    """Places that a location may mean, with the value at each; the longest first.

    For a missing key, the value is the object around it. A part that is not in the document is the name of a union's
    branch. A part that is in the document may be one too.
    """
    if not parts:
        yield (), document
        return
    if missing and len(parts) == 1:
        yield parts, document
        return
    if _has(document, parts[0]):
        for rest, value in _walks(document[parts[0]], parts[1:], missing):
            yield (parts[0], *rest), value
    yield from _walks(document, parts[1:], missing)


def _has(document: object, part: int | str) -> bool:
    if isinstance(document, list | tuple):
        return isinstance(part, int) and part < len(document)
    return isinstance(document, Mapping) and part in document


def describe_faults(exc: ValidationError, document: object) -> str:
    """Describe the first faults of a JSON document in one line: the place, the value, and what is allowed.

    Parameters
    ----------
    exc
        The error that pydantic raised.
    document
        The document, either parsed or as bytes.
    """
    if isinstance(document, bytes):
        document = _loaded(document)
    errors = real_errors(exc)
    said = [_describe(error, document) for error in errors[:_MOST_FAULTS]]
    more = len(errors) - len(said)
    return "; ".join(said) + (f"; and {more:,} more {'fault' if more == 1 else 'faults'}" if more > 0 else "")


def _loaded(content: bytes) -> object:
    """The parsed document; None if the bytes are not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _describe(error: ErrorDetails, document: object) -> str:
    location = _as_text(place_in(document, error))
    expected = expectation(error, "JSON")
    if error["type"] == "json_invalid":
        return f"it {expected.wrong}"
    if error["type"] in ("missing", "union_tag_not_found"):
        return f"{location} is missing"
    if error["type"] == "extra_forbidden":
        return f"{location} is not a key that is known here"
    if not expected.allowed:  # ours: the message carries the value
        return f"{location}: {expected.wrong}" if location else expected.wrong
    value = _tag(error) if error["type"] == "union_tag_invalid" else error["input"]
    shown = f"{location} = {as_json(value)}" if location else f"it is {as_json(value)}, which"
    said = f"{shown}: {expected.wrong}" if location else f"{shown} {expected.wrong}"
    return f"{said}; allowed: {expected.allowed}"


def _tag(error: ErrorDetails) -> object:
    return error.get("ctx", {}).get("tag")


def _as_text(location: Location) -> str:
    """Text of a place, such as ``schedule[3] > start``."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, int) and parts:
            parts[-1] += f"[{part}]"
        else:
            parts.append(str(part))
    return " > ".join(parts)


def as_json(value: object) -> str:
    """A value in JSON notation, shortened if it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
