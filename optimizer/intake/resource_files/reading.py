"""Finds the resources in JSON as users save it: lists, pages, tables, templates and single resources."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizer.intake.listing import by_name
from optimizer.intake.resource_files.resource_shapes import KINDS, Kind, fault_in, find_differences, kind_of, to_arm
from optimizer.intake.resource_files.template import Template
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of
from optimizer.ports import Resource

SHOWN = 5
"""Number of objects that a note names before it counts the rest."""

_MOST_WRAPPERS = 6
"""Maximum nesting of lists and pages; pages of a list of lists have fewer levels."""

_OF_ANSWERS = frozenset({"value", "data", "error", "facets", "count", "id"})
"""Known keys of answers that do not contain lists of resources."""

_TRUNCATED = ("nextLink", "$skipToken", "skip_token", "skipToken")
"""Fields of an answer that is not the last page."""


@dataclass
class Reading:
    """Resources and remarks that have been read so far.

    Parameters
    ----------
    group_id
        ARM id of the resource group of exported templates; empty if unknown.
    found
        Resources by kind and id.
    left_out
        Places of entries that were left out, by reason.
    not_used
        Number of resources of unused types, by type.
    templates
        Places and contents of templates, which are read last.
    cut
        Places of answers that were saved only in part.
    places
        Place where each resource was first found.
    conflicts
        Resources on which two places disagree.
    repeated
        Number of resources that were found again without contradiction.
    """

    group_id: str = ""
    found: dict[Kind, dict[ArmId, Resource]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    left_out: dict[str, list[str]] = field(default_factory=dict)
    not_used: Counter[str] = field(default_factory=Counter)
    templates: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    places: dict[ArmId, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    repeated: int = 0

    def leave_out(self, place: str, reason: str) -> None:
        """Record an entry that is not used, with the reason."""
        self.left_out.setdefault(reason, []).append(place)

    def walk(self, value: object, place: str, wrappers: int = 0) -> None:
        """Read every resource in a value: a resource, list, page, table, template, or an object of lists.

        Parameters
        ----------
        value
            Parsed JSON.
        place
            Where the value is, for messages.
        wrappers
            Number of lists and pages around the value.
        """
        if wrappers > _MOST_WRAPPERS:
            self.leave_out(place, "it is nested too deeply to be a list of resources")
        elif isinstance(value, list):
            self._walk_each(value, f"{place}, element", wrappers)
        elif isinstance(value, dict):
            self._walk_object(value, place, wrappers)
        else:
            self.leave_out(place, f"it is {_shown(value)}, not a resource")

    def _walk_each(self, values: Iterable[object], place: str, wrappers: int) -> None:
        for number, value in enumerate(values, start=1):
            self.walk(value, f"{place} {number}", wrappers + 1)

    def _walk_object(self, value: Mapping[str, Any], place: str, wrappers: int) -> None:
        if isinstance(value.get("template"), dict) or "contentVersion" in value:
            self.templates.append((place, value.get("template") or value))
        elif "id" in value:
            self.take(value, place)
        else:
            self._unwrap(value, place, wrappers)

    def _unwrap(self, value: Mapping[str, Any], place: str, wrappers: int) -> None:
        """Read the lists in an answer or in an object of lists."""
        lists = [key for key in (*KINDS, "value") if key in value]
        for key in lists:
            self.walk([] if value[key] is None else value[key], f"{place}, {key}", wrappers + 1)
        has_data = self._walk_data(value.get("data"), place, wrappers)
        if lists:
            self._leave_out_unknown_keys(value, place)
        elif not has_data:
            self._leave_out_object(value, place)
        if _is_truncated(value):
            self.cut.append(place)

    def _walk_data(self, data: object, place: str, wrappers: int) -> bool:
        """Read the answer of Resource Graph, a list or a table; False if it is neither."""
        if isinstance(data, list):
            self.walk(data, f"{place}, data", wrappers + 1)
            return True
        if not _is_table(data):
            return False
        self._walk_each(_rows_of(data), f"{place}, row", wrappers)
        return True

    def _leave_out_object(self, value: Mapping[str, Any], place: str) -> None:
        first = list(value)[:SHOWN]
        keys = ", ".join(map(repr, first)) or "nothing"
        hints = "".join(map(_did_you_mean, first))
        self.leave_out(place, f"it has no id, and none of the keys that hold resources, but {keys}{hints}")

    def _leave_out_unknown_keys(self, value: Mapping[str, Any], place: str) -> None:
        for key, inner in value.items():
            if key not in {*KINDS, *_OF_ANSWERS} and isinstance(inner, dict | list):
                self.leave_out(place, f"the key {key!r} is not known{_did_you_mean(key)}")

    def take(self, resource: Mapping[str, Any], place: str) -> None:
        """Keep a resource, or record why it is not kept."""
        kind, arm_type = kind_of(resource)
        if not arm_type:
            self.leave_out(place, f"its id is {_shown(resource.get('id'))}, which is not the ARM id of a resource")
        elif kind is None:
            self.not_used[arm_type] += 1
        elif fault := fault_in(resource):
            self.leave_out(place, fault)
        else:
            self._keep(kind, to_arm(kind, resource), place)

    def _keep(self, kind: Kind, arm: Resource, place: str) -> None:
        """Keep a resource that is new; compare one that was found before with its first copy."""
        key = id_of(arm)
        kept = self.found[kind].setdefault(key, arm)
        if kept is arm:
            self.places[key] = place
        elif difference := next(find_differences(kind, kept, arm), None):
            where, before, now = difference
            self.conflicts.append(
                f"{arm['id']}: {where} is {_shown(before)} in {self.places[key]}, and {_shown(now)} in {place}"
            )
        else:
            self.repeated += 1

    def take_templates(self) -> None:
        """Read the templates, after the vaults of the other files are known."""
        vault_ids = by_name(self.found["vaults"].values())
        for place, content in self.templates:
            for where, entry in Template(content, self.group_id, vault_ids).resources():
                self._take_entry(entry, f"{place}, {where}")

    def _take_entry(self, entry: Resource | str, place: str) -> None:
        """Keep a resource of a template, or record the given reason why it has none."""
        if isinstance(entry, str):
            self.leave_out(place, entry)
        else:
            self.take(entry, place)


def _is_truncated(answer: Mapping[str, Any]) -> bool:
    return any(map(answer.get, _TRUNCATED)) or Caseless(str(answer.get("resultTruncated"))) == "true"


def _is_table(data: object) -> bool:
    return isinstance(data, dict) and all(isinstance(data.get(key), list) for key in ("columns", "rows"))


def _rows_of(table: Any) -> Iterator[object]:
    """Rows of a Resource Graph table as objects; a row that does not fit the columns is kept as it is."""
    names = [str(column.get("name")) if isinstance(column, dict) else str(column) for column in table["columns"]]
    for row in table["rows"]:
        fits = isinstance(row, list) and len(row) == len(names)
        yield dict(zip(names, row, strict=True)) if fits else row


def _did_you_mean(key: str) -> str:
    """Hint at the nearest key for resources; empty if no key is similar."""
    spelled = re.sub(r"(?<=[a-z])(?=[A-Z])|[-\s]+", "_", key).lower()
    near = difflib.get_close_matches(spelled, (*KINDS, "value"), n=1, cutoff=0.75)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _shown(value: object) -> str:
    """An invalid value as text, short enough for a message."""
    text = json.dumps(value, ensure_ascii=False) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
