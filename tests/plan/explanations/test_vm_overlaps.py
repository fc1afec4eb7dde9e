"""Overlaps of single VMs, worked out by hand for the three VMs."""

from __future__ import annotations

import pytest

from optimizer.plan.explanations.vm_overlaps import VmOverlaps
from tests.plan.three_vms import DB, WEB_1, WEB_2, the_case

TODAY = the_case().problem.instance.today


def test_two_daily_vms_overlap_by_the_distance_of_their_starts() -> None:
    """At the same start, 0.23 of 30 nights; less with each half hour apart, and nothing from two hours on."""
    overlaps = VmOverlaps(the_case().inventory, TODAY).of(WEB_1)
    around = [overlaps[start] for start in (46, 45, 44, 43, 42, 47, 0)]
    assert around == pytest.approx([6.9, 5.175, 3.45, 1.725, 0.0, 5.175, 3.45])


def test_a_vm_does_not_overlap_with_itself_or_with_other_services() -> None:
    """The only VM of its service overlaps nowhere, wherever it starts."""
    assert VmOverlaps(the_case().inventory, TODAY).of(DB) == pytest.approx(0.0)


def test_the_others_count_where_the_schedule_has_them() -> None:
    """If ``web-2`` starts at 03:00, the overlaps of ``web-1`` are around 03:00."""
    options = TODAY.copy()
    options[WEB_2] = 6
    overlaps = VmOverlaps(the_case().inventory, options).of(WEB_1)
    assert (overlaps[6], overlaps[46]) == pytest.approx((6.9, 0.0))
