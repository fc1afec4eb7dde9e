"""Scenarios: changes to an estate and its rules, each written as ``KIND=VALUE``.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from optimizer.config import parse_rules, read_rules, validate_rules
from optimizer.errors import ConfigError, UsageError
from optimizer.model.caseless import Caseless
from optimizer.model.faults import as_json, expectation, place_in, real_errors
from optimizer.model.raw import parse_toml
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector

KINDS = ("add-vms", "lose-vault", "forbid", "add-rule", "drop-rule")
"""Kinds of change, apart from the keys of the rules."""

MAX_COPIES = 100_000
"""Maximum number of VMs that one change may add."""

MAX_FORBIDDEN_DATES = 366
"""Maximum number of dates that one ``forbid`` may span."""

_FORBID = re.compile(r"(?P<first>\S+?)(\.\.(?P<last>\S+))? +(?P<start>[^\s-]+)-(?P<end>[^\s-]+)( +(?P<zone>\S.*))?")


@dataclass(frozen=True, slots=True)
class SetKey:
    """Another value for a key of the rules, such as ``prices.snapshot_overlap``."""

    key: str
    value: object

    def __str__(self) -> str:
        """The change as it is written."""
        value = str(self.value).lower() if isinstance(self.value, bool) else str(self.value)
        return f"{self.key}={value}"


@dataclass(frozen=True, slots=True)
class AddVms:
    """A number of new VMs, copied in turn from the selected ones, with the same service, policy and history."""

    where: Selector
    count: int

    def __str__(self) -> str:
        """The change as it is written."""
        return f"add-vms={','.join([*_selected(self.where), f'count={self.count}'])}"


@dataclass(frozen=True, slots=True)
class LoseVault:
    """Loss of a vault; another vault then protects its VMs, either a named one or the one with the most room."""

    vault: str
    to: str | None = None

    def __str__(self) -> str:
        """The change as it is written."""
        return f"lose-vault={self.vault}" + (f",to={self.to}" if self.to else "")


@dataclass(frozen=True, slots=True)
class AddRules:
    """Additional rules.

    Parameters
    ----------
    rules
        The rules.
    written
        Text of the change as it was given.
    dated
        Whether the rules only apply on dates, which must then be within the 30 days of the plan.
    """

    rules: tuple[Rule, ...]
    written: str = ""
    dated: bool = False

    def __str__(self) -> str:
        """The change as it is written."""
        return self.written or "add-rule=" + ", ".join(rule.name for rule in self.rules)


@dataclass(frozen=True, slots=True)
class DropRule:
    """Removal of one rule."""

    name: str

    def __str__(self) -> str:
        """The change as it is written."""
        return f"drop-rule={self.name}"


Change = SetKey | AddVms | LoseVault | AddRules | DropRule


@dataclass(frozen=True, slots=True)
class Scenario:
    """Changes that apply together and are made in their order; without changes, nothing changes."""

    name: str
    changes: tuple[Change, ...] = ()

    @classmethod
    def parse(cls, *texts: str, name: str = "", folder: Path | None = None) -> Scenario:
        """Build a scenario from changes written as ``KIND=VALUE``.

        Parameters
        ----------
        texts
            The changes.
        name
            Name for reports.  By default, the changes as they are written.
        folder
            Folder to which paths of rules files are relative.  By default, the working directory.

        Raises
        ------
        ConfigError
            See :func:`parse_change`.
        """
        changes = tuple(parse_change(text, folder) for text in texts)
        return cls(name or "; ".join(map(str, changes)) or "nothing changes", changes)


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Read the scenarios of a TOML file: ``[[scenario]]`` with ``name`` and ``what_if``, a list of changes.

    Paths of rules files in it are relative to its folder.

    Raises
    ------
    ConfigError
        The file cannot be read or used.
    """
    try:
        content = parse_toml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "is not UTF-8"
        raise ConfigError(f"{path}: cannot be read ({reason}); give a file of scenarios that you may read") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: is not TOML: {exc}; correct that line") from exc
    listed = content.get("scenario")
    if not isinstance(listed, list) or not listed or set(content) != {"scenario"}:
        raise ConfigError(f"{path}: allowed: one [[scenario]] or more, and nothing else; write each as {_EXAMPLE}")
    return tuple(_read_scenario(path, number, entry) for number, entry in enumerate(listed, start=1))


