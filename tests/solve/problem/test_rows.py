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


def touched_rows(builder: RowBuilder, option: int) -> list[set[int]]:
    """Rows that each VM touches at an option."""
    vm_class, touched = builder.classes()
    count = len(builder.rows())
    return [{r for r in touched[c, option].tolist() if r < count} for c in vm_class.tolist()]


def test_rows_of_a_vault_count_starts() -> None:
    """Two daily VMs share the half hour in which they start; the row stands for seven half hours of the week."""
    builder = RowBuilder([Pattern(DAILY, (0,))], np.zeros(2, dtype=np.int64))
    builder.add_vault(3, np.arange(2), 0.5, 1)
    rows = builder.rows()
    first, second = touched_rows(builder, 10)
    (row,) = first
    assert first == second
    assert touched_rows(builder, 11)[0] != first
    assert (rows.kind[row], rows.group[row], rows.fair_share[row]) == (RowKind.VAULT_STARTS, 3, 1)
    assert (rows.peak_price[row], rows.weight[row], rows.slot[row]) == (0.5, 1.0, 10)
    assert len(rows) == 48


def test_half_hours_that_all_take_alike_are_one_row() -> None:
    """A weekly VM alone: each of its starts is one half hour of the week, which weighs a seventh."""
    builder = RowBuilder([Pattern(SUNDAYS, (0,))], np.zeros(1, dtype=np.int64))
    builder.add_vault(0, np.arange(1), 1.0, 1)
    rows = builder.rows()
    assert rows.weight == pytest.approx(np.full(48, 1 / 7))
    assert rows.peak_price == pytest.approx(np.full(48, 1 / 7))


def test_rows_of_a_cap_count_whole_windows() -> None:
    """Start windows of 2 h 15 min touch five half hours: two VMs meet if they start less than five apart."""
    builder = RowBuilder([Pattern(DAILY, (0,))], np.zeros(2, dtype=np.int64))
    builder.add_cap(1, np.arange(2), 1)
    rows = builder.rows()
    windows = [touched_rows(builder, t)[0] for t in range(48)]
    assert {len(window) for window in windows} == {5}
    for apart in range(48):
        assert bool(windows[0] & windows[apart]) == (min(apart, 48 - apart) < 5)
    assert set(rows.cap.tolist()) == {1}
    assert set(rows.size.tolist()) == {2}


def test_vms_with_equal_rows_are_one_class() -> None:
    """The third VM is in no group, so it is a class of its own, which touches nothing."""
    builder = RowBuilder([Pattern(DAILY, (0,))], np.zeros(3, dtype=np.int64))
    builder.add_vault(0, np.arange(2), 1.0, 1)
    vm_class, touched = builder.classes()
    assert vm_class[0] == vm_class[1] != vm_class[2]
    assert (touched[vm_class[2]] == len(builder.rows())).all()


def test_heavier_vms_have_rows_of_their_own() -> None:
    """An overlap counts as much as the smaller of both weights: 1 with the light VM, 3 between the heavy."""
    builder = RowBuilder([Pattern(DAILY, (0,))], np.zeros(3, dtype=np.int64))
    builder.add_service(0, np.arange(3), 1.0, np.array([1.0, 3.0, 3.0]), (Box(1, 1.0),))
    rows = builder.rows()
    light, heavy, _ = touched_rows(builder, 0)
    price = {r: float(rows.pair_price[r] / rows.weight[r]) for r in heavy}
    assert light < heavy
    assert sum(price[r] for r in light) == pytest.approx(30.0)
    assert sum(price.values()) == pytest.approx(90.0)
    assert [rows.overlaps[r] > 0 for r in sorted(heavy)].count(True) == 1


def test_patterns_that_never_meet_share_no_row() -> None:
    """A VM that runs on Sundays and one that runs on three workdays are in different half hours."""
    builder = RowBuilder([Pattern(SUNDAYS, (0,)), Pattern(WORKDAYS, (0,))], np.arange(2))
    builder.add_vault(0, np.arange(2), 1.0, 1)
    first, second = touched_rows(builder, 5)
    assert not first & second
    slots = builder.rows().slot
    assert {int(slots[r]) // 48 for r in first} == {6}
    assert all(int(slots[r]) // 48 in (0, 2, 4) for r in second)
