"""Checks one line of ``vms.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizer.intake.arm_ids import NO_SUBSCRIPTION, VM_TYPE, is_vm_id, segment
from optimizer.intake.problems import Problems
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.timegrid import (
    LAST_HOURLY_OPTION,
    WEEKDAYS,
    Frequency,
    format_start,
    parse_start,
    parse_weekday,
    resolve_zone,
)

_FREQUENCIES = {Caseless(frequency): frequency for frequency in Frequency}
_SYSTEMS = {Caseless(name): name for name in ("", "Windows", "Linux")}

_INTERVALS = ("4", "6", "8", "12", "24")
"""Hours between backups of an hourly policy that Azure offers, as text (``policy_bodies.toml``)."""

_MOST_DURATION = 24
"""Longest window of an hourly policy, in hours."""

_LEAST_RETENTION, _MOST_DAILY, _MOST_WEEKLY = 7, 9999, 36141
"""Days for which Azure keeps recovery points of daily and hourly, and of weekly policies (``policy_bodies.toml``)."""

_MOST_DIGITS, _MOST_SHOWN = 5, 30
"""Maximum number of digits of a number, and number of characters of a wrong one that a message shows."""


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


def read_row(line: int, fields: Mapping[str, str], tags: Mapping[str, str], problems: Problems) -> VmRow | None:
    """Check a line; None if it has faults, which are recorded.

    Parameters
    ----------
    line
        Line number in the file.
    fields
        Fields by column.
    tags
        Names of tags by column.
    problems
        Faults of the file, which this function adds to.
    """
    return _Line(line, fields, problems).read(tags)


class _Line:
    """A line that is checked, column by column; a faulty column gets any value of its type."""

    def __init__(self, number: int, fields: Mapping[str, str], problems: Problems) -> None:
        self._number, self._fields, self._problems = number, fields, problems
        self._is_wrong = False

    def read(self, tags: Mapping[str, str]) -> VmRow | None:
        """Check all columns, in the order in which faults are listed."""
        self._check_names()
        frequency = self._frequency()
        days = self._days(frequency)
        interval, duration = self._window(frequency)
        time = self._time(frequency)
        zone = self._zone()
        retention = self._retention(frequency)
        system = self._system()
        vm = self._vm_id()
        if self._is_wrong or frequency is None:
            return None
        service, vault, policy = (self._fields[column] for column in ("service", "vault", "policy"))
        return VmRow(
            self._number, vm, service, vault, policy, frequency, days, time, zone, retention, interval, duration,
            system, self._optional("location"), self._optional("availability_set"), self._tags(tags),
        )  # fmt: skip  # in the order of the columns

    def _note(self, kind: str, fault: str) -> None:
        self._is_wrong = True
        self._problems.add(kind, f"line {self._number}, VM {self._fields['vm'] or '(empty)'}: {fault}")

    def _optional(self, column: str) -> str:
        return self._fields.get(column, "")

    def _tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        return {tag: self._fields[column] for column, tag in tags.items() if self._fields[column]}

    def _check_names(self) -> None:
        for column in ("vm", "vault", "policy"):
            if not self._fields[column]:
                self._note(f"no {column}", f"{column} is empty; give its name")

    def _frequency(self) -> Frequency | None:
        text = self._fields["frequency"]
        frequency = _FREQUENCIES.get(Caseless(text))
        if frequency is None:
            self._note("unknown frequency", f"frequency is {text!r}; allowed: Daily, Weekly or Hourly")
        return frequency

    def _days(self, frequency: Frequency | None) -> tuple[int, ...]:
        text = self._fields["days"]
        try:
            days = tuple(sorted({parse_weekday(name) for name in text.split(";") if name.strip()}))
        except ValueError as exc:
            self._note("unknown weekday", f"days: {exc}, separated by ';'")
            return ()
        if frequency is Frequency.WEEKLY and not days:
            self._note("weekly without days", "days is empty; a weekly policy needs weekdays such as Sunday;Wednesday")
        if frequency in {Frequency.DAILY, Frequency.HOURLY} and days:
            self._note("daily with days", f"days is {text!r}; leave it empty for this frequency, or write Weekly")
        return days

    def _window(self, frequency: Frequency | None) -> tuple[int, int]:
        """Interval and length of an hourly window, in hours; 0 if the policy is not hourly."""
        interval, duration = self._optional("interval_hours"), self._optional("duration_hours")
        if frequency is Frequency.HOURLY:
            return self._hourly_window(interval, duration)
        if frequency is not None and (given := ", ".join(filter(None, (interval, duration)))):
            self._note(
                "window of a policy that is not hourly",
                f"interval_hours or duration_hours is {given}; leave both empty, or write Hourly",
            )
        return 0, 0

    def _hourly_window(self, interval: str, duration: str) -> tuple[int, int]:
        if interval not in _INTERVALS:
            allowed = ", ".join(_INTERVALS)
            self._note("interval of an hourly policy", f"interval_hours is {interval!r}; allowed: {allowed}")
            return 0, 0
        hours = _whole_number(duration)
        if not int(interval) <= hours <= _MOST_DURATION:
            allowed = f"allowed with interval_hours {interval}: a whole number from {interval} to {_MOST_DURATION}"
            self._note("duration of an hourly window", f"duration_hours is {duration!r}; {allowed}")
            return 0, 0
        return int(interval), hours

    def _time(self, frequency: Frequency | None) -> int:
        text = self._fields["time"]
        try:
            time = parse_start(text)
        except ValueError as exc:
            self._note("time off the grid", f"time: {exc}")
            return 0
        if frequency is Frequency.HOURLY and time > LAST_HOURLY_OPTION:
            last = format_start(LAST_HOURLY_OPTION)
            self._note(
                "hourly window starts too late", f"time is {text}; an hourly window starts from 00:00 to {last}"
            )
        return time

    def _zone(self) -> str:
        zone = self._fields["timezone"] or "UTC"
        try:
            resolve_zone(zone)
        except ValueError as exc:
            self._note("unknown time zone", f"timezone: {exc}")
        return zone

    def _retention(self, frequency: Frequency | None) -> int:
        text = self._fields["retention_days"]
        days = _whole_number(text)
        most = _MOST_WEEKLY if frequency is Frequency.WEEKLY else _MOST_DAILY
        if not _LEAST_RETENTION <= days <= most:
            shown = repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}..."
            allowed = f"a whole number from {_LEAST_RETENTION} to {most:,}"
            self._note("retention that Azure does not accept", f"retention_days is {shown}; allowed: {allowed}")
        return days

    def _system(self) -> str:
        text = self._optional("os")
        system = _SYSTEMS.get(Caseless(text))
        if system is None:
            self._note("unknown operating system", f"os is {text!r}; allowed: Windows, Linux or nothing")
            return ""
        return system

    def _vm_id(self) -> str:
        """Id of a VM, as given or made from its group, so that VMs with the same name in two groups stay distinct."""
        vm, group, subscription = self._fields["vm"], self._optional("resource_group"), self._optional("subscription")
        stated = ArmId(vm) if is_vm_id(vm) else ArmId()
        self._check_part("resource_group", group, stated.resource_group)
        self._check_part("subscription", subscription, stated.subscription)
        if stated or not (group or subscription):
            return vm
        if not group:
            fault = f"subscription is {subscription!r}; give the resource_group as well"
            self._note("subscription without group", fault)
        folder = f"/subscriptions/{subscription or NO_SUBSCRIPTION}/resourceGroups/{group}/providers"
        return f"{folder}/{VM_TYPE}/{segment(vm)}"

    def _check_part(self, column: str, value: str, stated: Caseless) -> None:
        """Check a part of an id that has a column of its own; ``stated`` is that in the column ``vm``, or empty."""
        if "/" in value:
            self._note(f"{column} is not a name", f"{column} is {value!r}; give its name, not a path")
        if value and stated and Caseless(value) != stated:
            fault = f"{column} is {value!r}, but the ARM id in vm says {str(stated)!r}"
            self._note(f"two values of {column}", fault)


def _whole_number(text: str) -> int:
    """Value of digits; -1 for other text, and for more digits than any number of a list has."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else -1
