"""Reads ``vms.csv``, which lists the vault, policy and schedule of each VM."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from optimizer.errors import DataError
from optimizer.intake.arm_ids import NO_SUBSCRIPTION, VM_TYPE, is_vm_id, segment
from optimizer.intake.json_files import is_utf16
from optimizer.intake.problems import Problems
from optimizer.intake.vm_list.vm_columns import REQUIRED, Columns, read_columns
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of
from optimizer.model.timegrid import (
    LAST_HOURLY_OPTION,
    WEEKDAYS,
    Frequency,
    format_start,
    parse_start,
    parse_weekday,
    resolve_zone,
)
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


@dataclass(frozen=True)
class VmRow:
    """One checked line of ``vms.csv``.

    Parameters
    ----------
    line
        Line number in the file.
    vm
        Id of the VM: the given ARM id, or one made from ``resource_group`` and ``subscription``; the name if neither
        is known.
    time
        Start option; for an hourly policy, the start of its window.
    interval_hours, duration_hours
        Hours between runs and length in hours of the window of an hourly policy; 0 for others.
    os, location, availability_set
        Text from the file; empty if unknown.
    tags
        Tags by name.
    """

    line: int
    vm: str
    service: str
    vault: str
    policy: str
    frequency: Frequency
    days: tuple[int, ...]
    time: int
    timezone: str
    retention_days: int
    interval_hours: int = 0
    duration_hours: int = 0
    os: str = ""
    location: str = ""
    availability_set: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the VM."""
        return ArmId(self.vm).name if self.vm.startswith("/") else self.vm

    def as_written(self, column: str) -> str:
        """Value of a column in the notation of the file."""
        if column == "days":
            return ";".join(WEEKDAYS[day] for day in self.days) or "(none)"
        return format_start(self.time) if column == "time" else str(getattr(self, column))


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
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}; give the path of a readable vms.csv") from exc
    if is_utf16(content):
        raise DataError(f"{path} is UTF-16 text; save it as 'CSV UTF-8'")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is not UTF-8 text (byte {exc.start}); save it as 'CSV UTF-8'") from exc
    problems = Problems(str(path))
    rows = []
    columns, records = _records(path, text)
    for line, fields in records:
        if (row := _read_row(line, fields, columns, problems)) is not None:
            rows.append(row)
    _check_together(rows, problems)
    problems.raise_any()
    if not rows:
        raise DataError(f"{path} lists no VM; give one line for each VM that is backed up")
    return rows, columns


def _records(path: Path, text: str) -> tuple[Columns, list[tuple[int, dict[str, str]]]]:
    """Columns, and the line number and fields by column of every line that is not blank."""
    header = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=header.count)  # many languages' spreadsheets write ;, and copied cells have tabs
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[tuple[int, dict[str, str]]] = []
    columns: Columns | None = None
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if columns is None:
                columns = read_columns(path, fields)
            elif len(fields) != len(columns.names):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields, but the header has {len(columns.names)}; "
                    f"put a field that contains {separator!r} between double quotes"
                )
            else:
                stripped = (field.strip() for field in fields)
                records.append((reader.line_num, dict(zip(columns.names, stripped, strict=True))))
    except csv.Error as exc:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({exc})") from exc
    if columns is None:
        raise DataError(f"{path} is empty; its first line must name the columns {', '.join(REQUIRED)}")
    return columns, records


def _read_row(line: int, fields: Mapping[str, str], columns: Columns, problems: Problems) -> VmRow | None:
    """Check a line; None if it has faults, which are recorded."""
    wrong: list[str] = []

    def note(kind: str, fault: str) -> None:
        wrong.append(kind)
        problems.add(kind, f"line {line}, VM {fields['vm'] or '(empty)'}: {fault}")

    for column in ("vm", "vault", "policy"):
        if not fields[column]:
            note(f"no {column}", f"{column} is empty; give its name")
    frequency = _FREQUENCIES.get(Caseless(fields["frequency"]))
    if frequency is None:
        note("unknown frequency", f"frequency is {fields['frequency']!r}; allowed: Daily, Weekly or Hourly")
    days = _read_days(fields["days"], frequency, note)
    interval, duration = _read_window(fields, frequency, note)
    time = _read_time(fields["time"], frequency, note)
    zone = fields["timezone"] or "UTC"
    try:
        resolve_zone(zone)
    except ValueError as exc:
        note("unknown time zone", f"timezone: {exc}")
    retention = _read_retention(fields["retention_days"], frequency, note)
    system = _SYSTEMS.get(Caseless(fields.get("os", "")))
    if system is None:
        note("unknown operating system", f"os is {fields['os']!r}; allowed: Windows, Linux or nothing")
    vm = _read_vm_id(fields, note)
    if wrong or frequency is None or system is None:
        return None
    return VmRow(
        line, vm, fields["service"], fields["vault"], fields["policy"], frequency, days, time, zone,
        retention, interval, duration, system, fields.get("location", ""), fields.get("availability_set", ""),
        {tag: fields[column] for column, tag in columns.tags.items() if fields[column]},
    )  # fmt: skip  # in the order of the columns


def _read_retention(text: str, frequency: Frequency | None, note: Callable[[str, str], None]) -> int:
    days = int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0
    most = _MOST_WEEKLY if frequency is Frequency.WEEKLY else _MOST_DAILY
    if not _LEAST_RETENTION <= days <= most:
        shown = repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}..."
        allowed = f"a whole number from {_LEAST_RETENTION} to {most:,}"
        note("retention that Azure does not accept", f"retention_days is {shown}; allowed: {allowed}")
    return days


_LEAST_RETENTION, _MOST_DAILY, _MOST_WEEKLY = 7, 9999, 36141
"""Days for which Azure keeps recovery points of daily and hourly, and of weekly policies (``policy_bodies.toml``)."""

