"""Write windows: when a write may be made, given running backups, recovery points and freezes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import MINUTES_PER_WEEK, ROLLOUT_DAYS, Frequency, parse_start, resolve_zone
from optimizer.rollout.calendar.freezes import Freezes
from optimizer.rollout.calendar.open_minutes import (
    MARGIN_MINUTES,
    OpenMinutes,
    clear_of_runs,
    common_minutes,
    gap_text,
    open_minutes,
)
from optimizer.rollout.calendar.recovery import Rpo, Shift, rpo_of_items, week_minute
from optimizer.rollout.calendar.spans import Span, to_datetime, to_seconds
from optimizer.rollout.writes.write import Write


class WriteWindows:
    """Windows of writes.

    A write that gives VMs another start is kept away from their backups, before and after, for every UTC offset that
    their clocks may have. It is made on the side of the old start that leaves the shorter gap between recovery
    points. It is frozen on the frozen days of any of its VMs. A new or deleted policy affects no VM, so it is frozen
    only while every VM of its vault is.

    Parameters
    ----------
    inventory
        VMs with their policies. Their starts of today do not matter, because the writes state them.
    rules
        Rules, for their freezes and RPOs.
    """

    def __init__(self, inventory: Inventory, rules: Rules) -> None:
        self._inventory = inventory
        self._rpo = rpo_of_items(inventory, rules)
        self._row_of_vm = inventory.row_of_vm
        self._freezes = Freezes(inventory, rules)
        self._offsets: dict[str, tuple[int, ...]] = {}
        self._open: dict[Hashable, OpenMinutes] = {}
        self._spans: dict[Hashable, tuple[Span, ...]] = {}

    def windows(self, write: Write, after: datetime, days: float = ROLLOUT_DAYS) -> list[tuple[datetime, datetime]]:
        """Half-open intervals in UTC in which a write may be made, in ascending order.

        Parameters
        ----------
        write
            The write.
        after, days
            Beginning and length in days of the period to look at.
        """
        begin, end = to_seconds(after), to_seconds(after + timedelta(days=days))
        return [(to_datetime(first), to_datetime(last)) for first, last in self.spans(write, begin, end)]

    def closed(self, write: Write, at: datetime, last_points: Mapping[ArmId, datetime] | None = None) -> str:
        """Reason why a write may not be made at a given time; empty if it may be.

        Parameters
        ----------
        write
            The write.
        at
            Aware time of the write.
        last_points
            Last recovery points by VM id, as far as they are known. A VM without one counts as backed up at its last
            run.
        """
        second, rows = to_seconds(at), self._rows(write)
        if thaws := self._freezes.ends(write.vault_id, rows, second):
            return f"changes are frozen by the rules until {thaws:%Y-%m-%d %H:%M} UTC"
        if not rows:
            return ""
        opened = self._open_minutes(write, rows)
        if not opened.minutes[week_minute(second)]:
            return opened.reason or self._shut(write, rows, second)
        return self._too_long_gap(write, rows, at, last_points or {})

    def _too_long_gap(
        self, write: Write, rows: Sequence[int], at: datetime, last_points: Mapping[ArmId, datetime]
    ) -> str:
        """Gap since a known recovery point that a write would make too long, or an empty text."""
        for row in rows:
            point = last_points.get(self._inventory.items[row].vm_id)
            shift = self.shift(write, row)
            if point is not None and not shift.keeps(self._rpo[row], at, point):
                return gap_text(shift.gap_hours(at, point), self._rpo[row])
        return ""

    def why_from(self, write: Write, opens: datetime) -> str:
        """Reason why a write has to wait until its window opens, such as ``after the 09:30 backup``.

        Parameters
        ----------
        write
            The write.
        opens
            Time at which the window opens.

        Returns
        -------
        str
            The reason; empty if the window was already open before.
        """
        before = opens - timedelta(minutes=1)
        rows, minute = self._rows(write), week_minute(to_seconds(before))
        if self._freezes.ends(write.vault_id, rows, to_seconds(before)):
            return "when the freeze of the rules ends"
        for shift in self.shifts(write):
            if not clear_of_runs(shift)[minute]:
                return _why_not_clear(write, shift, minute)
        return "with a shorter gap between backups" if self.closed(write, before) else ""

    def spans(self, write: Write, begin: int, end: int) -> tuple[Span, ...]:
        """The intervals of :meth:`windows` in seconds since 1970; cached."""
        key = (self.key(write), begin, end)
        if key not in self._spans:
            rows = self._rows(write)
            spans = self._open_minutes(write, rows).spans(begin, end) if rows else [(begin, end)]
            self._spans[key] = tuple(self._freezes.thawed(spans, write.vault_id, rows))
        return self._spans[key]

    def key(self, write: Write) -> Hashable:
        """Hashable key of the windows of a write: writes with equal keys are open at the same times."""
        rows = self._rows(write)
        return (self._key(write, rows), self._freezes.key(rows)) if rows else write.vault_id

    def why_never(self, write: Write, end: int) -> str:
        """Reason why a write has no window before a time in seconds since 1970."""
        rows = self._rows(write)
        if rows and (reason := self._open_minutes(write, rows).reason):
            return reason
        until = f"{to_datetime(end):%Y-%m-%d}"
        if names := self._freezes.rules_of(rows):
            return f"every possible time until {until} is frozen by rule {', '.join(map(repr, names))}"
        return f"there is no possible time until {until}"

    def never(self, write: Write, after: datetime) -> str:
        """Reason why no time at all suits a write; empty if a time does, or if only freezes leave no time.

        Parameters
        ----------
        write
            The write.
        after
            Time at which the roll-out would begin, from which its days are counted.
        """
        rows = self._rows(write)
        if not rows:
            return ""
        if reason := self._open_minutes(write, rows).reason:
            return reason
        begin, end = to_seconds(after), to_seconds(after + timedelta(days=ROLLOUT_DAYS))
        if self.spans(write, begin, end) or not self._freezes.thawed([(begin, end)], write.vault_id, rows):
            return ""
        return f"until {to_datetime(end):%Y-%m-%d}, every time that admits it is frozen"

    def shift(self, write: Write, row: int) -> Shift:
        """Change of the runs of an item by a write."""
        policy = self._inventory.policy(self._inventory.items[row])
        before = parse_start(write.start_before) if write.start_before else policy.start
        after = parse_start(write.start_after) if write.start_after else before
        window_minutes = self._inventory.timing(policy).window_minutes
        return Shift(policy.recurrence, self._offsets_of(policy.timezone), before, after, window_minutes)

    def shifts(self, write: Write) -> list[Shift]:
        """Changes of the runs of all items that a write moves."""
        return [self.shift(write, row) for row in self.rows_of(write.vms)]

    def rpo(self, row: int) -> Rpo:
        """RPO of an item."""
        return self._rpo[row]

    def rows_of(self, vms: Iterable[ArmId]) -> tuple[int, ...]:
        """Row numbers of the items of some VMs, without VMs that the inventory does not contain."""
        return tuple(self._row_of_vm[vm] for vm in vms if vm in self._row_of_vm)

    def _rows(self, write: Write) -> tuple[int, ...]:
        return self.rows_of(write.vms)

    def _offsets_of(self, timezone: str) -> tuple[int, ...]:
        if timezone not in self._offsets:
            self._offsets[timezone] = self._inventory.horizon.offsets(resolve_zone(timezone))
        return self._offsets[timezone]

    def _key(self, write: Write, rows: Sequence[int]) -> Hashable:
        return frozenset((self.shift(write, row), self._rpo[row]) for row in rows)

    def _open_minutes(self, write: Write, rows: Sequence[int]) -> OpenMinutes:
        """Minutes of the UTC week that are open for every VM of a write."""
        key = self._key(write, rows)
        if key not in self._open:
            kinds = dict.fromkeys((self.shift(write, row), self._rpo[row]) for row in rows)
            self._open[key] = common_minutes(open_minutes(shift, rpo) for shift, rpo in kinds)
        return self._open[key]

    def _shut(self, write: Write, rows: Sequence[int], second: int) -> str:
        """Reason why a minute of the week is not open."""
        minute = week_minute(second)
        if not all(clear_of_runs(shift)[minute] for shift in self.shifts(write)):
            return f"too close to a backup at {write.start_before} (old) or {write.start_after} (new)"
        hours = self.shift(write, rows[0]).gap_minutes(minute) / 60
        return f"another time of day is better: {gap_text(hours, self._rpo[rows[0]])}"


def _why_not_clear(write: Write, shift: Shift, minute: int) -> str:
    """Which runs a minute of the week is too close to."""
    if shift.recurrence.frequency is Frequency.HOURLY:
        return "between two backups"
    since = min((minute - run) % MINUTES_PER_WEEK for runs in shift.old_runs for run in runs)
    is_after = since <= max(MARGIN_MINUTES, shift.window_minutes)
    return f"after the {write.start_before} backup" if is_after else f"clear of {write.start_after}"
