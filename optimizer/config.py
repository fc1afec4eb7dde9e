"""Reads rules from a TOML file; messages about mistakes quote the keys and values of that file."""

from __future__ import annotations

import datetime as dt
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from optimizer.errors import ConfigError
from optimizer.model.faults import Location, expectation, place_in, real_errors
from optimizer.model.raw import parse_toml
from optimizer.model.rule_windows import DateRange, Window, too_short
from optimizer.model.rules import PolicyLimits, Prices, Rule, Rules, Threshold
from optimizer.model.selectors import Selector
from optimizer.model.working_hours import WorkingHours

_TABLES: Mapping[str, type[BaseModel]] = {
    "threshold": Threshold,
    "prices": Prices,
    "working_hours": WorkingHours,
    "policies": PolicyLimits,
    "where": Selector,
    "allow": Window,
    "forbid": Window,
    "freeze": DateRange,
    "separate": Selector,
    "order": Selector,
    "except": Selector,
    "rule": Rule,
}
"""Class that reads the table or list under each key; :class:`Rules` reads the top level."""

_WRITE = {
    "threshold": "in [threshold]",
    "prices": "in [prices]",
    "working_hours": "in working_hours = { ... }",
    "policies": "in [policies]",
    "where": "in a rule's where = { ... }",
    "allow": "in a window of allow or forbid",
    "freeze": "in a range of freeze",
    "rule": "in a [[rule]]",
}
"""Place in the file where the keys of each table belong, as messages state it."""

_LIMITS = ("minimum", "exclusiveMinimum", "maximum")
"""Keywords of JSON schema with which a key limits its numbers."""

_MOST_MISTAKES = 20
"""Number of mistakes that one message lists; the rest is counted."""

_LONGEST_VALUE = 60
"""Number of characters of a value that a message shows."""


def read_rules(path: Path | str) -> Rules:
    """Read a rules file; an empty file means all defaults.

    Parameters
    ----------
    path
        TOML in UTF-8, with or without a byte-order mark.

    Raises
    ------
    ConfigError
        The file cannot be read, is not TOML, or contains a value that is not allowed. The message lists every mistake:
        file, key, value, what is allowed and what to do.
    """
    return parse_rules(_read_text(Path(path)), Path(path))


def parse_rules(text: str, origin: Path | str) -> Rules:
    """Read rules from TOML text.

    Parameters
    ----------
    text
        The text in TOML.
    origin
        Origin of the text for messages: a file, or an option of the command line.

    Raises
    ------
    ConfigError
        The same as for :func:`read_rules`.
    """
    return validate_rules(_parse(origin, text), origin)


def validate_rules(rules: Mapping[str, Any], origin: Path | str) -> Rules:
    """Check rules given as parsed TOML; a table may also be an object of :mod:`optimizer.model.rules`.

    Raises
    ------
    ConfigError
        The message lists every mistake, as that of :func:`read_rules` does.
    """
    try:
        checked = Rules.model_validate(rules, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise _refusal(origin, [_describe(error, rules) for error in real_errors(exc)]) from exc
    short = [f"{_rule_label(rule)} > allow: {reason}" for rule in checked.rule if (reason := too_short(rule.allow))]
    if short:
        raise _refusal(origin, short)
    return checked


def _refusal(origin: Path | str, mistakes: Sequence[str]) -> ConfigError:
    """Error that lists the first mistakes, one per line, and counts the rest."""
    more = len(mistakes) - _MOST_MISTAKES
    shown = [*mistakes[:_MOST_MISTAKES], f"and {more} more"] if more > 0 else mistakes
    return ConfigError("\n".join(f"{origin}: {mistake}" for mistake in shown))


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{path}: this rules file does not exist; pass the path of one that does, or omit --rules"
        ) from exc
    except IsADirectoryError as exc:
        raise ConfigError(f"{path}: is a folder; pass the rules file in it, such as {path / 'rules.toml'}") from exc
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise ConfigError(f"{path}: cannot be read ({reason}); check that it is a file that you may read") from exc
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        what = f"byte 0x{content[exc.start]:02x} in line {line}"
        raise ConfigError(f"{path}: is not UTF-8 ({what}); save the file as UTF-8 text") from exc


