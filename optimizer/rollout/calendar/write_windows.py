"""Time gates, or write windows: when a write may be made, given running backups, recovery points and freezes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import BoolArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import (
    MINUTES_PER_WEEK,
    ROLLOUT_DAYS,
    Frequency,
    parse_start,
    resolve_zone,
)
from optimizer.rollout.calendar.recovery import Rpo, Shift, rpo_of_items, week_minute
from optimizer.rollout.calendar.spans import Span, span_at, to_datetime, to_seconds, union, within, without
from optimizer.rollout.writes.write import Write

MARGIN_MINUTES = 150
"""Minutes between a write and the runs of a daily or weekly policy, before and after.

See "When a write may be made" in docs/azure.md.
"""

HOURLY_MARGIN_MINUTES = 15
"""Minutes between a write and the next run of an hourly policy."""

ROOM_MINUTES = 30
"""Shortest stretch of open time, in minutes, that is used for writes as long as there is a longer one."""

_FIRST, _LAST = date(1971, 1, 1), date(9998, 12, 31)
_WEEK_SECONDS = 60 * MINUTES_PER_WEEK


@dataclass(frozen=True, slots=True)
class _Freeze:
    """Rules that freeze a VM, and the zone of their dates."""

    timezone: str
    rules: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Passage:
    """Minutes of the UTC week in which a start may be changed, or the reason why no minute is suitable."""

    minutes: BoolArray
    reason: str = ""


class WriteWindows:
    """Time gates of writes.

    A write that gives VMs another start is kept away from their backups, before and after, for every UTC offset that
    their clocks may have.  It is made on the side of the old start that leaves the shorter gap between recovery
    points.  It is frozen on the frozen days of any of its VMs.  A new or deleted policy affects no VM, so it is frozen
    only while every VM of its vault is.

    Parameters
    ----------
    inventory
        VMs with their policies.  Their starts of today do not matter, because the writes state them.
    rules
        Rules, for their freezes and RPOs.
    """

    def __init__(self, inventory: Inventory, rules: Rules) -> None:
        self._inventory = inventory
        self._rules = rules
        self._rpo = rpo_of_items(inventory, rules)
        self._row_of_vm = inventory.row_of_vm
        self._offsets: dict[str, tuple[int, ...]] = {}
        self._freeze_of = _freezes(inventory, rules)
        self._frozen: dict[_Freeze, list[Span]] = {}
        self._frozen_vaults: dict[ArmId, list[Span]] = {}
        self._passages: dict[Hashable, _Passage] = {}
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
            Last recovery points by VM id (lower case), as far as they are known.  A VM without one counts as backed
            up at its last run.
        """
        second = to_seconds(at)
        if frozen := self._frozen_by(write, second):
            return frozen
        rows = self._rows(write)
        if not rows:
            return ""
        passage = self._passage(write, rows)
        if not passage.minutes[week_minute(second)]:
            return passage.reason or self._shut(write, rows, second)
        for row in rows:
            item = self._inventory.items[row]
            point = (last_points or {}).get(item.vm_id)
            shift = self.shift(write, row)
            if point is not None and not shift.keeps(self._rpo[row], at, point):
                return _gap_text(shift.gap_hours(at, point), self._rpo[row])
        return ""

    def why_from(self, write: Write, opens: datetime) -> str:
        """What keeps a write from being made before its gate opens, such as ``after the 09:30 backup``.

        Parameters
        ----------
        write
            The write.
        opens
            Time at which the gate opens.

        Returns
        -------
        str
            The reason; empty if the gate was already open before.
        """
        before = opens - timedelta(minutes=1)
        minute = week_minute(to_seconds(before))
        if self._frozen_by(write, to_seconds(before)):
            return "when the freeze of the rules ends"
        for row in self._rows(write):
            shift = self.shift(write, row)
            if _clear_of_runs(shift)[minute]:
                continue
            if shift.recurrence.frequency is Frequency.HOURLY:
                return "between two backups"
            since = min((minute - run) % MINUTES_PER_WEEK for runs in shift.old_runs for run in runs)
            return (
                f"after the {write.start_before} backup"
                if since <= max(MARGIN_MINUTES, shift.window_minutes)
                else f"clear of {write.start_after}"
            )
        return "with a shorter gap between backups" if self.closed(write, before) else ""

    def spans(self, write: Write, begin: int, end: int) -> tuple[Span, ...]:
        """The intervals of :meth:`windows` in seconds since 1970; cached."""
        key = (self.key(write), begin, end)
        if key not in self._spans:
            rows = self._rows(write)
            passage = self._passage(write, rows) if rows else None
            spans = _expand(passage.minutes, begin, end) if passage else [(begin, end)]
            for frozen in self._freezes(write, rows):
                spans = without(spans, frozen)
            self._spans[key] = tuple(spans)
        return self._spans[key]

    def key(self, write: Write) -> Hashable:
        """Hashable key of the gates of a write: writes with equal keys are open at the same times."""
        rows = self._rows(write)
        if not rows:
            return write.vault_id
        return (self._passage_key(write, rows), frozenset(self._freeze_of[row] for row in rows))

    def why_never(self, write: Write, end: int) -> str:
        """Reason why a write has no window before a time in seconds since 1970."""
        rows = self._rows(write)
        if rows and (reason := self._passage(write, rows).reason):
            return reason
        until = f"{to_datetime(end):%Y-%m-%d}"
        names = [self._rules.rule[n].name for row in rows for n in self._freeze_of[row].rules]
        if not rows:
            names = [rule.name for rule in self._rules.rule if rule.freeze]
        if names:
            rules = ", ".join(repr(name) for name in dict.fromkeys(names))
            return f"every possible time until {until} is frozen by rule {rules}"
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
        if reason := self._passage(write, rows).reason:
            return reason
        begin, end = to_seconds(after), to_seconds(after + timedelta(days=ROLLOUT_DAYS))
        if self.spans(write, begin, end):
            return ""
        thawed: list[Span] = [(begin, end)]
        for frozen in self._freezes(write, rows):
            thawed = without(thawed, frozen)
        return f"until {to_datetime(end):%Y-%m-%d}, every time that admits it is frozen" if thawed else ""

    def shift(self, write: Write, row: int) -> Shift:
        """Change of the runs of an item by a write."""
        policy = self._inventory.policy(self._inventory.items[row])
        before = parse_start(write.start_before) if write.start_before else policy.start
        after = parse_start(write.start_after) if write.start_after else before
        window_minutes = self._inventory.timing(policy).window_minutes
        return Shift(policy.recurrence, self._offsets_of(policy.timezone), before, after, window_minutes)

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

    def _passage_key(self, write: Write, rows: tuple[int, ...]) -> Hashable:
        return frozenset((self.shift(write, row), self._rpo[row]) for row in rows)

    def _passage(self, write: Write, rows: tuple[int, ...]) -> _Passage:
        """Minutes of the UTC week that are open for every VM of a write."""
        key = self._passage_key(write, rows)
        if key not in self._passages:
            kinds = dict.fromkeys((self.shift(write, row), self._rpo[row]) for row in rows)
            found = [_passage(shift, rpo) for shift, rpo in kinds]
            minutes = np.logical_and.reduce([passage.minutes for passage in found])
            reason = next((passage.reason for passage in found if passage.reason), "")
            if not minutes.any() and not reason:
                reason = "there is no time that suits all its VMs"
            self._passages[key] = _Passage(minutes, reason)
        return self._passages[key]

    def _freezes(self, write: Write, rows: tuple[int, ...]) -> list[list[Span]]:
        if not rows:
            return [self._vault_frozen(write.vault_id)]
        return [self._vm_frozen(freeze) for freeze in dict.fromkeys(self._freeze_of[row] for row in rows)]

    def _vm_frozen(self, freeze: _Freeze) -> list[Span]:
        if freeze not in self._frozen:
            zone = resolve_zone(freeze.timezone)

            def midnight(day: date) -> int:
                return to_seconds(datetime.combine(day, time.min, zone).astimezone(UTC))

            ranges = [days for number in freeze.rules for days in self._rules.rule[number].freeze]
            self._frozen[freeze] = union(
                (midnight(max(days.first, _FIRST)), midnight(min(days.last, _LAST) + timedelta(days=1)))
                for days in ranges
            )
        return self._frozen[freeze]

    def _vault_frozen(self, vault_id: ArmId) -> list[Span]:
        """Periods in which every VM of a vault is frozen."""
        if vault_id not in self._frozen_vaults:
            of_vault = dict.fromkeys(
                self._freeze_of[row] for row, item in enumerate(self._inventory.items) if item.vault_id == vault_id
            )
            frozen: list[Span] | None = None
            for freeze in of_vault:
                spans = self._vm_frozen(freeze)
                frozen = spans if frozen is None else within(frozen, spans)
            self._frozen_vaults[vault_id] = frozen or []
        return self._frozen_vaults[vault_id]

    def _frozen_by(self, write: Write, second: int) -> str:
        rows = self._rows(write)
        for frozen in self._freezes(write, rows):
            if span := span_at(frozen, second):
                return f"changes are frozen by the rules until {to_datetime(span[1]):%Y-%m-%d %H:%M} UTC"
        return ""

    def _shut(self, write: Write, rows: tuple[int, ...], second: int) -> str:
        minute = week_minute(second)
        for row in rows:
            shift = self.shift(write, row)
            if not _clear_of_runs(shift)[minute]:
                return f"too close to a backup at {write.start_before} (old) or {write.start_after} (new)"
        shift = self.shift(write, rows[0])
        return f"another time of day is better: {_gap_text(shift.gap_minutes(minute) / 60, self._rpo[rows[0]])}"


