"""Writes an estate: parts are staged and then published, ``estate.json`` last, so that a crash loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from optimizer.arm import ArmResources
from optimizer.errors import EstateError
from optimizer.estate.document import ESTATE_FILE, EstateDocument, EstateFile, LoadMetadata, LoadPart
from optimizer.estate.parts import JOB_SCHEMA, digest, encode, encode_day
from optimizer.files import make_private_folder, scratch_name, sync_folder, translate_write_errors, write_bytes
from optimizer.model.arm_id import ArmId
from optimizer.model.load import METRICS, DayLoad, Metric


class EstateWriter:
    """Writer of a new estate, or of new parts of an existing one; as a context manager it cleans up after failures.

    Parameters
    ----------
    folder
        Path of the estate folder; for a new estate it must be absent or empty.
    old
        Document of the estate that is appended to; None for a new one.

    Raises
    ------
    EstateError
        The folder of a new estate is not empty, or cannot be written.
    """

    def __init__(self, folder: Path, old: EstateDocument | None = None) -> None:
        self._folder = folder
        self._old = old
        self._load: list[LoadPart] = []
        self._jobs: list[EstateFile] = []
        self._columns: set[Metric] = set(old.load_metadata.columns) if old else set()
        if old is None:
            require_free_folder(folder)
        with translate_write_errors(folder):
            self._stage = (folder if old else _nearest_folder(folder)) / scratch_name(folder.name or "estate")
            make_private_folder(self._stage)

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove staged files that were not published."""
        shutil.rmtree(self._stage, ignore_errors=True)

    def add_load(self, load: DayLoad) -> None:
        """Stage the load of one day; a day without VMs needs no part.

        Raises
        ------
        EstateError
            The disk is full or the folder cannot be written.
        """
        if not load.vm_ids:
            return
        self._columns |= load.stated().keys()
        old = self._old.load if self._old else ()
        part = self._add(f"load/date={load.date.isoformat()}", encode_day(load), len(load.vm_ids), [*old, *self._load])
        self._load.append(LoadPart(**part.model_dump(), date=load.date))

    def add_jobs(self, jobs: pl.DataFrame) -> None:
        """Stage backup jobs, with the columns of ``JOB_SCHEMA``.

        Raises
        ------
        EstateError
            The disk is full or the folder cannot be written.
        """
        frame = jobs.select(pl.col(name).cast(dtype) for name, dtype in JOB_SCHEMA.items())
        old = self._old.jobs if self._old else ()
        self._jobs.append(self._add("jobs", encode(frame), frame.height, [*old, *self._jobs]))

    def _add(self, folder: str, content: bytes, rows: int, known: Iterable[EstateFile]) -> EstateFile:
        """Stage a file under the next free number of its folder."""
        numbers = [int(Path(part.path).stem[len("part-") :]) for part in known if part.path.startswith(folder + "/")]
        path = f"{folder}/part-{max(numbers, default=-1) + 1:03d}.parquet"
        with translate_write_errors(self._folder / path):
            make_private_folder((self._stage / path).parent)
            write_bytes(self._stage / path, content)
        return EstateFile(path=path, rows=rows, bytes=len(content), sha256=digest(content))

    def commit(
        self, resources: ArmResources, *, created_at: datetime, load_gaps: Mapping[ArmId, str] | None = None
    ) -> EstateDocument:
        """Publish the staged parts with the given resources, which replace the old ones.

        Parameters
        ----------
        resources
            ARM resources of the estate.
        created_at
            Time for the estate's ``created_at``.
        load_gaps
            Reasons for VMs whose load the source could not or did not give, by VM id.

        Raises
        ------
        EstateError
            The disk is full or the folder cannot be written; the old estate is intact.
        """
        old_load, old_jobs = (self._old.load, self._old.jobs) if self._old else ((), ())
        document = EstateDocument(
            created_at=created_at,
            load_gaps=dict(load_gaps or {}),
            load_metadata=LoadMetadata(columns=tuple(metric for metric in METRICS if metric in self._columns)),
            load=tuple(sorted((*old_load, *self._load), key=lambda part: part.path)),
            jobs=(*old_jobs, *self._jobs),
            **resources.as_fields(),
        )
        content = document.to_json().encode()
        with translate_write_errors(self._folder / ESTATE_FILE):
            if self._old is None:
                write_bytes(self._stage / ESTATE_FILE, content)
                self._publish_folder()
            else:
                self._publish_parts()
                write_bytes(self._folder / ESTATE_FILE, content)
        return document

    def _publish_folder(self) -> None:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        if self._folder.is_dir():
            self._folder.rmdir()  # empty, as checked at the start; Windows does not rename onto a folder
        self._stage.rename(self._folder)
        sync_folder(self._folder.parent)

    def _publish_parts(self) -> None:
        """Move staged parts to their places, where they stay unused until ``estate.json`` lists them."""
        for part in (*self._load, *self._jobs):
            target = self._folder / part.path
            make_private_folder(target.parent)
            (self._stage / part.path).replace(target)
            sync_folder(target.parent)


def require_free_folder(folder: Path, *, can_append: bool = False) -> None:
    """Refuse a folder that is not empty.

    Parameters
    ----------
    folder
        Folder that is to be written.
    can_append
        Whether the command has ``--append``, which the message then suggests.

    Raises
    ------
    EstateError
        ``folder`` is a file or a non-empty folder.
    """
    with translate_write_errors(folder):
        is_folder, exists = folder.is_dir(), folder.exists()
        occupied = is_folder and any(folder.iterdir())
    if occupied:
        append = ", or pass --append to add to the estate in it" if can_append else ""
        raise EstateError(f"{folder} is not empty; choose a new folder{append}")
    if exists and not is_folder:
        raise EstateError(f"{folder} is a file, not a folder; choose another name")


def _nearest_folder(path: Path) -> Path:
    """Closest parent that exists; it is on the same disk, so that publishing only needs a rename."""
    absolute = path.absolute()
    return next(parent for parent in absolute.parents if parent.exists())
