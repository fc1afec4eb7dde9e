"""Reads ``vms.csv``, which lists the vault, policy and schedule of each VM."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from optimizer.errors import DataError
from optimizer.intake.json_files import is_utf16
from optimizer.intake.problems import Problems
from optimizer.intake.vm_list.vm_columns import REQUIRED, Columns, read_columns
from optimizer.intake.vm_list.vm_line import VmRow, read_row
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.phrases import counted
from optimizer.model.raw import id_of
from optimizer.ports import Resource

_SHARED = {
    "frequency": "frequencies",
    "days": "lists of days",
    "time": "times",
    "timezone": "time zones",
    "retention_days": "retentions",
    "interval_hours": "intervals",
    "duration_hours": "durations",
}
"""Columns on which the VMs of one policy must agree, with the plurals for messages."""


def has_byte_order_mark(path: Path) -> bool:
    """Whether a file begins with the UTF-8 byte-order mark, which spreadsheets write."""
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def read_vms(path: Path) -> tuple[list[VmRow], Columns]:
    """Read the rows and columns of ``vms.csv``.

    Fields are separated by commas, semicolons or tabs. The file may have a byte-order mark, CRLF, quoted fields and
    blank lines. An empty time zone means UTC. Unknown columns are kept as tags.

    Raises
    ------
    DataError
        The file cannot be read, or some lines cannot be used; the message lists the faults, ten of each kind.
    """
    problems = Problems(str(path))
    columns, records = _records(path, _text_of(path))
    read = (read_row(line, fields, columns.tags, problems) for line, fields in records)
    rows = [row for row in read if row is not None]
    _check_together(rows, problems)
    problems.raise_any()
    if not rows:
        raise DataError(f"{path} lists no VM; give one line for each VM that is backed up")
    return rows, columns


def _text_of(path: Path) -> str:
    """Content of a UTF-8 file without its byte-order mark.

    Raises
    ------
    DataError
        The file cannot be read, or has another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}; give the path of a readable vms.csv") from exc
    if is_utf16(content):
        raise DataError(f"{path} is UTF-16 text; save it as 'CSV UTF-8'")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is not UTF-8 text (byte {exc.start}); save it as 'CSV UTF-8'") from exc


def _records(path: Path, text: str) -> tuple[Columns, list[tuple[int, dict[str, str]]]]:
    """Columns, and the line number and fields by column of every line that is not blank."""
    header = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=header.count)  # many languages' spreadsheets write ;, and copied cells have tabs
    lines = _lines(path, text, separator)
    try:
        _, first = next(lines)
    except StopIteration:
        needed = ", ".join(REQUIRED)
        raise DataError(f"{path} is empty; its first line must name the columns {needed}") from None
    columns = read_columns(path, first)
    return columns, [(number, _by_column(path, number, fields, columns, separator)) for number, fields in lines]


def _lines(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        yield from ((reader.line_num, fields) for fields in reader if any(map(str.strip, fields)))
    except csv.Error as exc:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({exc})") from exc


def _by_column(path: Path, line: int, fields: Sequence[str], columns: Columns, separator: str) -> dict[str, str]:
    if len(fields) != len(columns.names):
        number = counted(len(fields), "field", "fields")
        raise DataError(
            f"{path}, line {line}: {number}, but the header has {len(columns.names)}; put a field that contains "
            f"{separator!r} between double quotes"
        )
    return dict(zip(columns.names, map(str.strip, fields), strict=True))


def _check_together(rows: Sequence[VmRow], problems: Problems) -> None:
    """Find VMs that are listed twice, and policies on which VMs disagree."""
    by_vm: dict[ArmId, VmRow] = {}
    by_policy: dict[tuple[Caseless, Caseless], VmRow] = {}
    for row in rows:
        _check_listed_once(by_vm.setdefault(ArmId(row.vm), row), row, problems)
        _check_same_policy(by_policy.setdefault((Caseless(row.vault), Caseless(row.policy)), row), row, problems)


def _check_listed_once(first: VmRow, row: VmRow, problems: Problems) -> None:
    if first is not row:
        fault = (
            f"VM {row.name}: lines {first.line} and {row.line}; a VM has one policy: keep one line. If they are two "
            "VMs of one name, give the ARM id of each in the column vm, or add the column resource_group"
        )
        problems.add("VM listed twice", fault)


def _check_same_policy(first: VmRow, row: VmRow, problems: Problems) -> None:
    for column, plural in _SHARED.items():
        if getattr(first, column) != getattr(row, column):
            problems.add(
                f"policy with two {plural}",
                f"policy {row.policy} of vault {row.vault}: {column} is {first.as_written(column)!r} in line "
                f"{first.line} and {row.as_written(column)!r} in line {row.line}; the VMs of one policy must agree: "
                "correct one or give the policies two names",
            )


def keep_spelling(rows: list[VmRow], known: list[Resource]) -> list[VmRow]:
    """Rows with VM ids in the spelling of the estate that is appended to, because case does not distinguish VMs.

    Raises
    ------
    DataError
        The estate contains the VM by name only, and the list now states its resource group. The load of the two could
        not be matched.
    """
    spelled = {id_of(resource): str(resource["id"]) for resource in known}
    for row in rows:
        if ArmId(row.vm) not in spelled and ArmId(row.name) in spelled:
            raise DataError(
                f"the estate knows VM {row.name} without a resource group, and line {row.line} now gives one; leave "
                "it out, or import everything into a folder of its own"
            )
    return [replace(row, vm=spelled.get(ArmId(row.vm), row.vm)) for row in rows]
