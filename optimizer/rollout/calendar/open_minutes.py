"""Open minutes of the week: when a start may be changed, given its old and new backups and the RPO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from optimizer.model.arrays import BoolArray
from optimizer.model.timegrid import MINUTES_PER_WEEK, Frequency
from optimizer.rollout.calendar.recovery import Rpo, Shift, week_minute
from optimizer.rollout.calendar.spans import Span, union

MARGIN_MINUTES = 150
"""Minutes between a write and the runs of a daily or weekly policy, before and after.

See "When a write may be made" in docs/azure.md.
"""

HOURLY_MARGIN_MINUTES = 15
"""Minutes between a write and the next run of an hourly policy."""

ROOM_MINUTES = 30
"""Shortest stretch of open time, in minutes, that is used for writes as long as there is a longer one."""

_WEEK_SECONDS = 60 * MINUTES_PER_WEEK

Stretch = tuple[int, int]
"""Begin and length, in minutes, of a stretch of open minutes of the circular week."""


@dataclass(frozen=True, slots=True)
class OpenMinutes:
    """Minutes of the UTC week in which a start may be changed, or the reason why no minute is suitable."""

    minutes: BoolArray
    reason: str = ""

    def spans(self, begin: int, end: int) -> list[Span]:
        """Open periods within ``[begin, end)``, in seconds since 1970."""
        stretches = _stretches(self.minutes)
        monday = begin - 60 * week_minute(begin) - begin % 60 - _WEEK_SECONDS
        spans = []
        while monday < end:
            for first, length in stretches:
                opens = monday + 60 * first
                spans.append((max(opens, begin), min(opens + 60 * length, end)))
            monday += _WEEK_SECONDS
        return union(spans)


@lru_cache(maxsize=1024)  # 10 kB each; a run needs the same ones each time it builds the calendar of what is left
def open_minutes(shift: Shift, rpo: Rpo) -> OpenMinutes:
    """Minutes of the UTC week in which a start may be changed.

    For daily and weekly policies, one side of the old start is used. It is the time after an old run and before a
    new one if that leaves half an hour, because the gap is smaller there; otherwise the other side, if its gap is
    within the limit.

    Parameters
    ----------
    shift
        Change of the start.
    rpo
        Longest time between two recovery points that the change may cause.
    """
    stretches = _stretches(clear_of_runs(shift))
    if not stretches:
        return OpenMinutes(_fill([]), "its old and new backups leave no time for the write")
    gaps = {stretch: shift.gap_minutes(stretch[0]) for stretch in stretches}
    kept = [stretch for stretch in stretches if gaps[stretch] <= rpo.minutes]
    if not kept:
        return OpenMinutes(_fill([]), gap_text(min(gaps.values()) / 60, rpo))
    kept = _on_better_side(shift, kept)
    if not kept:
        return OpenMinutes(_fill([]), gap_text(max(gaps.values()) / 60, rpo))
    return OpenMinutes(_fill(kept))


def common_minutes(each: Iterable[OpenMinutes]) -> OpenMinutes:
    """Minutes that are open for all of several changes."""
    every = list(each)
    minutes = np.logical_and.reduce([opened.minutes for opened in every])
    reason = next((opened.reason for opened in every if opened.reason), "")
    if not minutes.any() and not reason:
        reason = "there is no time that suits all its VMs"
    return OpenMinutes(minutes, reason)


def _on_better_side(shift: Shift, stretches: list[Stretch]) -> list[Stretch]:
    """Stretches on the side of the old start that leaves the smaller gap; both sides of an hourly policy."""
    if shift.recurrence.frequency is Frequency.HOURLY:
        return stretches
    near = [stretch for stretch in stretches if shift.new_run_is_next(stretch[0])]
    roomy = [stretch for stretch in near if stretch[1] >= ROOM_MINUTES]
    return roomy or [stretch for stretch in stretches if stretch not in near]


def gap_text(hours: float, rpo: Rpo) -> str:
    """Reason why a gap between two recovery points is too long."""
    return f"it would leave up to {hours:.3g} h between two recovery points; the limit is {rpo}"


def clear_of_runs(shift: Shift) -> BoolArray:
    """Minutes of the UTC week that are far enough from every run, old and new.

    Hourly runs may be so close together that no time is clear of both. New runs do not take place before the write,
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
        for at_offset in runs:
            around = np.arange(-ahead, behind)[None, :] + np.array(at_offset, dtype=np.int64)[:, None]
            clear[around.ravel() % MINUTES_PER_WEEK] = False
    return clear


def _stretches(minutes: BoolArray) -> list[Stretch]:
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


def _fill(stretches: Iterable[Stretch]) -> BoolArray:
    minutes = np.zeros(MINUTES_PER_WEEK, dtype=np.bool_)
    for begin, length in stretches:
        minutes[np.arange(begin, begin + length) % MINUTES_PER_WEEK] = True
    return minutes