_MOST_DIGITS, _MOST_SHOWN = 5, 30
"""Maximum number of digits of a retention, and number of characters of a wrong one that a message shows."""

_SYSTEMS = {Caseless(name): name for name in ("", "Windows", "Linux")}


def _read_vm_id(fields: Mapping[str, str], note: Callable[[str, str], None]) -> str:
    """Id of a VM, as given or made from its group, so that VMs with the same name in two groups stay distinct."""
    vm, group, subscription = fields["vm"], fields.get("resource_group", ""), fields.get("subscription", "")
    stated = vm.split("/") if is_vm_id(vm) else []
    for column, value, place in (("resource_group", group, 4), ("subscription", subscription, 2)):
        if "/" in value:
            note(f"{column} is not a name", f"{column} is {value!r}; give its name, not a path")
        if stated and value and Caseless(value) != stated[place]:
            note(f"two values of {column}", f"{column} is {value!r}, but the ARM id in vm says {stated[place]!r}")
    if stated or not (group or subscription):
        return vm
    if not group:
        note("subscription without group", f"subscription is {subscription!r}; give the resource_group as well")
    return f"/subscriptions/{subscription or NO_SUBSCRIPTION}/resourceGroups/{group}/providers/{VM_TYPE}/{segment(vm)}"


def _read_time(text: str, frequency: Frequency | None, note: Callable[[str, str], None]) -> int:
    try:
        time = parse_start(text)
    except ValueError as exc:
        note("time off the grid", f"time: {exc}")
        return 0
    if frequency is Frequency.HOURLY and time > LAST_HOURLY_OPTION:
        last = format_start(LAST_HOURLY_OPTION)
        note("hourly window starts too late", f"time is {text}; an hourly window starts from 00:00 to {last}")
    return time


def _read_window(
    fields: Mapping[str, str], frequency: Frequency | None, note: Callable[[str, str], None]
) -> tuple[int, int]:
    """Interval and length of an hourly window, in hours; 0 if the policy is not hourly."""
    interval, duration = fields.get("interval_hours", ""), fields.get("duration_hours", "")
    if frequency is not Frequency.HOURLY:
        if (interval or duration) and frequency is not None:
            given = ", ".join(text for text in (interval, duration) if text)
            note(
                "window of a policy that is not hourly",
                f"interval_hours or duration_hours is {given}; leave both empty, or write Hourly",
            )
        return 0, 0
    if interval not in _INTERVALS:
        note("interval of an hourly policy", f"interval_hours is {interval!r}; allowed: {', '.join(_INTERVALS)}")
        return 0, 0
    least = int(interval)
    if not (duration.isascii() and duration.isdecimal() and least <= int(duration) <= 24):
        note(
            "duration of an hourly window",
            f"duration_hours is {duration!r}; allowed with interval_hours {least}: a whole number from {least} to 24",
        )
        return 0, 0
    return least, int(duration)


_INTERVALS = ("4", "6", "8", "12", "24")
"""Hours between backups of an hourly policy that Azure offers, as text (``policy_bodies.toml``)."""

_FREQUENCIES = {Caseless(frequency): frequency for frequency in Frequency}


def _read_days(text: str, frequency: Frequency | None, note: Callable[[str, str], None]) -> tuple[int, ...]:
    names = [name for name in text.split(";") if name.strip()]
    try:
        days = tuple(sorted({parse_weekday(name) for name in names}))
    except ValueError as exc:
        note("unknown weekday", f"days: {exc}, separated by ';'")
        return ()
    if frequency is Frequency.WEEKLY and not days:
        note("weekly without days", "days is empty; a weekly policy needs weekdays such as Sunday;Wednesday")
    if frequency not in {Frequency.WEEKLY, None} and days:
        note("daily with days", f"days is {text!r}; leave it empty for this frequency, or write Weekly")
    return days


def _check_together(rows: list[VmRow], problems: Problems) -> None:
    """Find VMs that are listed twice, and policies on which VMs disagree."""
    by_vm: dict[ArmId, VmRow] = {}
    by_policy: dict[tuple[Caseless, Caseless], VmRow] = {}
    for row in rows:
        first = by_vm.setdefault(ArmId(row.vm), row)
        if first is not row:
            fault = (
                f"VM {row.name}: lines {first.line} and {row.line}; a VM has one policy: keep one line. If they are "
                "two VMs of one name, give the ARM id of each in the column vm, or add the column resource_group"
            )
            problems.add("VM listed twice", fault)
        model = by_policy.setdefault((Caseless(row.vault), Caseless(row.policy)), row)
        for column, plural in _SHARED.items():
            if getattr(model, column) != getattr(row, column):
                problems.add(
                    f"policy with two {plural}",
                    f"policy {row.policy} of vault {row.vault}: {column} is {model.as_written(column)!r} in line "
                    f"{model.line} and {row.as_written(column)!r} in line {row.line}; the VMs of one policy must "
                    "agree: correct one or give the policies two names",
                )


def keep_spelling(rows: list[VmRow], known: list[Resource]) -> list[VmRow]:
    """Rows with VM ids in the spelling of the estate that is appended to, because case does not distinguish VMs.

    Raises
    ------
    DataError
        The estate contains the VM by name only, and the list now states its resource group. The load of the two could
        not be matched.
    """
    spelt = {id_of(resource): str(resource["id"]) for resource in known}
    for row in rows:
        if ArmId(row.vm) not in spelt and ArmId(row.name) in spelt:
            raise DataError(
                f"the estate knows VM {row.name} without a resource group, and line {row.line} now gives one; leave "
                "it out, or import everything into a folder of its own"
            )
    return [replace(row, vm=spelt.get(ArmId(row.vm), row.vm)) for row in rows]
