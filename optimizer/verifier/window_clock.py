"""Clock of the verifier: start windows as instants and as half hours of the week, by plain loops.

It shares no code with :mod:`optimizer.solve`. The verifier of plans and the judge of roll-outs both use it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from optimizer.model.inventory import Inventory, Policy
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule
from optimizer.model.timegrid import Frequency, resolve_zone
from optimizer.model.working_hours import WorkingHours

TWO_HOURS = timedelta(hours=2)
HALF_HOUR = timedelta(minutes=30)
HALF_HOURS_PER_WEEK = 336
A_YEAR = 366
"""Number of days for which windows of rules must hold, which includes every change of clocks."""

Span = tuple[datetime, datetime]


class WindowClock:
    """Windows as instants of the horizon and as half hours of the typical week; cached per kind of policy.

    Parameters
    ----------
    inventory
        Estate whose horizon begins the year in which windows must keep the rules, and whose vaults have the timing of
        the snapshots.
    """

    def __init__(self, inventory: Inventory) -> None:
        self.horizon = inventory.horizon
        self._inventory = inventory
        self._half_hours: dict[tuple[object, ...], frozenset[int]] = {}
        self._fits: dict[tuple[object, ...], bool] = {}
        self._offsets: dict[str, list[timedelta]] = {}
        self._starts_within: dict[tuple[object, ...], float] = {}
        self._starts: dict[tuple[object, ...], list[int]] = {}
        self._instants: dict[tuple[object, ...], list[datetime]] = {}
        self._open: dict[tuple[object, ...], list[Span]] = {}

    def length(self, policy: Policy) -> timedelta:
        """Length of a start window: the time within which Azure may start a backup, and its snapshot."""
        return TWO_HOURS + timedelta(minutes=self._inventory.timing(policy).snapshot_minutes)

    def wall_times(self, policy: Policy, option: int) -> list[tuple[int, timedelta]]:
        """Weekday and time after midnight of every run of a typical week, on the policy's own clock."""
        recurrence = policy.recurrence
        days = recurrence.days if recurrence.frequency is Frequency.WEEKLY else range(7)
        first = timedelta(minutes=30 * option)
        spans = [timedelta()]
        if recurrence.frequency is Frequency.HOURLY:
            interval, duration = recurrence.interval_hours or 24, recurrence.duration_hours or 0
            spans = [timedelta(hours=h) for h in range(0, 24, interval) if h <= min(duration, 24 - interval)]
        return [(day, first + span) for day in days for span in spans]

    def offsets(self, policy: Policy) -> list[timedelta]:
        """UTC offsets that the policy's zone had in the past year or will have in the coming year, today's first."""
        if policy.timezone not in self._offsets:
            self._offsets[policy.timezone] = self._find_offsets(policy.timezone)
        return self._offsets[policy.timezone]

    def _find_offsets(self, timezone: str) -> list[timedelta]:
        zone, start = resolve_zone(timezone), self.horizon.start
        days = [0, *range(-A_YEAR, 0), *range(1, A_YEAR + 1)]
        found = [(start + timedelta(days=day)).astimezone(zone).utcoffset() or timedelta() for day in days]
        return list(dict.fromkeys(found))

    def half_hours(self, policy: Policy, option: int) -> frozenset[int]:
        """Half hours of the UTC week that any window touches, at any UTC offset."""
        length = self.length(policy)
        key = (policy.recurrence, policy.timezone, option, length)
        if key not in self._half_hours:
            met: set[int] = set()
            for day, wall in self.wall_times(policy, option):
                for offset in self.offsets(policy):
                    begin = timedelta(days=day) + wall - offset
                    moment = begin - begin % HALF_HOUR
                    while moment < begin + length:
                        met.add((moment // HALF_HOUR) % HALF_HOURS_PER_WEEK)
                        moment += HALF_HOUR
            self._half_hours[key] = frozenset(met)
        return self._half_hours[key]

    def starts(self, policy: Policy, option: int, *, clock_changed: bool = False) -> list[int]:
        """Half hours of the UTC week in which runs start, at the UTC offset of the horizon's start or at the other."""
        key = (policy.recurrence, policy.timezone, option, clock_changed)
        if key not in self._starts:
            now, *others = self.offsets(policy)
            offset = max(others, default=now) if clock_changed else now
            self._starts[key] = [
                ((timedelta(days=day) + wall - offset) // HALF_HOUR) % HALF_HOURS_PER_WEEK
                for day, wall in self.wall_times(policy, option)
            ]
        return self._starts[key]

    def starts_within(self, hours: WorkingHours, policy: Policy, option: int) -> float:
        """Expected number of backups of a typical week that start in working hours, on the policy's own clock.

        A backup starts at a random time within two hours after its scheduled time.
        """
        stretches = self._stretches(policy)
        key = (hours, policy.recurrence, option, stretches)
        if key not in self._starts_within:
            opens = [timedelta(days=day + week, minutes=hours.start) for day in set(hours.days) for week in (-7, 0, 7)]
            length = timedelta(minutes=hours.end - hours.start) % timedelta(days=1) or timedelta(days=1)
            expected = 0.0
            for day, wall in self.wall_times(policy, option):
                for after, lasts, share in stretches:
                    begin, shared = timedelta(days=day) + wall + after, timedelta()
                    for open_ in opens:
                        shared += max(timedelta(), min(begin + lasts, open_ + length) - max(begin, open_))
                    expected += share * (shared / lasts)
            self._starts_within[key] = expected
        return self._starts_within[key]

    def _stretches(self, policy: Policy) -> tuple[tuple[timedelta, timedelta, float], ...]:
        """Times over which shares of the backups start, evenly spread: begin after the scheduled time, length, share.

        A known delay was rounded to 5 minutes, so it is spread over the 5 minutes around it.
        """
        delays = self._inventory.timing(policy).delays
        if not delays:
            return ((timedelta(), TWO_HOURS, 1.0),)
        five = timedelta(minutes=5)
        return tuple((number * five - five / 2, five, share) for number, share in enumerate(delays) if share)

    def fits(self, rule: Rule, policy: Policy, option: int) -> bool:
        """Whether every start window keeps the allowed and forbidden windows of a rule.

        Weekly windows are checked for a year, windows on dates for the horizon.
        """
        key = (rule.name, policy.recurrence, policy.timezone, option, self.length(policy))
        if key not in self._fits:
            self._fits[key] = self._keeps(rule, policy, option)
        return self._fits[key]

    def _keeps(self, rule: Rule, policy: Policy, option: int) -> bool:
        month, year = self.horizon.end, self.horizon.start + timedelta(days=A_YEAR)
        weekly = [window for window in rule.forbid if window.dates is None]
        dated = [window for window in rule.forbid if window.dates is not None]
        until = month if all(window.dates is not None for window in rule.allow) else year
        return (
            (not rule.allow or self._all_covered(rule.allow, policy, option, until))
            and not (weekly and self._any_touched(weekly, policy, option, year))
            and not (dated and self._any_touched(dated, policy, option, month))
        )

    def _all_covered(self, windows: Sequence[Window], policy: Policy, option: int, until: datetime) -> bool:
        """Whether every start window until a given time lies in the windows."""
        spans, length = self._spans(windows, policy.timezone), self.length(policy)
        return all(_covered(begin, begin + length, spans) for begin in self.instants(policy, option, until))

    def _any_touched(self, windows: Sequence[Window], policy: Policy, option: int, until: datetime) -> bool:
        """Whether a start window until a given time overlaps one of the windows."""
        spans, length = self._spans(windows, policy.timezone), self.length(policy)
        return any(_touched(begin, begin + length, spans) for begin in self.instants(policy, option, until))

    def instants(self, policy: Policy, option: int, until: datetime) -> list[datetime]:
        """Begin of every start window from the start of the horizon to a given time, at any UTC offset."""
        key = (policy.recurrence, policy.timezone, option, until)
        if key not in self._instants:
            self._instants[key] = list(self._find_instants(policy, option, until))
        return self._instants[key]

    def _find_instants(self, policy: Policy, option: int, until: datetime) -> Iterator[datetime]:
        start, week = self.horizon.start, timedelta(days=7)
        monday = datetime.combine(start.date() - timedelta(days=start.weekday()), time.min, UTC)
        for day, wall in self.wall_times(policy, option):
            for offset in self.offsets(policy):
                instant = monday + timedelta(days=day) + wall - offset
                instant -= (instant - start) // week * week  # the first instant that is not before the start
                while instant < until:
                    yield instant
                    instant += week

    def _spans(self, windows: Sequence[Window], own_zone: str) -> list[Span]:
        """Every period in which one of the windows is open, as (opening, closing), in order of opening."""
        key = (tuple(windows), own_zone)
        if key not in self._open:
            found = []
            for window in windows:
                zone = resolve_zone(window.zone or own_zone)
                for day in range(-3, A_YEAR + 4):
                    date = self.horizon.start.date() + timedelta(days=day)
                    if window.begins_on(date):
                        midnight = datetime.combine(date, time.min)
                        opens = (midnight + timedelta(minutes=window.start)).replace(tzinfo=zone).astimezone(UTC)
                        closes = midnight + timedelta(minutes=window.end, days=int(window.end <= window.start))
                        found.append((opens, closes.replace(tzinfo=zone).astimezone(UTC)))
            self._open[key] = sorted(found)
        return self._open[key]


def _near(begin: datetime, end: datetime, spans: Sequence[Span]) -> Iterator[Span]:
    """Spans that may overlap an interval: those that open before its end, and at most two days before its begin."""
    number = bisect_left(spans, (begin - timedelta(days=2), begin))
    while number < len(spans) and spans[number][0] < end:
        yield spans[number]
        number += 1


def _covered(begin: datetime, end: datetime, spans: Sequence[Span]) -> bool:
    reached, near = begin, list(_near(begin, end, spans))
    while reached < end:
        further = max((closes for opens, closes in near if opens <= reached < closes), default=reached)
        if further == reached:
            return False
        reached = further
    return True


def _touched(begin: datetime, end: datetime, spans: Sequence[Span]) -> bool:
    return any(begin < closes for _, closes in _near(begin, end, spans))
