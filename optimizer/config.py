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


def parse_rules(text: str, place: Path | str) -> Rules:
    """Read rules from TOML text.

    Parameters
    ----------
    text
        The text in TOML.
    place
        Origin of the text for messages: a file, or an option of the command line.

    Raises
    ------
    ConfigError
        The same as for :func:`read_rules`.
    """
    return validate_rules(_parse(place, text), place)


def validate_rules(rules: Mapping[str, Any], place: Path | str) -> Rules:
    """Check rules given as parsed TOML; a table may also be an object of :mod:`optimizer.model.rules`.

    Raises
    ------
    ConfigError
        The message lists every mistake, as that of :func:`read_rules` does.
    """
    try:
        found = Rules.model_validate(rules, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise _refusal(place, [_describe(error, rules) for error in real_errors(exc)]) from exc
    short = [(rule, said) for rule in found.rule if (said := too_short(rule.allow))]
    if short:
        raise _refusal(
            place, [f"rule {json.dumps(rule.name, ensure_ascii=False)} > allow: {said}" for rule, said in short]
        )
    return found


def _refusal(place: Path | str, mistakes: Sequence[str]) -> ConfigError:
    """Error that lists the first mistakes, one per line, and counts the rest."""
    more = len(mistakes) - _MOST_MISTAKES
    shown = [*mistakes[:_MOST_MISTAKES], f"and {more} more"] if more > 0 else mistakes
    return ConfigError("\n".join(f"{place}: {one}" for one in shown))


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError(f"{path}: there is no such rules file; give the path of one, or leave --rules out") from exc
    except IsADirectoryError as exc:
        raise ConfigError(f"{path}: is a folder; give the rules file in it, such as {path / 'rules.toml'}") from exc
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise ConfigError(f"{path}: cannot be read ({reason}); check that it is a file that you may read") from exc
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        found = f"byte 0x{content[exc.start]:02x} at line {line}"
        raise ConfigError(f"{path}: is not UTF-8 ({found}); save the file as UTF-8 text") from exc


def _parse(place: Path | str, text: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as exc:
        raise ConfigError(
            f"{place}: is not TOML: {exc}; correct that line. Text stands in quotes, tables are [name], "
            "rules are [[rule]], and each key stands once"
        ) from exc


def _describe(error: ErrorDetails, rules: Mapping[str, Any]) -> str:
    """Describe one mistake in one line: where it is, the value, what is allowed and what to do."""
    location = place_in(rules, error)
    if error["type"] == "value_error":  # ours: the message carries value, what is allowed and what to do
        place, said = _place(location, rules), str(error["ctx"]["error"])
        named = f"rule {error['input'].get('name')!r}" if isinstance(error["input"], Mapping) else ""
        if named and location[-2:-1] == ("rule",) and said.startswith(named):
            return f"{place}{said.removeprefix(named)}"  # the place names the rule already
        return f"{place}: {said}" if place else said
    if error["type"] == "extra_forbidden":
        return _unknown_key(location, error["input"], rules)
    if error["type"] == "missing":
        return f"{_place(location[:-1], rules)}: {location[-1]!r} is missing; add {_example(location)}"
    return f"{_place(location, rules)} = {_toml(error['input'])}: {_expectation(error, location)}"


def _place(location: Location, rules: Mapping[str, Any]) -> str:
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


def _rule_label(rule: object, index: int) -> str:
    name = rule.get("name") if isinstance(rule, Mapping) else None
    return f"rule {json.dumps(name, ensure_ascii=False)}" if isinstance(name, str) and name else f"rule[{index}]"


def _unknown_key(location: Location, value: object, rules: Mapping[str, Any]) -> str:
    """Message about an unknown key: the table that it belongs to, or the nearest known keys."""
    key = str(location[-1])
    said = f"{_place(location, rules)} = {_toml(value)}"
    table = next((part for part in reversed(location[:-1]) if isinstance(part, str)), None)
    known = _keys(_TABLES[table] if table else Rules)
    homes = [place for name, place in _WRITE.items() if key in _keys(_TABLES[name])]
    if key in _keys(Rules):
        homes.insert(0, "at the top of the file, above the first line that begins with [")
    if homes:
        return f"{said}: {key!r} does not belong here; write it {' or '.join(homes)}"
    near = difflib.get_close_matches(key.lower(), known, n=2)
    if near:
        return f"{said}: there is no key {key!r}; did you mean {' or '.join(near)}? Rename it or take it out"
    return f"{said}: there is no key {key!r}; allowed: {', '.join(known)}; take it out or rename it"


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
    keys = [part for part in location if isinstance(part, str)]
    table = _TABLES.get(keys[-2], Rules) if len(keys) > 1 else Rules
    found = table.model_json_schema()["properties"].get(keys[-1], {}) if keys else {}
    limits: dict[str, float] = {}
    for schema in (found, *found.get("anyOf", ())):
        limits.update({key: value for key, value in schema.items() if "imum" in key and value is not None})
    least, above, most = (limits.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if most is not None and (least is not None or above is not None):
        return f"{least:g} to {most:g}" if least is not None else f"more than {above:g}, up to {most:g}"
    return f"{least:g} or more" if least is not None else f"more than {above:g}" if above is not None else ""


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