def _parse(origin: Path | str, text: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as exc:
        raise ConfigError(
            f"{origin}: is not TOML: {exc}; correct that line. Text is in quotes, tables are [name], rules "
            "are [[rule]], and no key occurs twice"
        ) from exc


def _describe(error: ErrorDetails, rules: Mapping[str, Any]) -> str:
    """Describe one mistake in one line: where it is, the value, what is allowed and what to do."""
    location = place_in(rules, error)
    if error["type"] == "value_error":  # ours: the message carries value, what is allowed and what to do
        return _own_message(error, location, rules)
    if error["type"] == "extra_forbidden":
        return _unknown_key(location, error["input"], rules)
    if error["type"] == "missing":
        return f"{_path(location[:-1], rules)}: {location[-1]!r} is missing; add {_example(location)}"
    return f"{_path(location, rules)} = {_toml(error['input'])}: {_expectation(error, location)}"


def _own_message(error: ErrorDetails, location: Location, rules: Mapping[str, Any]) -> str:
    """Message of an error that this package raised, after the path of its key."""
    path, message = _path(location, rules), str(error["ctx"]["error"])
    named = f"rule {error['input'].get('name')!r}" if isinstance(error["input"], Mapping) else ""
    if named and location[-2:-1] == ("rule",) and message.startswith(named):
        return f"{path}{message.removeprefix(named)}"  # the path names the rule already
    return f"{path}: {message}" if path else message


def _path(location: Location, rules: Mapping[str, Any]) -> str:
    """Path of a key in the planner's notation, such as ``rule "nights" > allow[0] > from``."""
    parts: list[str] = []
    for key in location:
        if isinstance(key, str):
            parts.append(key)
        elif parts == ["rule"]:
            parts[-1] = _rule_label(rules["rule"][key], key)
        else:
            parts[-1] += f"[{key}]"
    return " > ".join(parts)


def _rule_label(rule: object, index: int = 0) -> str:
    """Name of a rule, given as an object or as parsed TOML; its index if it has no name."""
    name = rule.get("name") if isinstance(rule, Mapping) else getattr(rule, "name", None)
    return f"rule {json.dumps(name, ensure_ascii=False)}" if isinstance(name, str) and name else f"rule[{index}]"


def _unknown_key(location: Location, value: object, rules: Mapping[str, Any]) -> str:
    """Message about an unknown key: the table that it belongs to, or the nearest known keys."""
    key = str(location[-1])
    written = f"{_path(location, rules)} = {_toml(value)}"
    homes = _homes(key)
    if homes:
        return f"{written}: {key!r} does not belong here; write it {' or '.join(homes)}"
    table = next((part for part in reversed(location[:-1]) if isinstance(part, str)), None)
    known = _keys(_TABLES[table] if table else Rules)
    near = difflib.get_close_matches(key.lower(), known, n=2)
    if near:
        return f"{written}: unknown key {key!r}; did you mean {' or '.join(near)}? Rename or remove it"
    return f"{written}: unknown key {key!r}; allowed: {', '.join(known)}; rename or remove it"


def _homes(key: str) -> list[str]:
    """Places in the file where a key belongs."""
    homes = [home for name, home in _WRITE.items() if key in _keys(_TABLES[name])]
    if key in _keys(Rules):
        homes.insert(0, "at the top of the file, above the first line that begins with [")
    return homes


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _example(location: Location) -> str:
    if "freeze" in location:
        return {"from": "from = 2026-12-24", "to": "to = 2027-01-06"}[str(location[-1])]
    examples = {"name": 'name = "what the rule is for"', "from": 'from = "20:00"', "to": 'to = "06:00"'}
    return examples[str(location[-1])]


def _expectation(error: ErrorDetails, location: Location) -> str:
    """State what is wrong with a value, what is allowed and what to do."""
    if error["type"] == "tuple_type" and location == ("rule",):
        return "is not a list of rules; allowed: one [[rule]] (two brackets) above each rule"
    return str(expectation(error, "TOML", _range_of(location)))


def _range_of(location: Location) -> str:
    """Range of numbers that a key allows, such as "0.1 to 100"; empty if the key has no limits."""
    limits: dict[str, float] = {}
    for schema in _schemas_of(location):
        limits |= {name: value for name, value in schema.items() if name in _LIMITS and value is not None}
    least, above, most = (limits.get(name) for name in _LIMITS)
    match least, above, most:
        case None, None, _:
            return ""
        case None, _, None:
            return f"more than {above:g}"
        case None, _, _:
            return f"more than {above:g}, up to {most:g}"
        case _, _, None:
            return f"{least:g} or more"
    return f"{least:g} to {most:g}"


def _schemas_of(location: Location) -> list[Mapping[str, Any]]:
    """JSON schemas of a key; a key that allows several types has one for each."""
    keys = [part for part in location if isinstance(part, str)]
    if not keys:
        return []
    table = _TABLES.get(keys[-2], Rules) if len(keys) > 1 else Rules
    schema = table.model_json_schema()["properties"].get(keys[-1], {})
    return [schema, *schema.get("anyOf", ())]


def _toml(value: object) -> str:
    """A value in TOML notation, shortened if it is long."""
    text = _toml_whole(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _toml_whole(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_whole(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_whole, value)) + "]"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
