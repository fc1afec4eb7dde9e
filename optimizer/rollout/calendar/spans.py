"""Sets of times: half-open intervals in seconds since 1970, ascending and separate from each other."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

Span = tuple[int, int]
"""``[begin, end)`` in seconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_seconds(instant: datetime) -> int:
    """Seconds since 1970 of an aware time, rounded up to a whole second."""
    return math.ceil((instant - _EPOCH) / timedelta(seconds=1))


def to_datetime(seconds: int) -> datetime:
    """Time in UTC for a number of seconds since 1970."""
    return _EPOCH + timedelta(seconds=seconds)


def union(spans: Iterable[Span]) -> list[Span]:
    """Everything that lies in at least one of the spans, as separate ascending spans."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """The parts of ``spans`` that are not in ``taken``; both must be ascending and disjoint."""
    left: list[Span] = []
    for begin, end in spans:
        at = begin
        for first, last in taken:
            if last <= at or first >= end:
                continue
            if first > at:
                left.append((at, first))
            at = max(at, last)
        if at < end:
            left.append((at, end))
    return left


def within(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The parts of ``spans`` that are in ``others``; both must be ascending and disjoint."""
    return union(
        (max(begin, first), min(end, last)) for begin, end in spans for first, last in others if first < end > begin
    )


def span_at(spans: Sequence[Span], second: int) -> Span | None:
    """Span that contains a second, or None."""
    position = bisect_right(spans, second, key=lambda span: span[0]) - 1
    if position >= 0 and spans[position][0] <= second < spans[position][1]:
        return spans[position]
    return None


def next_begin(spans: Sequence[Span], second: int) -> int | None:
    """Begin of the first span that begins after a second, or None."""
    position = bisect_right(spans, second, key=lambda span: span[0])
    return spans[position][0] if position < len(spans) else None
