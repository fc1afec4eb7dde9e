"""Determines the start options that rule windows allow: their local times against every run of the coming year."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from optimizer.model.arrays import BoolArray
from optimizer.model.pattern import Pattern
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule
from optimizer.model.timegrid import (
    HORIZON_DAYS,
    MINUTES_PER_DAY,
    NUM_OPTIONS,
    SLOT_MINUTES,
    Frequency,
    Horizon,
    resolve_zone,
)

Intervals = npt.NDArray[np.int64]
"""Half-open intervals in minutes after the start of the horizon, sorted and disjoint; shape (n, 2)."""


def windows_in_utc(windows: Iterable[Window], own_zone: str, horizon: Horizon, num_days: int) -> Intervals:
    """Union of rule windows over a period that begins with the horizon.

    Parameters
    ----------
    windows
        Rule windows in local time.
    own_zone
        Time zone of windows that do not name one.
    horizon
        Horizon whose start is the start of the period.
    num_days
        Length of the period in days. Two days are added on each side, for windows that reach into the period.
    """
    opened: list[tuple[int, int]] = []
    for window in windows:
        opened += _occurrences(window, resolve_zone(window.zone or own_zone), horizon.start, num_days)
    return _union(opened)


@lru_cache(maxsize=1024)
def _occurrences(window: Window, zone: ZoneInfo, start: datetime, num_days: int) -> tuple[tuple[int, int], ...]:
    """Times at which a rule window opens and closes, in minutes after ``start``; cached, as policies share zones."""
    opened = []
    first_day = start.date() - timedelta(days=2)
    for n in range(num_days + 4):
        day = first_day + timedelta(days=n)
        if window.begins_on(day):
            begin = datetime.combine(day, time.min) + timedelta(minutes=window.start)
            end = begin + timedelta(minutes=window.minutes)
            opened.append((_utc_minute(begin, zone, start), _utc_minute(end, zone, start)))
    return tuple(opened)


def _utc_minute(wall: datetime, zone: ZoneInfo, start: datetime) -> int:
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return int((instant - start).total_seconds() // 60)


def _union(intervals: list[tuple[int, int]]) -> Intervals:
    merged: list[list[int]] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif begin < end:
            merged.append([begin, end])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def run_windows(pattern: Pattern, horizon: Horizon, num_days: int) -> npt.NDArray[np.int64]:
    """Beginning of every start window in a period, for each option and each UTC offset at which Azure may run it.

    Parameters
    ----------
    pattern
        The runs and the UTC offsets.
    horizon
        Horizon whose start is the start of the period.
    num_days
        Length of the period in days.

    Returns
    -------
    numpy.ndarray
        Shape (48, n): minutes after the start of the period; -1 for runs outside the period.
    """
    first_day = horizon.start.date() - timedelta(days=2)
    days = [n - 2 for n in range(num_days + 4)]
    if pattern.recurrence.frequency is Frequency.WEEKLY:
        days = [n for n in days if (first_day + timedelta(days=n + 2)).weekday() in pattern.recurrence.days]
    day_minutes = np.array(days, dtype=np.int64)[None, :, None, None] * MINUTES_PER_DAY
    options = np.arange(NUM_OPTIONS, dtype=np.int64)[:, None, None, None] * SLOT_MINUTES
    runs = np.array(pattern.recurrence.runs_after_start, dtype=np.int64)[None, None, :, None]
    offsets = np.array(pattern.offsets, dtype=np.int64)[None, None, None, :]
    begin = (day_minutes + options + runs - offsets).reshape(NUM_OPTIONS, -1)
    inside = (begin >= 0) & (begin < num_days * MINUTES_PER_DAY)
    return np.where(inside, begin, -1)


def options_within(begin: npt.NDArray[np.int64], length: int, intervals: Intervals) -> BoolArray:
    """Options whose start windows all lie inside the intervals.

    Parameters
    ----------
    begin
        Shape (48, n): beginning of each start window in minutes, -1 for padding.
    length
        Length of a start window in minutes.
    intervals
        Shape (m, 2): intervals in minutes.

    Returns
    -------
    numpy.ndarray
        Shape (48,): whether each option qualifies.
    """
    end = begin + length
    if len(intervals) == 0:
        return np.asarray(np.all(begin < 0, axis=1))
    at = np.searchsorted(intervals[:, 0], begin, side="right") - 1
    inside = (at >= 0) & (end <= intervals[np.maximum(at, 0), 1])
    return np.asarray(np.all(inside | (begin < 0), axis=1))


def options_clear_of(begin: npt.NDArray[np.int64], length: int, intervals: Intervals) -> BoolArray:
    """Options whose start windows all stay clear of the intervals; for the parameters see :func:`options_within`."""
    end = begin + length
    if len(intervals) == 0:
        return np.ones(NUM_OPTIONS, dtype=np.bool_)
    first_after = np.searchsorted(intervals[:, 1], begin, side="right")
    next_begin = np.append(intervals[:, 0], np.iinfo(np.int64).max)[first_after]
    return np.asarray(np.all((next_begin >= end) | (begin < 0), axis=1))


def options_allowed(rule: Rule, pattern: Pattern, own_zone: str, horizon: Horizon) -> BoolArray:
    """Options that the ``allow`` and ``forbid`` windows of a rule leave; shape (48,), bool.

    Recurring windows must hold for the coming year, through every change between standard and daylight saving time.
    Windows on dates must hold within the horizon; the next monthly plan takes care of later dates.
    """
    length = pattern.timing.window_minutes
    allowed = np.ones(NUM_OPTIONS, dtype=np.bool_)
    if rule.allow:
        num_days = horizon.rule_days if any(window.recurs for window in rule.allow) else HORIZON_DAYS
        intervals = windows_in_utc(rule.allow, own_zone, horizon, num_days)
        allowed &= options_within(run_windows(pattern, horizon, num_days), length, intervals)
    for recurs, num_days in ((True, horizon.rule_days), (False, HORIZON_DAYS)):
        windows = [window for window in rule.forbid if window.recurs is recurs]
        if windows:
            intervals = windows_in_utc(windows, own_zone, horizon, num_days)
            allowed &= options_clear_of(run_windows(pattern, horizon, num_days), length, intervals)
    return allowed
