"""``import``: an estate from an inventory (``vms.csv`` or ARM resources) and the load history of any monitoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from optimizer.errors import DataError, EstateError
from optimizer.estate.document import EstateDocument, read_document
from optimizer.estate.import_load import LoadCounts, LoadFile, Overview
from optimizer.estate.import_resources import read_resources
from optimizer.estate.import_vms import list_vms
from optimizer.estate.listing import Listing
from optimizer.estate.load_store import LoadStore
from optimizer.estate.parts import METRICS, is_unknown
from optimizer.estate.problems import SHOWN, Problems
from optimizer.estate.pull_inventory import old_spelling
from optimizer.estate.remote import require_local
from optimizer.estate.writer import EstateWriter, require_free_folder
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.load import DayLoad
from optimizer.model.timegrid import BIN_MINUTES, format_minute
from optimizer.ports import Clock

_NAMED = 5
"""VMs that a note names before it only counts."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Parameters
    ----------
    vms, policies, vaults
        Numbers in the inventory.
    samples
        Rows of load that belong to a VM of the inventory.
    days
        Days of load that were written.
    history_from, history_to, history_days
        First and last day of load in the whole estate afterwards, and how many there are.
    first, last
        Earliest and latest time in the load file.
    as_of
        Of the estate.
    interval_minutes
        Distances between samples that were found, ascending.
    missing_share
        Share of the 5-minute bins between first and last, of VMs that have load, without a CPU value.
    duplicates, clipped, invalid, off_grid
        Rows dropped as exact duplicates; values cut to 100; values out of range taken for missing; rows that were
        put into the bin that they are in the middle of.
    vms_without_load, load_without_vm
        VMs in only one of the two inputs.
    left_out
        Objects of the resource files that were not used, and why.
    notes
        What was accepted although it was not as expected, for people.
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
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


class ImportOptions(TypedDict, total=False):
    """Options of every import.

    Parameters
    ----------
    append
        Add the load to the estate in the folder and replace its inventory.
    as_of
        Aware time at which the estate is taken; the last ``ts`` where None or absent.
    drop_invalid
        Treat values out of range as missing.
    clock
        Clock that gives the estate's ``created_at``; the machine's by default.
    """

    append: bool
    as_of: datetime | None
    drop_invalid: bool
    clock: Clock


def import_estate(vms: Path, load: Path, out: Path, **options: Unpack[ImportOptions]) -> ImportReport:
    """Make an estate of ``vms.csv`` and a load file, or add to one.

    Nothing is written if anything is wrong with either file.

    Parameters
    ----------
    vms, load
        The two files; the documentation of ``import`` describes their columns.
    out
        The estate folder.
    options
        See :class:`ImportOptions`.

    Raises
    ------
    DataError
        An input cannot be used; the message lists the faults.
    EstateError
        ``out`` is not free (or, with ``append``, no estate), or cannot be written.
    """
    return _import(
        lambda old: list_vms(vms, list(old.vms) if old else []),
        (str(vms), "import"),
        load,
        out,
        options,
    )


