"""When a write may be made as far as backups that run, recovery points and freezes are concerned."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import (
    DEFAULT_SNAPSHOT_MINUTES,
    MINUTES_PER_WEEK,
    ROLLOUT_DAYS,
    START_WINDOW_MINUTES,
    Frequency,
    parse_start,
    resolve_zone,
)
from optimizer.rollout.recovery import Rpo, Shift, rpo_of_items, week_minute
from optimizer.rollout.spans import Span, span_at, to_datetime, to_seconds, union, within, without
from optimizer.rollout.stages import Write

BoolArray = npt.NDArray[np.bool_]

MARGIN_MINUTES = 150
"""Distance of a write from the runs of a daily or weekly policy, before and after (azure-facts, 3.4)."""

HOURLY_MARGIN_MINUTES = 15
"""Distance of a write from the next run of an hourly policy."""

ROOM_MINUTES = 30
"""Shortest stretch of time in which writes are planned where there is another."""

_FIRST, _LAST = date(1971, 1, 1), date(9998, 12, 31)
_WEEK_SECONDS = 60 * MINUTES_PER_WEEK


@dataclass(frozen=True, slots=True)
class _Freeze:
    """Which rules freeze a VM, on dates of which zone."""

    timezone: str
    rules: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Passage:
    """Minutes of the UTC week in which a start may be changed, and why there is none."""

    minutes: BoolArray
    reason: str = ""


class Gates:
    """Time gates of writes.

    A write that gives VMs another start is kept away from their backups, before and after, at every reading of their
    clocks, and to the side of the old start on which they are without a new recovery point for the shorter time.  It
    is frozen on the days of any of its VMs.  A new or deleted policy concerns no VM: it is frozen only while every
    VM of its vault is.

    Parameters
    ----------
    inventory
        VMs with their policies; today's start does not matter, the writes say it.
    rules
        With freezes and RPOs.
    snapshot_minutes
        Length of the snapshot.
    """

    def __init__(self, inventory: Inventory, rules: Rules, snapshot_minutes: int = DEFAULT_SNAPSHOT_MINUTES) -> None:
        self._inventory = inventory
        self._rules = rules
        self._snapshot_minutes = snapshot_minutes
        self._rpo = rpo_of_items(inventory, rules)
        self._row_of_vm = {item.vm_id.lower(): row for row, item in enumerate(inventory.items)}
        self._offsets: dict[str, tuple[int, ...]] = {}
        self._freeze_of = _freezes(inventory, rules)
        self._frozen: dict[_Freeze, list[Span]] = {}
        self._frozen_vaults: dict[str, list[Span]] = {}
        self._passages: dict[Hashable, _Passage] = {}
        self._spans: dict[Hashable, tuple[Span, ...]] = {}

    def windows(self, write: Write, after: datetime, days: float = ROLLOUT_DAYS) -> list[tuple[datetime, datetime]]:
        """Half-open intervals in UTC in which a write may be made, ascending.

        Parameters
        ----------
        write
            The write.
        after, days
            The time that is looked at.
        """
        begin, end = to_seconds(after), to_seconds(after + timedelta(days=days))
        return [(to_datetime(first), to_datetime(last)) for first, last in self.spans(write, begin, end)]

    def closed(self, write: Write, at: datetime, last_points: Mapping[str, datetime] | None = None) -> str:
        """Why a write may not be made at a time; empty where it may.

        Parameters
        ----------
        write
            The write.
        at
            The time.
        last_points
            Last recovery points by VM id (lower case), where they are known: a VM without one counts as backed up at
            its last run.
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
            point = (last_points or {}).get(item.vm_id.lower())
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
            When the gate opens.

        Returns
        -------
        str
            Empty where nothing does: the gate was open before.
        """
        before = opens - timedelta(minutes=1)
        minute = week_minute(to_seconds(before))
        if self._frozen_by(write, to_seconds(before)):
            return "when the freeze of the rules ends"
        over = max(MARGIN_MINUTES, START_WINDOW_MINUTES + self._snapshot_minutes)
        for row in self._rows(write):
            shift = self.shift(write, row)
            if _clear_of_runs(shift, self._snapshot_minutes)[minute]:
                continue
            if shift.recurrence.frequency is Frequency.HOURLY:
                return "between two backups"
            since = min((minute - run) % MINUTES_PER_WEEK for runs in shift.old_runs for run in runs)
            return f"after the {write.start_before} backup" if since <= over else f"clear of {write.start_after}"
        return "with a shorter gap between backups" if self.closed(write, before) else ""

    def spans(self, write: Write, begin: int, end: int) -> tuple[Span, ...]:
        """The same as :meth:`windows` in seconds since 1970; remembered."""
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
        """What the gates of a write depend on: writes with equal keys are open at equal times."""
        rows = self._rows(write)
        if not rows:
            return write.vault_id.lower()
        return (self._passage_key(write, rows), frozenset(self._freeze_of[row] for row in rows))

    def why_never(self, write: Write, end: int) -> str:
        """Why a write has no window until a time in seconds since 1970."""
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
        """Why no time at all admits a write; empty where some time does, or where freezes alone leave none.

        Parameters
        ----------
        write
            The write.
        after
            The time from which the days of a roll-out are counted.
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
        """How a write changes the runs of an item."""
        policy = self._inventory.policy(self._inventory.items[row])
        before = parse_start(write.start_before) if write.start_before else policy.start
        after = parse_start(write.start_after) if write.start_after else before
        return Shift(policy.recurrence, self._offsets_of(policy.timezone), before, after)

    def rpo(self, row: int) -> Rpo:
        """Limit of an item."""
        return self._rpo[row]

    def rows_of(self, vms: Iterable[str]) -> tuple[int, ...]:
        """Items of VMs, those that the inventory does not know left out."""
        return tuple(self._row_of_vm[vm.lower()] for vm in vms if vm.lower() in self._row_of_vm)

    def _rows(self, write: Write) -> tuple[int, ...]:
        return self.rows_of(write.vms)

    def _offsets_of(self, timezone: str) -> tuple[int, ...]:
        if timezone not in self._offsets:
            self._offsets[timezone] = self._inventory.horizon.offsets(resolve_zone(timezone))
        return self._offsets[timezone]

    def _passage_key(self, write: Write, rows: tuple[int, ...]) -> Hashable:
        return frozenset((self.shift(write, row), self._rpo[row]) for row in rows)

    def _passage(self, write: Write, rows: tuple[int, ...]) -> _Passage:
        """Minutes that are open for every VM of a write."""
        key = self._passage_key(write, rows)
        if key not in self._passages:
            kinds = dict.fromkeys((self.shift(write, row), self._rpo[row]) for row in rows)
            found = [_passage(shift, rpo, self._snapshot_minutes) for shift, rpo in kinds]
            minutes = np.logical_and.reduce([passage.minutes for passage in found])
            reason = next((passage.reason for passage in found if passage.reason), "")
            if not minutes.any() and not reason:
                reason = "there is no time that suits all its VMs"
            self._passages[key] = _Passage(minutes, reason)
        return self._passages[key]

    def _freezes(self, write: Write, rows: tuple[int, ...]) -> list[list[Span]]:
        if not rows:
            return [self._vault_frozen(write.vault_id.lower())]
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

    def _vault_frozen(self, vault_id: str) -> list[Span]:
        """When every VM of a vault is frozen."""
        if vault_id not in self._frozen_vaults:
            of_vault = dict.fromkeys(
                self._freeze_of[row]
                for row, item in enumerate(self._inventory.items)
                if item.vault_id.lower() == vault_id
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
            if not _clear_of_runs(shift, self._snapshot_minutes)[minute]:
                return f"too close to a backup at {write.start_before} (old) or {write.start_after} (new)"
        shift = self.shift(write, rows[0])
        return f"another time of day is better: {_gap_text(shift.gap_minutes(minute) / 60, self._rpo[rows[0]])}"


def _freezes(inventory: Inventory, rules: Rules) -> list[_Freeze]:
    """Which rules freeze each item."""
    freezing = [(number, rule) for number, rule in enumerate(rules.rule) if rule.freeze]
    found = []
    for item in inventory.items:
        policy = inventory.policy(item)
        place = (inventory.vm(item), inventory.vault(item), policy.recurrence.frequency)
        numbers = tuple(number for number, rule in freezing if rule.is_for(*place))
        found.append(_Freeze(policy.timezone if numbers else "UTC", numbers))
    return found


@lru_cache(maxsize=1024)  # 10 kB each; a run asks for the same ones each time it lays out what is left
def _passage(shift: Shift, rpo: Rpo, snapshot_minutes: int) -> _Passage:
    """Minutes of the week in which a start may be changed.

    For daily and weekly policies one side of the old start is chosen: after an old run and before a new one, where
    that leaves half an hour, as the gap is smaller there; else the other, where its gap is within the limit.
    """
    stretches = _stretches(_clear_of_runs(shift, snapshot_minutes))
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


def _clear_of_runs(shift: Shift, snapshot_minutes: int) -> BoolArray:
    """Minutes of the week that are far enough from every run, old and new.

    Hourly runs may lie so close that no time is clear of both; then new ones, which do not take place before the
    write, only need their distance ahead.
    """
    over = START_WINDOW_MINUTES + snapshot_minutes
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
    """Begin and length of each run of open minutes of the circular week."""
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
    """Open times of ``[begin, end)`` in seconds since 1970."""
    stretches = _stretches(minutes)
    monday = begin - 60 * week_minute(begin) - begin % 60 - _WEEK_SECONDS
    found = []
    while monday < end:
        for first, length in stretches:
            opens = monday + 60 * first
            found.append((max(opens, begin), min(opens + 60 * length, end)))
        monday += _WEEK_SECONDS
    return union(found)