RETIRED_KEY = "prices.overlap"
"""Key of earlier versions; the rules reject it with a message that names the key and value that replaced it."""

_EXAMPLE = '[[scenario]] with name = "higher overlap price" and what_if = ["prices.snapshot_overlap=0.05"]'


def _read_scenario(path: Path, number: int, entry: object) -> Scenario:
    if isinstance(entry, Mapping) and set(entry) == {"name", "what_if"}:
        name, texts = entry["name"], entry["what_if"]
        if isinstance(name, str) and name and isinstance(texts, list) and all(isinstance(t, str) for t in texts):
            try:
                return Scenario.parse(*texts, name=name, folder=path.parent)
            except ConfigError as exc:
                raise ConfigError(f"{path}: scenario {name!r}: {exc}") from exc
    raise ConfigError(f"{path}: scenario {number} is not one: {entry!r:.80}; write it as {_EXAMPLE}")


def parse_change(text: str, folder: Path | None = None) -> Change:
    """Parse a change written as ``KIND=VALUE``.

    Raises
    ------
    UsageError
        The text is not a change; the message states what is allowed, and what may have been meant.
    ConfigError
        The rules file that the change names cannot be used.
    """
    kind, equals, value = (part.strip() for part in text.partition("="))
    if kind not in KINDS and kind not in rule_keys() and kind != RETIRED_KEY:
        raise UsageError(f"what if {text!r}: there is no kind {kind!r}; {_meant(kind)}")
    if not equals or not value:
        raise UsageError(f"what if {text!r}: a value is missing; write {kind}=VALUE")
    if kind == "add-vms":
        return _parse_add_vms(text, value)
    if kind == "lose-vault":
        vault, _, to = (part.strip() for part in value.partition(",to="))
        return LoseVault(vault, to or None)
    if kind == "forbid":
        return _parse_forbid(text, value)
    if kind == "add-rule":
        return _parse_add_rule(text, value, folder)
    return DropRule(value) if kind == "drop-rule" else _set_key(text, kind, _number_or_word(value))


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
    keys: list[str] = []
    for name, field in Rules.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += [f"{name}.{one.alias or key}" for key, one in field.annotation.model_fields.items()]
        elif not isinstance(field.default, tuple):
            keys.append(name)
    return tuple(keys)


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


def _parse_add_vms(text: str, value: str) -> AddVms:
    example = "write it as add-vms=service=shop,count=20"
    parts = value.split(",")
    counts = [part.partition("=")[2].strip() for part in parts if part.partition("=")[0].strip() == "count"]
    number = counts[0] if len(counts) == 1 else ""
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= MAX_COPIES):
        raise UsageError(f"what if {text!r}: count must be one whole number from 1 to {MAX_COPIES:,}; {example}")
    criteria = [part for part in parts if part.partition("=")[0].strip() != "count"]
    return AddVms(_selector(text, criteria, example), int(number))


def _selector(text: str, criteria: Sequence[str], example: str) -> Selector:
    """Selector of the VMs, as in ``where`` of a rule."""
    allowed = ", ".join([*(name for name in Selector.model_fields if name != "tag"), "tag.NAME"])
    where: dict[str, Any] = {}
    for part in criteria:
        key, equals, wanted = (piece.strip() for piece in part.partition("="))
        if not equals or not wanted:
            raise UsageError(
                f"what if {text!r}: {part!r} is not KEY=VALUE; {example} (for a comma in a name, write ?)"
            )
        if key.startswith("tag.") and len(key) > len("tag."):
            where.setdefault("tag", {})[key.removeprefix("tag.")] = wanted
        elif key == "frequency":
            where[key] = (*where.get(key, ()), wanted)
        elif key in Selector.model_fields and key != "tag":
            where[key] = wanted
        else:
            raise UsageError(f"what if {text!r}: there is no criterion {key!r}; allowed: {allowed}; {example}")
    try:
        return Selector.model_validate(where)
    except ValidationError as exc:
        first = real_errors(exc)[0]
        said = f"{place_in(where, first)[0]} = {as_json(first['input'])}: {expectation(first, 'TOML')}"
        raise UsageError(f"what if {text!r}: {said}; {example}") from exc