def import_resources(
    resources: Sequence[Path],
    load: Path,
    out: Path,
    *,
    resource_group: str = "",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Make an estate of ARM resources and a load file, or add to one.

    Parameters
    ----------
    resources
        JSON files with vaults, policies, protected items, VMs and vault settings, in any mixture.
    load, out
        As for :func:`import_estate`; the load may name a VM by its ARM id, or by its name where only one VM has it.
    resource_group
        ARM id of the resource group that exported templates came from.
    options
        See :class:`ImportOptions`.

    Raises
    ------
    DataError
        An input cannot be used.
    EstateError
        ``out`` is not free (or, with ``append``, no estate), or cannot be written.
    """
    return _import(
        lambda old: read_resources(resources, resource_group, old_spelling(old) if old else None),
        (", ".join(map(str, resources)), "resources"),
        load,
        out,
        options,
    )


def _import(
    read_listing: Callable[[EstateDocument | None], Listing],
    origin: tuple[str, str],
    load: Path,
    out: Path,
    options: ImportOptions,
) -> ImportReport:
    """Import a listing; ``origin`` holds the files that it is read from, and the source that the estate states."""
    out = require_local(out)
    old = read_document(out) if options.get("append") else None
    if old is None:
        require_free_folder(out)
    elif old.source != origin[1]:
        raise EstateError(
            f"{out} holds an estate from {_COMMANDS[old.source]}, and this import would add to it from "
            f"{_COMMANDS[origin[1]]}; import into a folder of its own"
        )
    listing = read_listing(old)
    file = LoadFile(load)
    overview = file.overview()
    taken = _as_of(options.get("as_of"), overview, old)
    _require_common_vm(origin[0], load, listing, overview.names)
    counts, problems = LoadCounts(), Problems(str(load))
    seen: set[str] = set()
    num_days = 0
    with EstateWriter(out, old) as writer:
        store = LoadStore(out, old.load if old else ())
        days = file.read(
            overview,
            listing.vm_ids,
            counts,
            problems,
            drop_invalid=options.get("drop_invalid", False),
            aliases=listing.aliases,
        )
        for day in days:
            fresh = _without_known(day, store, problems, counts)
            seen.update(day.vm_ids)
            counts.largest_cpu = max(counts.largest_cpu, float(np.nanmax(day.cpu_percent, initial=0.0)))
            counts.known_bins += int((~np.isnan(day.cpu_percent)).sum())
            if not problems:
                writer.add_load(fresh)
                num_days += bool(fresh.vm_ids)
        problems.raise_any()
        writer.commit(
            created_at=options.get("clock", SYSTEM_CLOCK).now(),
            as_of=taken,
            source=listing.source,
            vaults=listing.vaults,
            policies=listing.policies,
            protected_items=listing.protected_items,
            vms=listing.vms,
            vault_settings=listing.vault_settings,
        )
    history = {part.date for part in read_document(out).load}
    return _report(listing, overview, counts, seen, taken, num_days, history)


_COMMANDS = {
    "import": "'import --vms'",
    "resources": "'import --resources'",
    "demo": "'demo'",
    "azure": "'pull'",
}
"""Command that makes an estate of each source."""


def _as_of(as_of: datetime | None, overview: Overview, old: EstateDocument | None) -> datetime:
    if as_of is not None and as_of.tzinfo is None:
        raise DataError(f"as-of is {as_of.isoformat()} without a time zone; write e.g. {as_of.isoformat()}Z")
    taken = (as_of or overview.last).astimezone(UTC)
    if taken < overview.first:
        raise DataError(
            f"as-of is {_text(taken)}, before the first sample, {_text(overview.first)}; give a later time"
        )
    if old is not None and taken < old.as_of:
        raise DataError(
            f"as-of would go back from {_text(old.as_of)} to {_text(taken)}; append load that is later, or give "
            "--as-of; nothing was written"
        )
    return taken


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _require_common_vm(origin: str, load: Path, listing: Listing, names: Sequence[str]) -> None:
    if not listing.aliases.keys() & {name.lower() for name in names}:
        hint = ""
        if shared := listing.ambiguous(names):
            hint = f"; several VMs have the same name ({_some(shared)}): give their ARM ids"
        raise DataError(
            f"no VM of {origin} ({_some(listing.vm_ids)}) has load in {load} ({_some(names)}); the names must be the "
            f"same in both{hint}"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _without_known(day: DayLoad, store: LoadStore, problems: Problems, counts: LoadCounts) -> DayLoad:
    """VMs of a day that tell something that the estate does not know yet; contradictions are noted."""
    old = store.read_day(day.date)
    rows = {vm: row for row, vm in enumerate(old.vm_ids)}
    common = np.array([rows.get(vm, -1) for vm in day.vm_ids], dtype=np.int64)
    both = np.flatnonzero(common >= 0)
    if not both.size:
        return day
    tells = np.ones(len(day.vm_ids), dtype=np.bool_)
    tells[both] = False
    for metric in METRICS:
        values, known = getattr(day, metric), getattr(old, metric)
        if values is None:
            continue
        new = values[both]
        new_known = ~is_unknown(metric, new)
        if known is None:
            tells[both] |= new_known.any(axis=1)
            continue
        before = known[common[both]]
        overlap = new_known & ~is_unknown(metric, before)
        tells[both] |= (new_known & ~overlap).any(axis=1)
        differs = overlap & (new != before)
        for vm, place in np.argwhere(differs)[:SHOWN]:
            stamp = f"{day.date.isoformat()}T{format_minute(int(place) * BIN_MINUTES)}Z"
            problems.add(
                "samples that contradict the estate",
                f"VM {day.vm_ids[both[vm]]}, 5 minutes from {stamp}: {metric} is {before[vm, place]:g} in the estate "
                f"and {new[vm, place]:g} in the file; leave out of the file what the estate already has",
                0,
            )
        if differs.any():
            problems.count("samples that contradict the estate", int(differs.sum()))
    counts.known_rows += int((~tells).sum())
    keep = np.flatnonzero(tells)
    metrics = {metric: getattr(day, metric)[keep] for metric in METRICS if getattr(day, metric) is not None}
    return DayLoad(day.date, tuple(day.vm_ids[row] for row in keep), **metrics)


def _report(
    listing: Listing,
    overview: Overview,
    counts: LoadCounts,
    seen: set[str],
    as_of: datetime,
    num_days: int,
    history: set[date],
) -> ImportReport:
    without_load = tuple(vm for vm in listing.vm_ids if vm not in seen)
    without_vm = tuple(name for name in overview.names if name.lower() not in listing.aliases)
    bins = len(seen) * (int((overview.last - overview.first).total_seconds()) // (60 * BIN_MINUTES) + 1)
    missing = max(0.0, 1 - counts.known_bins / bins) if bins else 0.0
    return ImportReport(
        vms=len(listing.vm_ids),
        policies=len(listing.policies),
        vaults=len(listing.vaults),
        samples=counts.samples,
        days=num_days,
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
        left_out=listing.left_out,
        notes=(*listing.notes, *_notes(counts, without_load, without_vm, listing.ambiguous(without_vm), missing)),
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if value >= 0.001 else "Fewer than 0.1 %"


def _notes(
    counts: LoadCounts,
    without_load: Sequence[str],
    without_vm: Sequence[str],
    ambiguous: Sequence[str],
    missing: float,
) -> tuple[str, ...]:
    """What was accepted in the load although it was not as expected."""
    odd = sorted(counts.intervals - {BIN_MINUTES})
    return tuple(
        text
        for applies, text in (
            (
                counts.largest_cpu <= 1,
                "No CPU value is above 1 %: if the load is in fractions, multiply it by 100 and import again.",
            ),
            (counts.unsorted, "The load was not in order of time; it was sorted."),
            (counts.duplicates, f"{counts.duplicates} exact duplicates in the load were dropped."),
            (counts.clipped, f"{counts.clipped} values above 100 were clipped to 100."),
            (counts.invalid, f"{counts.invalid} values out of range were taken for missing (--drop-invalid)."),
            (odd, f"Intervals of {', '.join(map(str, odd))} minutes were brought onto 5-minute bins."),
            (
                missing,
                f"{_share(missing)} of the 5-minute bins have no CPU value; they count as unknown, not as idle.",
            ),
            (counts.off_grid, f"{counts.off_grid} samples lie between grid times; each counts for the bin it is in."),
            (counts.known_rows, f"{counts.known_rows} VM-days were in the estate already; they were left out."),
            (without_load, f"{len(without_load)} VMs have no load: {_some(without_load)}."),
            (without_vm, f"{len(without_vm)} VMs in the load are not in the list of VMs: {_some(without_vm)}."),
            (counts.unknown_vm_samples, f"{counts.unknown_vm_samples} samples of such VMs were left out."),
            (
                ambiguous,
                f"Names in the load that several VMs have: {_some(ambiguous)}; give the ARM id in the column vm.",
            ),
        )
        if applies
    )
