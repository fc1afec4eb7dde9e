"""``import``: builds an estate from an inventory (``vms.csv`` or ARM resources) and any load history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from optimizer.errors import DataError, EstateError
from optimizer.estate import EstateDocument, EstateWriter, LoadStore, read_document, require_free_folder
from optimizer.files import require_local
from optimizer.intake.import_report import ImportReport, make_report, some
from optimizer.intake.listing import Listing
from optimizer.intake.load_files.load_file import LoadCounts, LoadFile, Overview, open_load
from optimizer.intake.problems import Problems
from optimizer.intake.resource_files.read_resources import read_resources
from optimizer.intake.spelling import spelling_of
from optimizer.intake.vm_list.vm_resources import list_vms
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.load import METRICS, DayLoad, is_unknown
from optimizer.model.timegrid import BIN_MINUTES, format_minute, in_calendar
from optimizer.ports import Clock

MAX_AHEAD = timedelta(days=1)
"""How far load may be ahead of the clock without a remark: more than the difference of any two time zones."""


class ImportOptions(TypedDict, total=False):
    """Options of every import.

    Parameters
    ----------
    append
        Add the load to the estate in the folder, and replace its inventory.
    as_of
        Time of the estate, with a UTC offset; by default the last ``ts`` of the load.
    drop_invalid
        Treat values that are out of range as missing.
    zone
        Windows or IANA name of the time zone for times in the load without one; by default such times are refused.
    clock
        Clock for the estate's ``created_at``; by default that of the machine.
    """

    append: bool
    as_of: datetime | None
    drop_invalid: bool
    zone: str | None
    clock: Clock


def import_estate(
    vms: str | Path, load: str | Path, out: str | Path, **options: Unpack[ImportOptions]
) -> ImportReport:
    """Create an estate from ``vms.csv`` and a load file, or add to one.

    If either file has a fault, nothing is written.

    Parameters
    ----------
    vms, load
        The two files. The documentation of ``import`` describes their columns.
    out
        The estate folder.
    options
        See :class:`ImportOptions`.

    Raises
    ------
    DataError
        An input cannot be used; the message lists the faults.
    EstateError
        ``out`` is not free (with ``append``: contains no estate), or cannot be written.
    """
    return _import(
        lambda old: list_vms(Path(vms), list(old.vms) if old else []),
        (str(vms), "import"),
        Path(load),
        out,
        options,
    )


def import_resources(
    resources: str | Path | Sequence[str | Path],
    load: str | Path,
    out: str | Path,
    *,
    resource_group: str = "",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Create an estate from ARM resources and a load file, or add to one.

    Parameters
    ----------
    resources
        JSON files with vaults, policies, protected items, VMs and vault settings, in any combination: one file, or
        several.
    load, out
        As for :func:`import_estate`. The load may refer to a VM by its ARM id, or by its name if only one VM has it.
    resource_group
        ARM id of the resource group that templates were exported from.
    options
        See :class:`ImportOptions`.

    Raises
    ------
    DataError
        An input cannot be used.
    EstateError
        ``out`` is not free (with ``append``: contains no estate), or cannot be written.
    """
    files = [Path(file) for file in ([resources] if isinstance(resources, str | Path) else resources)]
    return _import(
        lambda old: read_resources(files, resource_group, spelling_of(old.vms, old.protected_items) if old else None),
        (", ".join(map(str, files)), "resources"),
        Path(load),
        out,
        options,
    )


def _import(
    read_listing: Callable[[EstateDocument | None], Listing],
    origin: tuple[str, str],
    load: Path,
    out: str | Path,
    options: ImportOptions,
) -> ImportReport:
    """Import a listing; ``origin`` contains the input files as text, and the source for the estate document."""
    out = require_local(out)
    old = read_document(out) if options.get("append") else None
    if old is None:
        require_free_folder(out, can_append=True)
    elif old.source != origin[1]:
        raise EstateError(
            f"{out} holds an estate from {_COMMANDS[old.source]}, and this import would add to it from "
            f"{_COMMANDS[origin[1]]}; import into a folder of its own"
        )
    listing = read_listing(old)
    with open_load(load, options.get("zone")) as file:
        overview = file.overview()
        taken = _as_of(options.get("as_of"), overview, old)
        _require_common_vm(origin[0], load, listing, overview.names)
        counts = _write(listing, file, overview, out, old, taken, options)
    history = {part.date for part in read_document(out).load}
    report = make_report(listing, file, overview, counts, taken, history)
    if options.get("as_of") is None and (note := _note_on_future(taken, options.get("clock", SYSTEM_CLOCK))):
        return replace(report, notes=(*report.notes, note))
    return report