def _selected(where: Selector) -> list[str]:
    found = [f"tag.{name}={value}" for name, value in where.tag.items()]
    for key, value in where.model_dump(exclude={"tag"}).items():
        found += [f"{key}={one}" for one in (value if isinstance(value, tuple) else (value,))]
    return found


def _parse_forbid(text: str, value: str) -> AddRules:
    span, *criteria = value.split(",")
    match = _FORBID.fullmatch(span.strip())
    if match is None:
        raise UsageError(
            f"what if {text!r}: {span!r} is not dates and times; write it as forbid=2026-03-02..2026-03-08 "
            "20:00-06:00; add a zone such as Europe/Berlin if the times are not in each policy's own zone, and "
            ",frequency=Daily or other criteria to select VMs"
        )
    first = _date(text, match["first"])
    last = _date(text, match["last"]) if match["last"] else first
    if not 0 <= (last - first).days < MAX_FORBIDDEN_DATES:
        raise UsageError(
            f"what if {text!r}: {first} to {last} is not 1 to {MAX_FORBIDDEN_DATES} days; swap or shorten them"
        )
    window = {
        "from": match["start"],
        "to": match["end"],
        "dates": [first + timedelta(days=n) for n in range((last - first).days + 1)],
        **({"zone": match["zone"]} if match["zone"] else {}),
    }
    where = _selector(text, criteria, "write it as forbid=2026-03-02..2026-03-08 20:00-06:00,frequency=Daily")
    rule = {"name": f"forbid {value}", "where": where, "forbid": [window]}
    rules = validate_rules({"rule": [rule]}, f"what if {text!r}")
    return AddRules(rules.rule, written=f"forbid={value}", dated=True)


def _date(text: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as exc:
        raise UsageError(f"what if {text!r}: {value!r} is not a date; allowed: YYYY-MM-DD, as 2026-03-02") from exc


def _parse_add_rule(text: str, value: str, folder: Path | None) -> AddRules:
    if value.startswith("{"):
        try:
            found = parse_rules(f"rule = [{value}]", f"what if {text!r}")
        except ConfigError as exc:
            raise UsageError(str(exc)) from exc
        return AddRules(found.rule, written=f"add-rule={found.rule[0].name}")
    path = (folder or Path()) / value
    if not path.is_file():
        example = 'add-rule={ name = "web stays", where = { service = "web" }, pin = true }'
        raise ConfigError(f"what if {text!r}: there is no file {path}; give a rules file, or a rule such as {example}")
    found = read_rules(path)
    others = sorted(found.model_fields_set - {"rule"})
    if others or not found.rule:
        problem = f"holds {', '.join(others)} beside its rules" if others else "holds no [[rule]]"
        raise ConfigError(f"{path}: {problem}; add-rule takes [[rule]] only, write other keys as KEY=VALUE")
    return AddRules(found.rule, written=f"add-rule={value}")


def resolve_names(kind: str, wanted: str, known: Sequence[str]) -> str:
    """Find the known name that is meant, regardless of case.

    Raises
    ------
    ConfigError
        There is no such name; the message suggests similar names, or lists those that exist.
    """
    spelling = {Caseless(name): name for name in known}
    if Caseless(wanted) in spelling:
        return spelling[Caseless(wanted)]
    raise ConfigError(no_such_name(kind, wanted, known))


def no_such_name(kind: str, wanted: str, known: Sequence[str]) -> str:
    """Message that there is no such name, with similar names or some that exist."""
    near = [name for name in known if Caseless(wanted).key in Caseless(name).key][:3]
    near = near or difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        shown = ", ".join(map(repr, known[:10])) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
        hint = f"allowed: {shown}" if known else f"there are no {kind}s"
    return f"there is no {kind} {wanted!r}; {hint}"
