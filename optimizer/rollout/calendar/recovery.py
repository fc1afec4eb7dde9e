"""Gaps between recovery points: the length of a gap when a start changes at a given time, and its limit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import MINUTES_PER_DAY, MINUTES_PER_WEEK, START_WINDOW_MINUTES, Recurrence
from optimizer.rollout.calendar.spans import to_datetime, to_seconds

SLACK_MINUTES = 12 * 60
"""Minutes that the default RPO adds to the widest spacing of the runs (docs/azure.md, When a write may be made)."""

_MONDAY_MINUTES = 4 * MINUTES_PER_DAY
"""First Monday after 1970-01-01, 00:00 UTC, in minutes since 1970."""


def week_minute(second: int) -> int:
    """Minute of the UTC week for a time in seconds since 1970."""
    return (second // 60 - _MONDAY_MINUTES) % MINUTES_PER_WEEK


@dataclass(frozen=True, slots=True)
class Rpo:
    """Longest time between two recovery points that a change may cause.

    Parameters
    ----------
    minutes
        Limit in minutes.
    rule
        Name of the rule that sets the limit; empty for the default.
    """

    minutes: int
    rule: str = ""

    def __str__(self) -> str:
        hours = f"{self.minutes / 60:g} h"
        return f"{hours} by rule {self.rule!r}" if self.rule else f"{hours} by default"


def rpo_of_items(inventory: Inventory, rules: Rules) -> tuple[Rpo, ...]:
    """RPO of each item: the smallest of the matching rules, by default the widest spacing of its runs + 12 h.

    If a rule asks for less than the schedule itself leaves (the widest spacing plus a start that is 2 h late), no
    change could keep it. In that case, a change may leave as much as the schedule does.
    """
    stating = [rule for rule in rules.rule if rule.rpo_hours is not None]
    limits = []
    for item in inventory.items:
        policy = inventory.policy(item)
        whose = (inventory.vm(item), inventory.vault(item), policy.recurrence.frequency)
        stated = [(rule.rpo_hours, rule.name) for rule in stating if rule.rpo_hours and rule.is_for(*whose)]
        if stated:
            hours, name = min(stated)
            limits.append(Rpo(max(policy.recurrence.least_rpo, int(hours * 60)), name))
        else:
            limits.append(Rpo(policy.recurrence.widest_spacing + SLACK_MINUTES))
    return tuple(limits)


@dataclass(frozen=True)
class Shift:
    """Change of a start: the runs before and after, for every UTC offset that the clock may have.

    Parameters
    ----------
    recurrence
        Recurrence of the policy, which is the same before and after.
    offsets
        UTC offsets of the policy's zone, in minutes, at which a time of day may run. There is more than one if the
        clock changes, because it is not known what Azure does then.
    before, after
        Start options before and after the change.
    window_minutes
        Length of the start window in minutes, with the snapshot at its end.
    """

    recurrence: Recurrence
    offsets: tuple[int, ...]
    before: int
    after: int
    window_minutes: int

    @cached_property
    def old_runs(self) -> tuple[tuple[int, ...], ...]:
        """Minutes of the UTC week of the runs before, sorted, for each offset."""
        return self._runs(self.before)

    @cached_property
    def new_runs(self) -> tuple[tuple[int, ...], ...]:
        """Minutes of the UTC week of the runs after, sorted, for each offset."""
        return self._runs(self.after)

    def last_run_before(self, at: datetime) -> datetime:
        """Last run of the old start at or before a time, for the UTC offset at which it is the longest ago."""
        second = to_seconds(at)
        return to_datetime(second - self.seconds_since(second))

    def first_run_after(self, at: datetime) -> datetime:
        """First run of the new start after a time, for the UTC offset at which it is the furthest away."""
        second = to_seconds(at)
        return to_datetime(second + self.seconds_until(self.new_runs, second))

    def gap_hours(self, write_at: datetime, last_point: datetime | None = None) -> float:
        """Longest gap between recovery points around a write, in hours, if the first new run starts 2 h late.

        Parameters
        ----------
        write_at
            Time at which the start changes.
        last_point
            Time of the last recovery point. None: the recovery point of the last old run before the write.
        """
        last = self.last_run_before(write_at) if last_point is None else last_point
        first = self.first_run_after(write_at) + timedelta(minutes=START_WINDOW_MINUTES)
        return (first - last) / timedelta(hours=1)

    def keeps(self, rpo: Rpo, write_at: datetime, last_point: datetime | None = None) -> bool:
        """Whether a write keeps the RPO.

        If a VM's backups fail, its last recovery point may be so old that the RPO is exceeded even without a change.
        In that case only the schedule counts; otherwise the VM could never be moved to a time at which its backups
        succeed.

        Parameters
        ----------
        rpo
            RPO of the VM.
        write_at
            Time at which the start changes.
        last_point
            Time of the last recovery point. None: the recovery point of the last old run before the write.
        """
        limit = rpo.minutes / 60
        if last_point is not None:
            second = to_seconds(write_at)
            unchanged = to_datetime(second + self.seconds_until(self.old_runs, second))
            late = unchanged + timedelta(minutes=START_WINDOW_MINUTES) - last_point
            if late <= timedelta(hours=limit):
                return self.gap_hours(write_at, last_point) <= limit
        return self.gap_hours(write_at) <= limit

    def seconds_since(self, second: int) -> int:
        """Seconds since the last old run: the maximum over the UTC offsets."""
        minute = week_minute(second)
        return max(_minutes_back(runs, minute) for runs in self.old_runs) * 60 + second % 60

    def seconds_until(self, runs: Sequence[Sequence[int]], second: int) -> int:
        """Seconds until the first of the given runs after a second: the maximum over the UTC offsets."""
        minute = week_minute(second)
        return max(_minutes_ahead(of_reading, minute) for of_reading in runs) * 60 - second % 60

    def gap_minutes(self, minute: int) -> int:
        """Longest gap in minutes between recovery points around a write in a minute of the UTC week."""
        back = max(_minutes_back(runs, minute) for runs in self.old_runs)
        ahead = max(_minutes_ahead(runs, minute) for runs in self.new_runs)
        return back + ahead + START_WINDOW_MINUTES

    def new_run_is_next(self, minute: int) -> bool:
        """Whether the next run after a minute of the UTC week is a new one: on that side, the gap is smaller."""
        new = min(_minutes_ahead(runs, minute) for runs in self.new_runs)
        old = min(_minutes_ahead(runs, minute) for runs in self.old_runs)
        return new < old

    def _runs(self, option: int) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(sorted(self.recurrence.run_minutes(option, offset).tolist())) for offset in self.offsets)


def _minutes_back(runs: Sequence[int], minute: int) -> int:
    """Minutes since the last run at or before a minute of the week."""
    position = bisect_right(runs, minute) - 1
    return minute - runs[position] if position >= 0 else minute + MINUTES_PER_WEEK - runs[-1]


def _minutes_ahead(runs: Sequence[int], minute: int) -> int:
    """Minutes until the first run after a minute of the week."""
    position = bisect_right(runs, minute)
    return runs[position] - minute if position < len(runs) else runs[0] + MINUTES_PER_WEEK - minute
