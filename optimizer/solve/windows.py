"""Which start options the windows of the rules allow: local time of rules against every run of the horizon."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule
from optimizer.model.timegrid import (
    HORIZON_DAYS,
    MINUTES_PER_DAY,
    NUM_OPTIONS,
    SLOT_MINUTES,
    START_WINDOW_MINUTES,
    Frequency,
    Horizon,
    Pattern,
    resolve_zone,
)

BoolArray = npt.NDArray[np.bool_]
Intervals = npt.NDArray[np.int64]
"""Shape (n, 2): half-open intervals in minutes after the start of the horizon, sorted and disjoint."""


def windows_in_utc(windows: Iterable[Window], own_zone: str, horizon: Horizon) -> Intervals:
    """Union of windows over the horizon.

    Parameters
    ----------
    windows
        Windows of local time.
    own_zone
        Zone of windows that name none.
    horizon
        The period, widened by two days on both sides for windows that reach into it.
    """
    found: list[tuple[int, int]] = []
    first_day = horizon.start.date() - timedelta(days=2)
    for window in windows:
        zone = resolve_zone(window.zone or own_zone)
        for n in range(HORIZON_DAYS + 4):
            day = first_day + timedelta(days=n)
            if window.begins_on(day):
                midnight = datetime.combine(day, time.min)
                begin = midnight + timedelta(minutes=window.start)
                end = begin + timedelta(minutes=window.minutes)
                found.append((_utc_minute(begin, zone, horizon), _utc_minute(end, zone, horizon)))
    return _union(found)


def _utc_minute(wall: datetime, zone: ZoneInfo, horizon: Horizon) -> int:
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return int((instant - horizon.start).total_seconds() // 60)


def _union(intervals: list[tuple[int, int]]) -> Intervals:
    merged: list[list[int]] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif begin < end:
            merged.append([begin, end])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def run_windows(pattern: Pattern, horizon: Horizon) -> npt.NDArray[np.int64]:
    """Begin of every start window of the horizon, for each option and whichever way the clock is read.

    Returns
    -------
    numpy.ndarray
        Shape (48, n): minutes after the start of the horizon; -1 pads runs that lie outside it.
    """
    first_day = horizon.start.date() - timedelta(days=2)
    days = [n - 2 for n in range(HORIZON_DAYS + 4)]
    if pattern.recurrence.frequency is Frequency.WEEKLY:
        days = [n for n in days if (first_day + timedelta(days=n + 2)).weekday() in pattern.recurrence.days]
    day_minutes = np.array(days, dtype=np.int64)[None, :, None, None] * MINUTES_PER_DAY
    options = np.arange(NUM_OPTIONS, dtype=np.int64)[:, None, None, None] * SLOT_MINUTES
    runs = np.array(pattern.recurrence.runs_after_start, dtype=np.int64)[None, None, :, None]
    offsets = np.array(pattern.offsets, dtype=np.int64)[None, None, None, :]
    begin = (day_minutes + options + runs - offsets).reshape(NUM_OPTIONS, -1)
    inside = (begin >= 0) & (begin < HORIZON_DAYS * MINUTES_PER_DAY)
    return np.where(inside, begin, -1)


def options_within(pattern: Pattern, intervals: Intervals, horizon: Horizon, snapshot_minutes: int) -> BoolArray:
    """Options all of whose start windows lie inside the intervals; shape (48,), bool."""
    begin = run_windows(pattern, horizon)
    end = begin + START_WINDOW_MINUTES + snapshot_minutes
    if len(intervals) == 0:
        return np.asarray(np.all(begin < 0, axis=1))
    at = np.searchsorted(intervals[:, 0], begin, side="right") - 1
    inside = (at >= 0) & (end <= intervals[np.maximum(at, 0), 1])
    return np.asarray(np.all(inside | (begin < 0), axis=1))


def options_clear_of(pattern: Pattern, intervals: Intervals, horizon: Horizon, snapshot_minutes: int) -> BoolArray:
    """Options none of whose start windows touches the intervals; shape (48,), bool."""
    begin = run_windows(pattern, horizon)
    end = begin + START_WINDOW_MINUTES + snapshot_minutes
    if len(intervals) == 0:
        return np.ones(NUM_OPTIONS, dtype=np.bool_)
    first_after = np.searchsorted(intervals[:, 1], begin, side="right")
    next_begin = np.append(intervals[:, 0], np.iinfo(np.int64).max)[first_after]
    return np.asarray(np.all((next_begin >= end) | (begin < 0), axis=1))


def options_allowed(rule: Rule, pattern: Pattern, own_zone: str, horizon: Horizon, snapshot_minutes: int) -> BoolArray:
    """Options that the ``allow`` and ``forbid`` windows of a rule leave; shape (48,), bool."""
    allowed = np.ones(NUM_OPTIONS, dtype=np.bool_)
    if rule.allow:
        intervals = windows_in_utc(rule.allow, own_zone, horizon)
        allowed &= options_within(pattern, intervals, horizon, snapshot_minutes)
    if rule.forbid:
        intervals = windows_in_utc(rule.forbid, own_zone, horizon)
        allowed &= options_clear_of(pattern, intervals, horizon, snapshot_minutes)
    return allowed
