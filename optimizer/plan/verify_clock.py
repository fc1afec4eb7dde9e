"""The verifier's clock: start windows as instants and as half hours of the week, by plain loops.

It shares no code with :mod:`optimizer.solve`; the verifier of plans and the judge of roll-outs both ask it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from optimizer.model.inventory import Policy
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule
from optimizer.model.timegrid import Frequency, Horizon, resolve_zone

TWO_HOURS = timedelta(hours=2)
HALF_HOUR = timedelta(minutes=30)
HALF_HOURS_PER_WEEK = 336


class WindowClock:
    """Windows as instants of the horizon and as half hours of the typical week, remembered per kind of policy.

    Parameters
    ----------
    horizon
        The period in which windows have to keep the rules.
    snapshot_minutes
        Length of the snapshot at the end of a window.
    """

    def __init__(self, horizon: Horizon, snapshot_minutes: int) -> None:
        self.horizon = horizon
        self.length = TWO_HOURS + timedelta(minutes=snapshot_minutes)
        self._half_hours: dict[tuple[object, ...], frozenset[int]] = {}
        self._fits: dict[tuple[object, ...], bool] = {}
        self._offsets: dict[str, list[timedelta]] = {}
        self._starts: dict[tuple[object, ...], list[int]] = {}

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
        """Offsets from UTC that the policy's zone has in the year that ends with the horizon."""
        if policy.timezone not in self._offsets:
            self._offsets[policy.timezone] = self._find_offsets(policy.timezone)
        return self._offsets[policy.timezone]

    def _find_offsets(self, timezone: str) -> list[timedelta]:
        zone, horizon = resolve_zone(timezone), self.horizon
        found: list[timedelta] = []
        instant = horizon.start
        while instant <= horizon.end:
            found.append(instant.astimezone(zone).utcoffset() or timedelta())
            instant += timedelta(days=1)
        instant = horizon.start
        while instant > horizon.end - timedelta(days=366):
            found.append(instant.astimezone(zone).utcoffset() or timedelta())
            instant -= timedelta(days=1)
        return list(dict.fromkeys(found))

    def half_hours(self, policy: Policy, option: int) -> frozenset[int]:
        """Half hours of the UTC week that any window meets, read at any offset."""
        key = (policy.recurrence, policy.timezone, option)
        if key not in self._half_hours:
            met: set[int] = set()
            for day, wall in self.wall_times(policy, option):
                for offset in self.offsets(policy):
                    begin = timedelta(days=day) + wall - offset
                    moment = begin - begin % HALF_HOUR
                    while moment < begin + self.length:
                        met.add((moment // HALF_HOUR) % HALF_HOURS_PER_WEEK)
                        moment += HALF_HOUR
            self._half_hours[key] = frozenset(met)
        return self._half_hours[key]

    def starts(self, policy: Policy, option: int) -> list[int]:
        """Half hours of the UTC week in which runs start, at the offset of the start of the horizon."""
        key = (policy.recurrence, policy.timezone, option)
        if key not in self._starts:
            offset = self.offsets(policy)[0]
            self._starts[key] = [
                ((timedelta(days=day) + wall - offset) // HALF_HOUR) % HALF_HOURS_PER_WEEK
                for day, wall in self.wall_times(policy, option)
            ]
        return self._starts[key]

    def fits(self, rule: Rule, policy: Policy, option: int) -> bool:
        """Whether every window of the horizon keeps the allowed and forbidden windows of a rule."""
        key = (rule.name, policy.recurrence, policy.timezone, option)
        if key not in self._fits:
            self._fits[key] = all(
                (not rule.allow or _covered(begin, begin + self.length, rule.allow, policy.timezone))
                and not _touched(begin, begin + self.length, rule.forbid, policy.timezone)
                for begin in self.instants(policy, option)
            )
        return self._fits[key]

    def instants(self, policy: Policy, option: int) -> list[datetime]:
        """Begin of every start window of the horizon, read at any offset."""
        horizon = self.horizon
        by_day: dict[int, list[timedelta]] = defaultdict(list)
        for day, wall in self.wall_times(policy, option):
            by_day[day].append(wall)
        found = []
        date = horizon.start.date() - timedelta(days=2)
        while date <= horizon.end.date() + timedelta(days=2):
            for wall in by_day[date.weekday()]:
                for offset in self.offsets(policy):
                    instant = datetime.combine(date, time.min, UTC) + wall - offset
                    if horizon.start <= instant < horizon.end:
                        found.append(instant)
            date += timedelta(days=1)
        return found


def _spans(
    begin: datetime, end: datetime, windows: Sequence[Window], own_zone: str
) -> list[tuple[datetime, datetime]]:
    """Windows that could meet an interval, as instants."""
    found = []
    for window in windows:
        zone = resolve_zone(window.zone or own_zone)
        date = begin.astimezone(zone).date() - timedelta(days=2)
        while date <= end.astimezone(zone).date() + timedelta(days=1):
            if window.begins_on(date):
                midnight = datetime.combine(date, time.min)
                opens = (midnight + timedelta(minutes=window.start)).replace(tzinfo=zone).astimezone(UTC)
                closes_on = midnight + timedelta(minutes=window.end, days=int(window.end <= window.start))
                found.append((opens, closes_on.replace(tzinfo=zone).astimezone(UTC)))
            date += timedelta(days=1)
    return found


def _covered(begin: datetime, end: datetime, windows: Sequence[Window], own_zone: str) -> bool:
    reached = begin
    spans = _spans(begin, end, windows, own_zone)
    while reached < end:
        further = max((closes for opens, closes in spans if opens <= reached < closes), default=reached)
        if further == reached:
            return False
        reached = further
    return True


def _touched(begin: datetime, end: datetime, windows: Sequence[Window], own_zone: str) -> bool:
    return any(opens < end and begin < closes for opens, closes in _spans(begin, end, windows, own_zone))
