"""``import``: builds an estate from an inventory (``vms.csv`` or ARM resources) and any load history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict, Unpack

from optimizer.arm import Source
from optimizer.errors import DataError, EstateError
from optimizer.estate import EstateDocument, EstateWriter, open_estate, require_free_folder
from optimizer.files import require_local
from optimizer.intake.import_report import ImportReport, make_report, some
from optimizer.intake.known_load import KnownLoad
from optimizer.intake.listing import Listing
from optimizer.intake.load_files.load_file import LoadCounts, LoadFile, Overview, open_load
from optimizer.intake.problems import Problems
from optimizer.intake.resource_files.read_resources import read_resources
from optimizer.intake.spelling import spelling_of
from optimizer.intake.vm_list.vm_resources import list_vms
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.timegrid import in_calendar
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
    origin: tuple[str, Source],
    load: Path,
    out: str | Path,
    options: ImportOptions,
) -> ImportReport:
    """Import a listing; ``origin`` contains the input files as text, and the source for the estate document."""
    out = require_local(out)
    old = _open_old(out, origin[1]) if options.get("append") else None
    if old is None:
        require_free_folder(out, can_append=True)
    listing = read_listing(old)
    with open_load(load, options.get("zone")) as file:
        overview = file.overview()
        taken = _as_of(options.get("as_of"), overview, old)
        _require_common_vm(origin[0], load, listing, overview.names)
        counts = _write(listing, file, overview, out, old, taken, options)
    history = {part.date for part in open_estate(out).document.load}
    report = make_report(listing, file, overview, counts, taken, history)
    if options.get("as_of") is None and (note := _note_on_future(taken, options.get("clock", SYSTEM_CLOCK))):
        return replace(report, notes=(*report.notes, note))
    return report


def _open_old(out: Path, source: Source) -> EstateDocument:
    """Estate that is appended to.

    Raises
    ------
    EstateError
        There is no estate, or one from another source.
    """
    old = open_estate(out).document
    if old.source != source:
        raise EstateError(
            f"{out} holds an estate from {_COMMANDS[old.source]}, and this import would add to it from "
            f"{_COMMANDS[source]}; import into a folder of its own"
        )
    return old


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
    drop = options.get("drop_invalid", False)
    with EstateWriter(out, old) as writer:
        known = KnownLoad(open_estate(out).load, problems) if old else None
        for day in file.read(overview, listing.vm_ids, counts, problems, drop_invalid=drop, find=listing.find):
            counts.add_day(day)
            fresh = known.without(day) if known else day
            if not problems:
                writer.add_load(fresh)
                counts.days += bool(fresh.vm_ids)
        counts.known_rows = known.repeated if known else 0
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
    taken = _in_calendar(as_of or overview.last)
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


def _in_calendar(as_of: datetime) -> datetime:
    if as_of.tzinfo is None:
        raise DataError(f"as-of is {as_of.isoformat()} without a time zone; write e.g. {as_of.isoformat()}Z")
    try:
        return in_calendar(as_of)
    except ValueError as exc:
        raise DataError(f"as-of {exc}") from exc


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
