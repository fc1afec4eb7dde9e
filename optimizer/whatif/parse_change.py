"""Changes written as ``KIND=VALUE``.

==================  ====================================================  ===========================================
kind                value                                                 example
==================  ====================================================  ===========================================
a key of the rules  a number or a word                                    ``prices.snapshot_overlap=0.05``
``add-vms``         VMs to copy (as in ``where`` of a rule), and count    ``add-vms=service=shop,count=20``
``lose-vault``      name; ``to=`` another vault                           ``lose-vault=vault-weu,to=vault-weu-2``
``forbid``          date or ``FROM..TO``, times, zone, selected VMs       ``forbid=2026-03-02..2026-03-08 20:00-06:00``
``add-rule``        a file of rules, or one rule in braces                ``add-rule={ name = "x", pin = true }``
``drop-rule``       name of a rule                                        ``drop-rule=databases at night only``
==================  ====================================================  ===========================================
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from optimizer.config import parse_rules, read_rules, validate_rules
from optimizer.errors import ConfigError, UsageError
from optimizer.model.faults import as_json, expectation, place_in, real_errors
from optimizer.model.raw import parse_toml
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.whatif.changes import AddRules, AddVms, Change, DropRule, LoseVault, SetKey

KINDS = ("add-vms", "lose-vault", "forbid", "add-rule", "drop-rule")
"""Kinds of change, apart from the keys of the rules."""

MAX_COPIES = 100_000
"""Maximum number of VMs that one change may add."""

MAX_FORBIDDEN_DATES = 366
"""Maximum number of dates that one ``forbid`` may span."""

_FORBID = re.compile(r"(?P<first>\S+?)(\.\.(?P<last>\S+))? +(?P<start>[^\s-]+)-(?P<end>[^\s-]+)( +(?P<zone>\S.*))?")

RETIRED_KEY = "prices.overlap"
"""Key of earlier versions; the rules reject it with a message that names the key and value that replaced it."""


def parse_change(text: str, folder: Path | None = None) -> Change:
    """Parse a change written as ``KIND=VALUE``.

    Parameters
    ----------
    text
        The change.
    folder
        Folder to which the path of a rules file is relative. By default, the working directory.

    Raises
    ------
    UsageError
        The text is not a change; the message states what is allowed, and what may have been meant.
    ConfigError
        The rules file that the change names cannot be used.
    """
    kind, equals, value = (part.strip() for part in text.partition("="))
    if kind not in (*KINDS, *rule_keys(), RETIRED_KEY):
        raise UsageError(f"what if {text!r}: there is no kind {kind!r}; {_meant(kind)}")
    if not equals or not value:
        raise UsageError(f"what if {text!r}: a value is missing; write {kind}=VALUE")
    parse = _PARSERS.get(kind)
    return _set_key(text, kind, _number_or_word(value)) if parse is None else parse(text, value, folder)


def _parse_lose_vault(_text: str, value: str, _: Path | None) -> LoseVault:
    vault, _comma, to = (part.strip() for part in value.partition(",to="))
    return LoseVault(vault, to or None)


def _parse_drop_rule(_text: str, value: str, _: Path | None) -> DropRule:
    return DropRule(value)


def _set_key(text: str, key: str, value: object) -> SetKey:
    table, _, name = key.rpartition(".")
    try:
        validate_rules({table: {name: value}} if table else {key: value}, f"what if {text!r}")
    except ConfigError as exc:
        raise UsageError(str(exc)) from exc
    return SetKey(key, value)


@cache
def rule_keys() -> tuple[str, ...]:
    """Keys of the rules that hold one value, such as ``prices.snapshot_overlap`` and ``max_moves``."""
    return tuple(key for name, field in Rules.model_fields.items() for key in _keys_of_table(name, field))


def _keys_of_table(name: str, field: FieldInfo) -> list[str]:
    """Keys of a table of the rules, or the field itself if it holds one value; none for a list."""
    table = field.annotation
    if isinstance(table, type) and issubclass(table, BaseModel):
        return [f"{name}.{inner.alias or key}" for key, inner in table.model_fields.items()]
    return [] if isinstance(field.default, tuple) else [name]


def _meant(kind: str) -> str:
    known = (*KINDS, *rule_keys())
    last_parts = {key.rpartition(".")[2]: key for key in known}
    near = [last_parts.get(name, name) for name in difflib.get_close_matches(kind, [*known, *last_parts], n=2)]
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    return f"{hint}allowed: {', '.join(KINDS)} and the keys of the rules: {', '.join(rule_keys())}"


def _number_or_word(text: str) -> object:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def _parse_add_vms(text: str, value: str, _: Path | None) -> AddVms:
    example = "write it as add-vms=service=shop,count=20"
    parts = [part.strip() for part in value.split(",")]
    counts = [part for part in parts if _key_of(part) == "count"]
    criteria = [part for part in parts if part not in counts]
    return AddVms(_selector(text, criteria, example), _count(text, counts, example))


def _key_of(part: str) -> str:
    return part.partition("=")[0].strip()


def _count(text: str, counts: Sequence[str], example: str) -> int:
    """Number of VMs to add, which is stated once."""
    number = counts[0].partition("=")[2].strip() if len(counts) == 1 else ""
    if number.isascii() and number.isdecimal() and 1 <= int(number) <= MAX_COPIES:
        return int(number)
    raise UsageError(f"what if {text!r}: count must be one whole number from 1 to {MAX_COPIES:,}; {example}")


def _selector(text: str, criteria: Sequence[str], example: str) -> Selector:
    """Selector of the VMs, as in ``where`` of a rule."""
    where: dict[str, Any] = {}
    for criterion in criteria:
        _add_criterion(where, criterion, text, example)
    try:
        return Selector.model_validate(where)
    except ValidationError as exc:
        first = real_errors(exc)[0]
        problem = f"{place_in(where, first)[0]} = {as_json(first['input'])}: {expectation(first, 'TOML')}"
        raise UsageError(f"what if {text!r}: {problem}; {example}") from exc


def _add_criterion(where: dict[str, Any], criterion: str, text: str, example: str) -> None:
    """Add ``KEY=VALUE`` to the criteria of a selector."""
    key, equals, wanted = (piece.strip() for piece in criterion.partition("="))
    if not equals or not wanted:
        raise UsageError(
            f"what if {text!r}: {criterion!r} is not KEY=VALUE; {example} (for a comma in a name, write ?)"
        )
    if key.startswith("tag.") and key != "tag.":
        where.setdefault("tag", {})[key.removeprefix("tag.")] = wanted
    elif key == "frequency":
        where[key] = (*where.get(key, ()), wanted)
    elif key in _CRITERIA:
        where[key] = wanted
    else:
        allowed = ", ".join([*_CRITERIA, "tag.NAME"])
        raise UsageError(f"what if {text!r}: there is no criterion {key!r}; allowed: {allowed}; {example}")


_CRITERIA = tuple(name for name in Selector.model_fields if name != "tag")
"""Criteria of a selector that have one value or more."""


def _parse_forbid(text: str, value: str, _: Path | None) -> AddRules:
    span, *criteria = value.split(",")
    match = _FORBID.fullmatch(span.strip())
    if match is None:
        raise UsageError(
            f"what if {text!r}: {span!r} is not dates and times; write it as forbid=2026-03-02..2026-03-08 "
            "20:00-06:00; add a zone such as Europe/Berlin if the times are not in each policy's own zone, and "
            ",frequency=Daily or other criteria to select VMs"
        )
    dates = _dates(text, match["first"], match["last"] or match["first"])
    window = {"from": match["start"], "to": match["end"], "dates": dates}
    if match["zone"]:
        window["zone"] = match["zone"]
    where = _selector(text, criteria, "write it as forbid=2026-03-02..2026-03-08 20:00-06:00,frequency=Daily")
    rule = {"name": f"forbid {value}", "where": where, "forbid": [window]}
    rules = validate_rules({"rule": [rule]}, f"what if {text!r}")
    return AddRules(rules.rule, written=f"forbid={value}", dated=True)


def _dates(text: str, begin: str, end: str) -> list[date]:
    """Every date from the first to the last."""
    first, last = _date(text, begin), _date(text, end)
    days = (last - first).days + 1
    if not 1 <= days <= MAX_FORBIDDEN_DATES:
        raise UsageError(
            f"what if {text!r}: {first} to {last} is not 1 to {MAX_FORBIDDEN_DATES} days; swap or shorten them"
        )
    return [first + timedelta(days=number) for number in range(days)]


def _date(text: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as exc:
        raise UsageError(f"what if {text!r}: {value!r} is not a date; allowed: YYYY-MM-DD, as 2026-03-02") from exc


def _parse_add_rule(text: str, value: str, folder: Path | None) -> AddRules:
    if value.startswith("{"):
        try:
            inline = parse_rules(f"rule = [{value}]", f"what if {text!r}")
        except ConfigError as exc:
            raise UsageError(str(exc)) from exc
        return AddRules(inline.rule, written=f"add-rule={inline.rule[0].name}")
    path = (folder or Path()) / value
    if not path.is_file():
        example = 'add-rule={ name = "web stays", where = { service = "web" }, pin = true }'
        raise ConfigError(f"what if {text!r}: there is no file {path}; give a rules file, or a rule such as {example}")
    return AddRules(_only_rules(path), written=f"add-rule={value}")


def _only_rules(path: Path) -> tuple[Rule, ...]:
    """Rules of a file that contains nothing else."""
    content = read_rules(path)
    others = sorted(content.model_fields_set - {"rule"})
    if others or not content.rule:
        problem = f"contains {', '.join(others)} in addition to rules" if others else "contains no [[rule]]"
        raise ConfigError(f"{path}: {problem}; add-rule accepts [[rule]] only, so write other keys as KEY=VALUE")
    return content.rule


_PARSERS: Mapping[str, Callable[[str, str, Path | None], Change]] = {
    "add-vms": _parse_add_vms,
    "lose-vault": _parse_lose_vault,
    "forbid": _parse_forbid,
    "add-rule": _parse_add_rule,
    "drop-rule": _parse_drop_rule,
}
"""Parser of each of :data:`KINDS`, which gets the whole text, its value, and the folder of rules files."""
