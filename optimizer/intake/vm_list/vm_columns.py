"""Columns of ``vms.csv``: required ones, optional ones, and others, which are kept as tags."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer.errors import DataError
from optimizer.intake.problems import list_columns, name_columns
from optimizer.model.caseless import Caseless

REQUIRED = ("vm", "service", "vault", "policy", "frequency", "days", "time", "timezone", "retention_days")
OPTIONAL = ("interval_hours", "duration_hours", "resource_group", "subscription", "os", "location", "availability_set")
TAG = "tag:"
"""Prefix of columns that are tags."""

SERVICE_TAG = "backup-service"
"""Tag in which the service is stored; the default ``service_from`` checks it first."""


@dataclass(frozen=True)
class Columns:
    """Columns of a VM list.

    Parameters
    ----------
    names
        Column names, in lower case except for the names of tags.
    tags
        Name of the tag, by column.
    unknown
        Columns that the import does not know, which are kept as tags.
    unnamed
        Whether a column has no name; such a column cannot be kept.
    """

    names: tuple[str, ...]
    tags: dict[str, str]
    unknown: tuple[str, ...]
    unnamed: bool

    def notes(self) -> list[str]:
        """Remarks on columns that the import does not know."""
        notes = [_describe_unknown(name) for name in self.unknown]
        return [*notes, "A column without a name is not used."] if self.unnamed else notes


def _describe_unknown(name: str) -> str:
    near = difflib.get_close_matches(name, (*REQUIRED, *OPTIONAL), n=1, cutoff=0.85)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"Column {name!r} is not one that import knows; it is kept as a tag, for rules such as "
        f'where = {{ tag = {{ "{name}" = "..." }} }}.{hint}'
    )


def read_columns(path: Path, header: Sequence[str]) -> Columns:
    """Read the columns of a header line.

    Raises
    ------
    DataError
        A required column is missing, or two columns have the same meaning.
    """
    names = tuple(_name(field) for field in header)
    missing = [column for column in REQUIRED if column not in names]
    if missing:
        raise DataError(
            f"{path} lacks {name_columns(missing)}; it has {list_columns(names)}; needed are "
            f"{', '.join(REQUIRED)}, separated by commas, semicolons or tabs"
        )
    unknown = tuple(filter(_is_unknown, names))
    tags = {name: name.removeprefix(TAG) for name in names if name.startswith(TAG) or name in unknown}
    _require_distinct(path, names)
    _check_tags(path, tags)
    return Columns(names, tags, unknown, "" in names)


def _is_unknown(name: str) -> bool:
    return bool(name) and not name.startswith(TAG) and name not in {*REQUIRED, *OPTIONAL}


def _require_distinct(path: Path, names: Sequence[str]) -> None:
    counts = Counter(filter(None, names))
    if double := [name for name, count in counts.items() if count > 1]:
        raise DataError(f"{path} has {name_columns(double)} twice; keep one of each")


def _check_tags(path: Path, tags: Mapping[str, str]) -> None:
    """Refuse tags without a name, and two columns for one tag."""
    used: dict[Caseless, str] = {Caseless(SERVICE_TAG): "service"}
    for name, tag in tags.items():
        if not tag:
            raise DataError(f"{path}: the column {name!r} names no tag; write for example tag:tier")
        other = used.setdefault(Caseless(tag), name)
        if other != name:
            raise DataError(f"{path}: the columns {other!r} and {name!r} mean the same tag {tag!r}; keep one of them")


def _name(field: str) -> str:
    """Name of a column; only tags keep their case, as ARM displays them."""
    text = field.strip()
    if text.lower().startswith(TAG):
        return TAG + text[len(TAG) :].strip()
    return text.lower()