def _freezes(inventory: Inventory, rules: Rules) -> list[_Freeze]:
    """For each item, the rules that freeze it."""
    freezing = [(number, rule) for number, rule in enumerate(rules.rule) if rule.freeze]
    found = []
    for item in inventory.items:
        policy = inventory.policy(item)
        place = (inventory.vm(item), inventory.vault(item), policy.recurrence.frequency)
        numbers = tuple(number for number, rule in freezing if rule.is_for(*place))
        found.append(_Freeze(policy.timezone if numbers else "UTC", numbers))
    return found


@lru_cache(maxsize=1024)  # 10 kB each; a run needs the same ones each time it builds the calendar of what is left
def _passage(shift: Shift, rpo: Rpo) -> _Passage:
    """Minutes of the UTC week in which a start may be changed.

    For daily and weekly policies, one side of the old start is used.  It is the time after an old run and before a
    new one if that leaves half an hour, because the gap is smaller there; otherwise the other side, if its gap is
    within the limit.
    """
    stretches = _stretches(_clear_of_runs(shift))
    gaps = {stretch: shift.gap_minutes(stretch[0]) for stretch in stretches}
    kept = [stretch for stretch in stretches if gaps[stretch] <= rpo.minutes]
    if not stretches:
        return _Passage(_fill([]), "its old and new backups leave no time for the write")
    if not kept:
        return _Passage(_fill([]), _gap_text(min(gaps.values()) / 60, rpo))
    if shift.recurrence.frequency is not Frequency.HOURLY:
        near = [(begin, length) for begin, length in kept if length >= ROOM_MINUTES and shift.new_run_is_next(begin)]
        kept = near or [stretch for stretch in kept if not shift.new_run_is_next(stretch[0])]
        if not kept:
            return _Passage(_fill([]), _gap_text(max(gaps.values()) / 60, rpo))
    return _Passage(_fill(kept))


