"""Columns of ``vms.csv``: required ones, optional ones, and others, which are kept as tags."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
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
        notes = []
        for name in self.unknown:
            near = difflib.get_close_matches(name, (*REQUIRED, *OPTIONAL), n=1, cutoff=0.85)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            notes.append(
                f"Column {name!r} is not one that import knows; it is kept as a tag, for rules such as "
                f'where = {{ tag = {{ "{name}" = "..." }} }}.{hint}'
            )
        if self.unnamed:
            notes.append("A column without a name is not used.")
        return notes


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
    unknown = [name for name in names if name and not name.startswith(TAG) and name not in {*REQUIRED, *OPTIONAL}]
    tags = {name: name.removeprefix(TAG) for name in names if name.startswith(TAG) or name in unknown}
    used: dict[Caseless, str] = {Caseless(SERVICE_TAG): "service"}
    double = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if double:
        raise DataError(f"{path} has {name_columns(double)} twice; keep one of each")
    for name, tag in tags.items():
        if not tag:
            raise DataError(f"{path}: the column {name!r} names no tag; write for example tag:tier")
        if (other := used.setdefault(Caseless(tag), name)) != name:
            raise DataError(f"{path}: the columns {other!r} and {name!r} mean the same tag {tag!r}; keep one of them")
    return Columns(names, tags, tuple(unknown), "" in names)


def _name(field: str) -> str:
    """Name of a column; only tags keep their case, as ARM displays them."""
    text = field.strip()
    if text.lower().startswith(TAG):
        return TAG + text[len(TAG) :].strip()
    return text.lower()
