"""``vms.csv``: which VM is backed up where, when and by which policy, as ARM-shaped resources."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from optimizer.errors import DataError
from optimizer.estate.listing import Listing
from optimizer.estate.problems import Problems
from optimizer.model.timegrid import WEEKDAYS, Frequency, format_start, parse_start, parse_weekday, resolve_zone
from optimizer.ports import Resource

COLUMNS = ("vm", "service", "vault", "policy", "frequency", "days", "time", "timezone", "retention_days")

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/imported"
_TIME_DATE = "2000-01-01"
"""Date of synthetic run times: Azure wants one in the past and reads only the time of day."""

_SHARED = {
    "frequency": "frequencies",
    "days": "lists of days",
    "time": "times",
    "timezone": "time zones",
    "retention_days": "retentions",
}
"""What the VMs of one policy must agree on."""


@dataclass(frozen=True)
class VmRow:
    """One line of ``vms.csv``, checked."""

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

    def as_written(self, field: str) -> str:
        """A field as a user would write it."""
        if field == "days":
            return ";".join(WEEKDAYS[day] for day in self.days) or "(none)"
        return format_start(self.time) if field == "time" else str(getattr(self, field))


def has_byte_order_mark(path: Path) -> bool:
    """Whether a file begins with the byte-order mark of UTF-8, as spreadsheets write it."""
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def read_vms(path: Path) -> list[VmRow]:
    """Rows of ``vms.csv``.

    A byte-order mark, CRLF, quoted fields and blank lines are fine; an empty zone is UTC; further columns are ignored.

    Raises
    ------
    DataError
        The file cannot be read, or some lines cannot be used: all of them are listed, ten of each kind.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}; give the path of a readable vms.csv") from exc
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is not UTF-8 text (byte {exc.start}); save it as 'CSV UTF-8'") from exc
    problems = Problems(str(path))
    rows = []
    for line, fields in _records(path, text):
        if (row := _read_row(line, fields, problems)) is not None:
            rows.append(row)
    _check_together(rows, problems)
    problems.raise_any()
    if not rows:
        raise DataError(f"{path} lists no VM; give one line for each VM that is backed up")
    return rows