def _gap_text(hours: float, rpo: Rpo) -> str:
    return f"it would leave up to {hours:.3g} h between two recovery points; the limit is {rpo}"


def _clear_of_runs(shift: Shift) -> BoolArray:
    """Minutes of the UTC week that are far enough from every run, old and new.

    Hourly runs may be so close together that no time is clear of both.  New runs do not take place before the write,
    so in that case only the distance to the next new run is kept.
    """
    over = shift.window_minutes
    if shift.recurrence.frequency is not Frequency.HOURLY:
        return _clear(shift, MARGIN_MINUTES, max(MARGIN_MINUTES, over), max(MARGIN_MINUTES, over))
    strict = _clear(shift, HOURLY_MARGIN_MINUTES, over, over)
    if any(length >= ROOM_MINUTES for _, length in _stretches(strict)):
        return strict
    return _clear(shift, HOURLY_MARGIN_MINUTES, over, 1)


def _clear(shift: Shift, ahead: int, after_old: int, after_new: int) -> BoolArray:
    clear = np.ones(MINUTES_PER_WEEK, dtype=np.bool_)
    for runs, behind in ((shift.old_runs, after_old), (shift.new_runs, after_new)):
        for of_reading in runs:
            around = np.arange(-ahead, behind)[None, :] + np.array(of_reading, dtype=np.int64)[:, None]
            clear[around.ravel() % MINUTES_PER_WEEK] = False
    return clear


def _stretches(minutes: BoolArray) -> list[tuple[int, int]]:
    """Begin and length in minutes of each stretch of open minutes of the circular week."""
    if minutes.all():
        return [(0, MINUTES_PER_WEEK)]
    was_open = np.roll(minutes, 1)
    begins = np.flatnonzero(minutes & ~was_open)
    ends = np.flatnonzero(~minutes & was_open)
    if not begins.size:
        return []
    following = ends[np.searchsorted(ends, begins) % len(ends)]
    return list(zip(begins.tolist(), ((following - begins) % MINUTES_PER_WEEK).tolist(), strict=True))


def _fill(stretches: Iterable[tuple[int, int]]) -> BoolArray:
    minutes = np.zeros(MINUTES_PER_WEEK, dtype=np.bool_)
    for begin, length in stretches:
        minutes[np.arange(begin, begin + length) % MINUTES_PER_WEEK] = True
    return minutes


def _expand(minutes: BoolArray, begin: int, end: int) -> list[Span]:
    """Open periods within ``[begin, end)``, in seconds since 1970."""
    stretches = _stretches(minutes)
    monday = begin - 60 * week_minute(begin) - begin % 60 - _WEEK_SECONDS
    found = []
    while monday < end:
        for first, length in stretches:
            opens = monday + 60 * first
            found.append((max(opens, begin), min(opens + 60 * length, end)))
        monday += _WEEK_SECONDS
    return union(found)
