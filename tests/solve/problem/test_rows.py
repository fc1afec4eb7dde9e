"""Rows of services, built from boxes: what a pair of VMs costs at every distance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import IntArray
from optimizer.model.pattern import Pattern
from optimizer.model.snapshot_timing import Box
from optimizer.solve.problem.instance import RowKind
from optimizer.solve.problem.rows import RowBuilder
from tests.solve.examples import DAILY, HOURLY, SUNDAYS, WORKDAYS

BOXES = st.lists(st.builds(Box, st.integers(1, 5), st.floats(0.001, 0.1)), min_size=1, max_size=3)
PATTERNS = (Pattern(DAILY, (0,)), Pattern(SUNDAYS, (0,)), Pattern(WORKDAYS, (60, 120)), Pattern(HOURLY, (330,)))


def together(boxes: list[Box], apart: int) -> float:
    """Probability that two snapshots overlap: half hours that the windows of each box share, times its weight."""
    return sum(box.weight * len(set(range(box.width)) & set(range(apart, apart + box.width))) for box in boxes)


def overlaps_of(patterns: list[Pattern], boxes: tuple[Box, ...], options: IntArray) -> float:
    """Expected overlaps of one service with a VM of each pattern, as its rows count them."""
    builder = RowBuilder(patterns, np.arange(len(patterns)))
    builder.add_service(0, np.arange(len(patterns)), 2.0, np.ones(len(patterns)), boxes)
    vm_class, touched = builder.classes()
    rows = builder.rows()
    assert set(rows.kind) == {RowKind.SERVICE}
    assert rows.pair_price == pytest.approx(2.0 * rows.overlaps)
    counts = np.bincount(touched[vm_class, options].ravel(), minlength=len(rows) + 1)[: len(rows)]
    return float(rows.overlaps @ (counts * (counts - 1) / 2))


@settings(max_examples=30)
@given(BOXES, st.integers(0, 47), st.integers(0, 47))
def test_a_daily_pair_overlaps_as_the_boxes_say(boxes: list[Box], one: int, other: int) -> None:
    """At every distance, also across midnight, 30 times the probability of one night."""
    patterns = [Pattern(DAILY, (0,)), Pattern(DAILY, (0,))]
    apart = min((one - other) % 48, (other - one) % 48)
    found = overlaps_of(patterns, tuple(boxes), np.array([one, other]))
    assert found == pytest.approx(30 * together(boxes, apart))


@settings(max_examples=30)
@given(BOXES, st.lists(st.integers(0, 39), min_size=4, max_size=4))
def test_overlaps_are_those_of_every_pair_of_runs(boxes: list[Box], options: list[int]) -> None:
    """Of hourly, daily and weekly VMs in several zones, with the mean of both clocks where one of them changes."""
    expected = 0.0
    for reading in (0, -1):
        runs = [
            (v, minute // 30)
            for v, (pattern, option) in enumerate(zip(PATTERNS, options, strict=True))
            for minute in pattern.recurrence.run_minutes(option, pattern.offsets[reading]).tolist()
        ]
        for (v, one), (w, other) in itertools.combinations(runs, 2):
            apart = min((one - other) % 336, (other - one) % 336)
            expected += together(boxes, apart) / 2 * 30 / 7 if v != w else 0.0
    assert overlaps_of(list(PATTERNS), tuple(boxes), np.array(options)) == pytest.approx(expected)