def _note_on_future(as_of: datetime, clock: Clock) -> str:
    """Remark if load in the future would give the estate a future time; otherwise empty."""
    now = clock.now()
    if as_of - now <= MAX_AHEAD:
        return ""
    return (
        f"The load ends at {_text(as_of)}, after the time of this machine's clock, {_text(now)}, and the estate "
        "counts as taken then. Check the last times of the load and their zone, or give the time with --as-of."
    )


def _write(
    listing: Listing,
    file: LoadFile,
    overview: Overview,
    out: Path,
    old: EstateDocument | None,
    as_of: datetime,
    options: ImportOptions,
) -> LoadCounts:
    """Read the load, and publish the estate."""
    counts, problems = LoadCounts(), Problems(str(file.path))
    with EstateWriter(out, old) as writer:
        store = LoadStore(out, old.load if old else ())
        drop = options.get("drop_invalid", False)
        for day in file.read(overview, listing.vm_ids, counts, problems, drop_invalid=drop, find=listing.find):
            fresh = _without_known(day, store, problems, counts)
            counts.seen.update(day.vm_ids)
            counts.largest_cpu = max(counts.largest_cpu, float(np.nanmax(day.cpu_percent, initial=0.0)))
            counts.known_bins += int((~np.isnan(day.cpu_percent)).sum())
            if not problems:
                writer.add_load(fresh)
                counts.days += bool(fresh.vm_ids)
        problems.raise_any()
        writer.commit(listing.resources(as_of), created_at=options.get("clock", SYSTEM_CLOCK).now())
    return counts


_COMMANDS = {
    "import": "'import --vms'",
    "resources": "'import --resources'",
    "demo": "'demo'",
    "azure": "'pull'",
}
"""Command that creates an estate, by source."""


def _as_of(as_of: datetime | None, overview: Overview, old: EstateDocument | None) -> datetime:
    if as_of is not None and as_of.tzinfo is None:
        raise DataError(f"as-of is {as_of.isoformat()} without a time zone; write e.g. {as_of.isoformat()}Z")
    try:
        taken = in_calendar(as_of or overview.last)
    except ValueError as exc:
        raise DataError(f"as-of {exc}") from exc
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
    if not any(map(listing.find, names)):
        hint = ""
        if shared := listing.ambiguous(names):
            hint = (
                f"; several VMs of {origin} have the same name ({some(shared)}): in {load}, give the ARM id in the "
                "column vm, or add the column resource_group"
            )
        raise DataError(
            f"no VM of {origin} ({some(listing.vm_ids)}) has load in {load} ({some(names)}); the names must be the "
            f"same in both{hint}"
        )


def _without_known(day: DayLoad, store: LoadStore, problems: Problems, counts: LoadCounts) -> DayLoad:
    """VMs of a day with load that is new to the estate; contradictions are recorded as problems."""
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
        for vm in np.flatnonzero(differs.any(axis=1)):
            place = differs[vm].argmax()
            stamp = f"{day.date.isoformat()}T{format_minute(int(place) * BIN_MINUTES)}Z"
            problems.add(
                "samples that contradict the estate",
                f"VM {day.vm_ids[both[vm]]}, 5 minutes from {stamp}: {metric} is {before[vm, place]:g} in the estate "
                f"and {new[vm, place]:g} in the file; leave out of the file what the estate already has",
                int(differs[vm].sum()),
                about=day.vm_ids[both[vm]],
            )
    counts.known_rows += int((~tells).sum())
    keep = np.flatnonzero(tells)
    metrics = {metric: getattr(day, metric)[keep] for metric in METRICS if getattr(day, metric) is not None}
    return DayLoad(day.date, tuple(day.vm_ids[row] for row in keep), **metrics)
