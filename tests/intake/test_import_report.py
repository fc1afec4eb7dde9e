"""The report of an import: its numbers, and a remark for everything that was accepted but unexpected."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from optimizer.intake.import_report import ImportReport, make_report, some
from optimizer.intake.listing import Listing
from optimizer.intake.load_files.load_file import LoadCounts, Overview
from optimizer.model.arm_id import ArmId

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
LAST = FIRST + timedelta(minutes=45)
"""Ten bins of 5 minutes."""
WEB, DB = ArmId("web"), ArmId("db")


def report(
    names: tuple[str, ...] = ("web",), unused: tuple[str, ...] = (), source: Any = "import", **counts: Any
) -> ImportReport:
    usual: dict[str, Any] = {"seen": {WEB}, "known_bins": 10, "largest_cpu": 50.0, "intervals": {5}, "samples": 10}
    listing = Listing(source, ({},), ({},), (), (), (WEB,), left_out=("left out",), notes=("of the list",))
    file: Any = SimpleNamespace(notes=("of the load",), unused=list(unused))
    overview = Overview(list(names), {FIRST.date(): 10}, FIRST, LAST)
    return make_report(listing, file, overview, LoadCounts(**(usual | counts)), LAST, {date(2026, 1, 4), FIRST.date()})


def remarks(**counts: Any) -> tuple[str, ...]:
    """Remarks besides those of the list and of the file."""
    return report(**counts).notes[2:]


def test_the_numbers_are_those_of_the_counts() -> None:
    """Numbers of the listing, of the samples, and of the history of the resulting estate."""
    made = report(days=1, samples=10)
    assert (made.vms, made.policies, made.vaults, made.samples, made.days) == (1, 1, 1, 10, 1)
    assert (made.history_from, made.history_to, made.history_days) == (date(2026, 1, 4), date(2026, 1, 5), 2)
    assert (made.first, made.last, made.as_of, made.interval_minutes) == (FIRST, LAST, LAST, (5,))
    assert made.left_out == ("left out",) and made.notes == ("of the list", "of the load")
    assert made.missing_share == 0


@pytest.mark.parametrize(("source", "expected"), [("resources", True), ("import", False)])
def test_only_real_ids_can_be_applied(source: str, expected: bool) -> None:
    """Plans of an estate from vms.csv contain names, which Azure does not know."""
    assert report(source=source).can_be_applied is expected


@pytest.mark.parametrize(("known", "share"), [(10, 0.0), (5, 0.5), (12, 0.0)])
def test_the_share_of_missing_bins(known: int, share: float) -> None:
    """Of the ten bins from the first to the last sample."""
    assert report(known_bins=known).missing_share == share
    assert report(seen=set(), known_bins=0).missing_share == 0


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"known_bins": 0}, "No VM of the inventory has a CPU value in the load, so nothing is known about when the"),
        ({"largest_cpu": 1.0}, "No CPU value is above 1 %: if the load is in fractions, multiply it by 100"),
        ({"unsorted": True}, "The load was not in order of time; it was sorted."),
        ({"duplicates": 1}, "1 exact duplicate in the load: dropped."),
        ({"duplicates": 2}, "2 exact duplicates in the load: dropped."),
        ({"clipped": 1}, "1 value above 100: clipped to 100."),
        ({"clipped": 3}, "3 values above 100: clipped to 100."),
        ({"invalid": 1}, "1 value out of range: treated as missing (--drop-invalid)."),
        ({"invalid": 2}, "2 values out of range: treated as missing (--drop-invalid)."),
        ({"intervals": {5, 15, 1}}, "Intervals of 1, 15 min were converted to 5-minute bins."),
        ({"known_bins": 9}, "10.0 % of the 5-minute bins have no CPU value; they count as unknown, not as idle."),
        ({"off_grid": 1}, "1 sample lies between grid times; each counts for the bin that it is in."),
        ({"off_grid": 2}, "2 samples lie between grid times; each counts for the bin that it is in."),
        ({"known_rows": 1}, "1 VM-day was in the estate already: left out."),
        ({"known_rows": 2}, "2 VM-days were in the estate already: left out."),
        ({"seen": set()}, "1 VM has no load: web."),
        ({"unused": ("disk", "net")}, "Columns of the load that are not used: disk, net."),
        (
            {"names": ("web", "x"), "unknown_vm_samples": 1},
            "1 VM of the load is not in the inventory: x; 1 sample was left out.",
        ),
        (
            {"names": ("web", "x", "y"), "unknown_vm_samples": 4},
            "2 VMs of the load are not in the inventory: x, y; 4 samples were left out.",
        ),
    ],
)
def test_each_surprise_has_its_remark(counts: dict[str, Any], expected: str) -> None:
    """Each unexpected input that was accepted is one remark, in the right number."""
    (remark,) = remarks(**counts)
    assert remark.startswith(expected)


def test_coarse_samples_are_a_warning() -> None:
    """Means over half an hour hide the peaks that a backup meets."""
    converted, warning = remarks(intervals={30, 60})
    assert converted == "Intervals of 30, 60 min were converted to 5-minute bins."
    assert warning.startswith("Samples every 30 or 60 min: means over such a long time hide short peaks")
    assert len(remarks(intervals={29})) == 1


def test_few_missing_bins_are_not_none() -> None:
    """A share that would be shown as 0.0 % is stated as less."""
    listing = Listing("import", (), (), (), (), (WEB,))
    file: Any = SimpleNamespace(notes=(), unused=[])
    overview = Overview(["web"], {}, FIRST, FIRST + timedelta(minutes=5 * 9999))
    counts = LoadCounts(known_bins=9999, seen={WEB}, largest_cpu=50.0, intervals={5})
    (note,) = make_report(listing, file, overview, counts, LAST, set()).notes
    assert note.startswith("Fewer than 0.1 % of the 5-minute bins")


def test_ambiguous_names_are_listed() -> None:
    """A name that several VMs have cannot be assigned; the remark says how to write it."""
    twins = (ArmId("/subscriptions/s/resourceGroups/a/x/web"), ArmId("/subscriptions/s/resourceGroups/b/x/web"))
    listing = Listing("resources", (), (), (), (), twins)
    file: Any = SimpleNamespace(notes=(), unused=[])
    counts = LoadCounts(known_bins=10, seen=set(twins), largest_cpu=50.0, intervals={5}, unknown_vm_samples=1)
    notes = make_report(listing, file, Overview(["web"], {}, FIRST, LAST), counts, LAST, set()).notes
    assert any(
        note.startswith("Names in the load that several VMs have: web; in the load, give the") for note in notes
    )


def test_an_estate_without_days_takes_those_of_the_load() -> None:
    """If no day was written, the history is that of the file."""
    listing = Listing("import", (), (), (), (), ())
    file: Any = SimpleNamespace(notes=(), unused=[])
    made = make_report(listing, file, Overview([], {}, FIRST, LAST), LoadCounts(), LAST, set())
    assert (made.history_from, made.history_to, made.history_days) == (FIRST.date(), LAST.date(), 0)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, ""), (1, "0"), (5, "0, 1, 2, 3, 4"), (7, "0, 1, 2, 3, 4 and 2 more")]
)
def test_long_lists_are_cut_off(number: int, expected: str) -> None:
    """Five names are listed, and the others counted."""
    assert some([str(name) for name in range(number)]) == expected
