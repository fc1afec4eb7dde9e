"""Report of an import, in numbers and notes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from optimizer.intake.listing import Listing
from optimizer.intake.load_files.load_file import LoadCounts, LoadFile, Overview
from optimizer.model.timegrid import BIN_MINUTES

COARSE_MINUTES = 30
"""Interval in minutes from which samples are means that hide the load within a backup's start window."""

_NAMED = 5
"""Number of VMs that a note names before it counts the rest."""


@dataclass(frozen=True)
class ImportReport:
    """Result of an import.

    Parameters
    ----------
    vms, policies, vaults
        Number of each in the inventory.
    samples
        Number of load rows that belong to a VM of the inventory.
    days
        Number of days with load that were written.
    history_from, history_to, history_days
        First and last day with load in the resulting estate, and the number of days with load.
    first, last
        Earliest and latest time in the load file.
    as_of
        Time of the estate.
    interval_minutes
        Intervals between samples that occurred, in minutes, ascending.
    missing_share
        Share of bins without a CPU value, of the 5-minute bins between first and last, for VMs with load.
    duplicates, clipped, invalid, off_grid
        Number of rows dropped as exact duplicates; of values clipped to 100; of out-of-range values treated as
        missing; and of rows between grid times, which were assigned to the bin that contains them.
    vms_without_load, load_without_vm
        VMs that occur in only one of the two inputs.
    can_be_applied
        Whether plans of the estate contain real ARM ids, so that a user with sufficient rights may apply them.
    left_out
        Objects of the resource files that were not used, with reasons.
    notes
        Remarks for the user on unexpected input that was accepted.
    """

    vms: int
    policies: int
    vaults: int
    samples: int
    days: int
    history_from: date
    history_to: date
    history_days: int
    first: datetime
    last: datetime
    as_of: datetime
    interval_minutes: tuple[int, ...]
    missing_share: float
    duplicates: int
    clipped: int
    invalid: int
    off_grid: int
    vms_without_load: tuple[str, ...]
    load_without_vm: tuple[str, ...]
    can_be_applied: bool
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def make_report(
    listing: Listing,
    file: LoadFile,
    overview: Overview,
    counts: LoadCounts,
    as_of: datetime,
    history: set[date],
) -> ImportReport:
    """Create the report of an import.

    Parameters
    ----------
    listing, file, overview, counts
        Inventory, load file, its summary, and the counts of reading it.
    as_of
        Time of the estate.
    history
        Days with load in the resulting estate.
    """
    without_load = tuple(vm for vm in listing.vm_ids if vm not in counts.seen)
    without_vm = tuple(name for name in overview.names if listing.find(name) is None)
    missing = _missing_share(overview, counts)
    return ImportReport(
        vms=len(listing.vm_ids),
        policies=len(listing.policies),
        vaults=len(listing.vaults),
        samples=counts.samples,
        days=counts.days,
        history_from=min(history, default=overview.first.date()),
        history_to=max(history, default=overview.last.date()),
        history_days=len(history),
        first=overview.first,
        last=overview.last,
        as_of=as_of,
        interval_minutes=tuple(sorted(counts.intervals)),
        missing_share=missing,
        duplicates=counts.duplicates,
        clipped=counts.clipped,
        invalid=counts.invalid,
        off_grid=counts.off_grid,
        vms_without_load=without_load,
        load_without_vm=without_vm,
        can_be_applied=listing.source == "resources",
        left_out=listing.left_out,
        notes=(
            *listing.notes,
            *file.notes,
            *_of_the_samples(counts, missing),
            *_of_the_names(listing, file, counts, without_load, without_vm),
        ),
    )


def _missing_share(overview: Overview, counts: LoadCounts) -> float:
    """Share of the bins of VMs with load, from the first to the last sample, that have no CPU value."""
    seconds = int((overview.last - overview.first).total_seconds())
    bins = len(counts.seen) * (seconds // (60 * BIN_MINUTES) + 1)
    return max(0.0, 1 - counts.known_bins / bins) if bins else 0.0


def some(names: Sequence[str]) -> str:
    """First names of a list, and the number of remaining ones."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if value >= 0.001 else "Fewer than 0.1 %"


def _of_the_samples(counts: LoadCounts, missing: float) -> Iterator[str]:
    """Remarks on unexpected samples that were accepted."""
    yield from _of_the_values(counts)
    yield from _of_the_intervals(counts.intervals)
    if missing and counts.known_bins:
        yield f"{_share(missing)} of the 5-minute bins have no CPU value; they count as unknown, not as idle."
    if counts.off_grid:
        yield (
            f"{_number(counts.off_grid, 'sample lies', 'samples lie')} between grid times; each counts for the bin "
            "that it is in."
        )
    if counts.known_rows:
        yield f"{_number(counts.known_rows, 'VM-day was', 'VM-days were')} in the estate already: left out."


def _of_the_values(counts: LoadCounts) -> Iterator[str]:
    if not counts.known_bins:
        yield "No VM of the inventory has a CPU value in the load, so nothing is known about when the VMs are busy."
    elif counts.largest_cpu <= 1:
        yield "No CPU value is above 1 %: if the load is in fractions, multiply it by 100 and import again."
    if counts.unsorted:
        yield "The load was not in order of time; it was sorted."
    if counts.duplicates:
        yield f"{_number(counts.duplicates, 'exact duplicate', 'exact duplicates')} in the load: dropped."
    if counts.clipped:
        yield f"{_number(counts.clipped, 'value', 'values')} above 100: clipped to 100."
    if counts.invalid:
        yield f"{_number(counts.invalid, 'value', 'values')} out of range: treated as missing (--drop-invalid)."


def _of_the_intervals(intervals: Collection[int]) -> Iterator[str]:
    others = sorted(set(intervals) - {BIN_MINUTES})
    if others:
        yield f"Intervals of {', '.join(map(str, others))} min were converted to 5-minute bins."
    if coarse := [str(minutes) for minutes in others if minutes >= COARSE_MINUTES]:
        yield (
            f"Samples every {' or '.join(coarse)} min: means over such a long time hide short peaks, so more backups "
            "are at risk than the audit shows (161 instead of 114 in a trial with hourly means). Export 5-minute "
            "samples if you can."
        )


def _of_the_names(
    listing: Listing, file: LoadFile, counts: LoadCounts, without_load: Sequence[str], without_vm: Sequence[str]
) -> Iterator[str]:
    """Remarks on names that occur in only one of the inputs."""
    if without_load:
        yield f"{_number(len(without_load), 'VM has', 'VMs have')} no load: {some(without_load)}."
    if without_vm:
        yield (
            f"{_number(len(without_vm), 'VM of the load is', 'VMs of the load are')} not in the inventory: "
            f"{some(without_vm)}; {_number(counts.unknown_vm_samples, 'sample was', 'samples were')} left out."
        )
    if ambiguous := listing.ambiguous(without_vm):
        yield (
            f"Names in the load that several VMs have: {some(ambiguous)}; in the load, give the ARM id in the column "
            "vm, or add the column resource_group."
        )
    if file.unused:
        yield f"Columns of the load that are not used: {', '.join(file.unused)}."