def _records(path: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    """Lines that say something, with their numbers, as fields by column."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, dict[str, str]]] = []
    header: list[str] = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not header:
                header = [field.strip().lower() for field in fields]
                _check_header(path, header)
            elif len(fields) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields, but the header has {len(header)}; "
                    "put a field with a comma in it between double quotes"
                )
            else:
                stripped = (field.strip() for field in fields)
                records.append((reader.line_num, dict(zip(header, stripped, strict=True))))
    except csv.Error as exc:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({exc})") from exc
    if not header:
        raise DataError(f"{path} is empty; its first line must name the columns {', '.join(COLUMNS)}")
    return records


def _check_header(path: Path, header: list[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        hint = "; separate the columns by commas" if len(header) == 1 and ";" in header[0] else ""
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(header)}; "
            f"needed are {', '.join(COLUMNS)}{hint}"
        )
    double = [column for column in COLUMNS if header.count(column) > 1]
    if double:
        raise DataError(f"{path} has the columns {', '.join(double)} twice; keep one of each")


def _read_row(line: int, fields: Mapping[str, str], problems: Problems) -> VmRow | None:
    """A checked line; None where something is wrong with it, which is noted."""
    wrong: list[str] = []

    def note(kind: str, fault: str) -> None:
        wrong.append(kind)
        problems.add(kind, f"line {line}, VM {fields['vm'] or '(empty)'}: {fault}")

    for column in ("vm", "vault", "policy"):
        if not fields[column]:
            note(f"no {column}", f"{column} is empty; give its name")
    frequency = _FREQUENCIES.get(fields["frequency"].lower())
    if frequency is None:
        note("unknown frequency", f"frequency is {fields['frequency']!r}; allowed: Daily or Weekly")
    days = _read_days(fields["days"], frequency, note)
    try:
        time = parse_start(fields["time"])
    except ValueError as exc:
        note("time off the grid", f"time: {exc}")
    zone = fields["timezone"] or "UTC"
    try:
        resolve_zone(zone)
    except ValueError as exc:
        note("unknown time zone", f"timezone: {exc}")
    retention = fields["retention_days"]
    if not (retention.isascii() and retention.isdecimal() and int(retention) >= 1):
        note("retention is no number of days", f"retention_days is {retention!r}; allowed: a whole number from 1 on")
    if wrong or frequency is None:
        return None
    return VmRow(
        line, fields["vm"], fields["service"], fields["vault"], fields["policy"], frequency, days, time, zone,
        int(retention),
    )  # fmt: skip  # in the order of the columns


_FREQUENCIES = {"daily": Frequency.DAILY, "weekly": Frequency.WEEKLY}


def _read_days(text: str, frequency: Frequency | None, note: Callable[[str, str], None]) -> tuple[int, ...]:
    names = [name for name in text.split(";") if name.strip()]
    try:
        days = tuple(sorted({parse_weekday(name) for name in names}))
    except ValueError as exc:
        note("unknown weekday", f"days: {exc}, separated by ';'")
        return ()
    if frequency is Frequency.WEEKLY and not days:
        note("weekly without days", "days is empty; a weekly policy needs weekdays such as Sunday;Wednesday")
    if frequency is Frequency.DAILY and days:
        note("daily with days", f"days is {text!r}; leave it empty for a daily policy, or write Weekly")
    return days


def _check_together(rows: list[VmRow], problems: Problems) -> None:
    """Find VMs listed twice and policies whose VMs disagree."""
    by_vm: dict[str, VmRow] = {}
    by_policy: dict[tuple[str, str], VmRow] = {}
    for row in rows:
        first = by_vm.setdefault(row.vm.lower(), row)
        if first is not row:
            fault = f"VM {row.vm}: lines {first.line} and {row.line}; a VM has one policy, keep one line"
            problems.add("VM listed twice", fault)
        model = by_policy.setdefault((row.vault.lower(), row.policy.lower()), row)
        for field, plural in _SHARED.items():
            if getattr(model, field) != getattr(row, field):
                problems.add(
                    f"policy with two {plural}",
                    f"policy {row.policy} of vault {row.vault}: {field} is {model.as_written(field)!r} in line "
                    f"{model.line} and {row.as_written(field)!r} in line {row.line}; the VMs of one policy must "
                    "agree: correct one or give the policies two names",
                )


def keep_spelling(rows: list[VmRow], known: list[Resource]) -> list[VmRow]:
    """Rows with the names of VMs spelt as in the estate that they are added to; case tells no VMs apart."""
    spelt = {str(resource["id"]).lower(): str(resource["id"]) for resource in known}
    return [replace(row, vm=spelt.get(row.vm.lower(), row.vm)) for row in rows]


def list_vms(path: Path, known: list[Resource]) -> Listing:
    """Inventory of ``vms.csv``.

    Parameters
    ----------
    path
        The file.
    known
        VMs of the estate that is appended to: their spelling is kept.

    Raises
    ------
    DataError
        The file cannot be used.
    """
    rows = keep_spelling(read_vms(path), known)
    alone = sum(not row.service for row in rows)
    notes = [
        text
        for applies, text in (
            (has_byte_order_mark(path), "The list of VMs begins with a byte-order mark; it was ignored."),
            (alone, f"{alone} VMs name no service; each is a service of its own."),
        )
        if applies
    ]
    return to_resources(rows, tuple(notes))


def to_resources(rows: list[VmRow], notes: tuple[str, ...] = ()) -> Listing:
    """ARM-shaped resources: Standard policies and made-up ids; the VM's id is its name, its service a tag."""
    vaults: dict[str, Resource] = {}
    policies: dict[str, Resource] = {}
    items, vms = [], []
    for row in rows:
        vault_id = f"{_GROUP}/providers/Microsoft.RecoveryServices/vaults/{_segment(row.vault)}"
        policy_id = f"{vault_id}/backupPolicies/{_segment(row.policy)}"
        vault = vaults.setdefault(
            vault_id.lower(), {"id": vault_id, "name": row.vault, "type": "Microsoft.RecoveryServices/vaults"}
        )
        policy = policies.setdefault(policy_id.lower(), _policy(row, f"{vault['id']}/backupPolicies/", policy_id))
        policy["properties"]["protectedItemsCount"] += 1
        items.append(_item(row, vault, policy))
        tags = {"backup-service": row.service} if row.service else {}
        vms.append({"id": row.vm, "name": row.vm, "tags": tags, "properties": {}})
    return Listing(
        source="import",
        vaults=tuple(vaults.values()),
        policies=tuple(policies.values()),
        protected_items=tuple(items),
        vms=tuple(vms),
        vm_ids=tuple(sorted(row.vm for row in rows)),
        notes=notes,
    )


def _policy(row: VmRow, folder: str, policy_id: str) -> Resource:
    times = [f"{_TIME_DATE}T{format_start(row.time)}:00Z"]
    days = [WEEKDAYS[day] for day in row.days]
    schedule = {
        "schedulePolicyType": "SimpleSchedulePolicy",
        "scheduleRunFrequency": str(row.frequency),
        "scheduleRunTimes": times,
    }
    kept = {"retentionTimes": times, "retentionDuration": {"count": row.retention_days, "durationType": "Days"}}
    if row.frequency is Frequency.WEEKLY:
        schedule["scheduleRunDays"] = days
        retention = {"weeklySchedule": {"daysOfTheWeek": days, **kept}}
    else:
        retention = {"dailySchedule": kept}
    return {
        "id": folder + policy_id.rpartition("/")[2],
        "name": row.policy,
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V1",
            "schedulePolicy": schedule,
            "retentionPolicy": {"retentionPolicyType": "LongTermRetentionPolicy", **retention},
            "timeZone": row.timezone,
            "protectedItemsCount": 0,
        },
    }


def _item(row: VmRow, vault: Resource, policy: Resource) -> Resource:
    name = f"iaasvmcontainerv2;imported;{_segment(row.vm)}"
    folder = f"{vault['id']}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{name}"
    return {
        "id": f"{folder}/protectedItems/VM;{name}",
        "name": f"VM;{name}",
        "type": "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems",
        "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "backupManagementType": "AzureIaasVM",
            "workloadType": "VM",
            "friendlyName": row.vm,
            "sourceResourceId": row.vm,
            "policyId": policy["id"],
            "policyName": policy["name"],
            "protectionState": "Protected",
        },
    }


def _segment(name: str) -> str:
    """A name as one segment of an id."""
    return name.replace("/", "%2F")
