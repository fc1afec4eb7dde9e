"""Encodes and decodes the Parquet files of an estate: days of load, and batches of jobs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.errors import EstateError
from optimizer.estate.document import EstateFile
from optimizer.files import Location, RemotePath
from optimizer.model.arm_id import ArmId
from optimizer.model.load import METRICS, DayLoad

ROW_GROUP = 256
"""Number of VMs per row group; small enough to read a month of one VM without the rest."""

JOB_SCHEMA: dict[str, pl.DataType] = {
    "vm": pl.String(),
    "vault": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "end": pl.Datetime("us", "UTC"),
    "scheduled": pl.Datetime("us", "UTC"),
    "operation": pl.String(),
    "status": pl.String(),
    "error_code": pl.String(),
}
"""Columns of the jobs; ``end``, ``scheduled`` and ``error_code`` are null if absent or unknown."""

_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""Exceptions of polars for damaged files."""


def encode_day(load: DayLoad) -> bytes:
    """Encode one day of load as Parquet: values rounded to 0.01, one row per VM, without metrics that are None."""
    columns: dict[str, object] = {"vm": pl.Series(list(map(str, load.vm_ids)), dtype=pl.String)}
    for metric, values in load.stated().items():
        columns[metric] = values if metric == "running" else np.round(values, 2).astype(np.float32, copy=False)
    return encode(pl.DataFrame(columns))


def encode(frame: pl.DataFrame) -> bytes:
    """Encode a frame as Parquet in memory, so that only one function writes to disk and handles its errors."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True, row_group_size=ROW_GROUP)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """SHA-256 of a part, as hexadecimal text."""
    return hashlib.sha256(content).hexdigest()


def read_part(folder: Location, part: EstateFile, vm_ids: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of a part whose digest has been verified, so that a damaged file is never used as load.

    Parameters
    ----------
    folder
        The estate folder.
    part
        File to read; a load part if ``vm_ids`` are given.
    vm_ids
        VM ids that limit the rows to those from the first to the last of these VMs, compared without regard to case;
        None means all rows.

    Raises
    ------
    EstateError
        The file is missing, incomplete, changed or unreadable.
    """
    content, file = _read_bytes(folder, part), folder / part.path
    if digest(content) != part.sha256:
        raise EstateError(f"{file} is damaged: its content is not what was written; {_again(folder)}")
    try:
        return pl.read_parquet(content) if vm_ids is None else _read_between(content, vm_ids)
    except _BROKEN as exc:
        raise EstateError(f"{file} is no readable Parquet file ({exc}); {_again(folder)}") from exc


def _read_bytes(folder: Location, part: EstateFile) -> bytes:
    """Content of a part, after a check of its length."""
    file = folder / part.path
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise EstateError(f"cannot read {file}: {exc.strerror}; {_again(folder)}") from exc
    _require_size(folder, part, len(content))
    return content


def _read_between(content: bytes, vm_ids: Sequence[str]) -> pl.DataFrame:
    """Rows from the first to the last of some VMs; only their row groups are decoded."""
    names = pl.read_parquet(content, columns=["vm"])["vm"].str.to_lowercase()
    places = names.is_in([ArmId(vm_id).key for vm_id in vm_ids]).arg_true()
    first, end = (places[0], places[-1] + 1) if len(places) else (0, 0)
    return pl.scan_parquet(content).slice(first, end - first).collect()


def names_in_parts(folder: Location, parts: Sequence[EstateFile]) -> list[str]:
    """Ids of the VMs that have load in any of the parts, sorted; digests are not verified.

    Raises
    ------
    EstateError
        A file is missing, incomplete or unreadable.
    """
    _require_whole(folder, parts)
    try:
        names = _names(folder, parts)
    except _BROKEN as exc:
        raise _unreadable(folder, exc) from exc
    return pl.concat([pl.Series("vm", [], dtype=pl.String), *names]).unique().sort().to_list()


def find_rows(folder: Location, parts: Sequence[EstateFile], vm_id: str) -> list[pl.DataFrame]:
    """Row of one VM in each of the parts (empty if the part has none); digests are not verified.

    The VM names are read first, and then only the row group of the VM. The statistics of row groups would not help:
    they are cut off after 64 bytes, within the part that all ARM ids share. By URL the files are read whole, one after
    the other.

    Parameters
    ----------
    vm_id
        Id of the VM; case does not matter.

    Raises
    ------
    EstateError
        A file is missing, incomplete or unreadable.
    """
    find = _find_remote_rows if isinstance(folder, RemotePath) else _find_local_rows
    try:
        return find(folder, parts, ArmId(vm_id).key)  # type: ignore[arg-type]  # each gets its kind of folder
    except _BROKEN as exc:
        raise _unreadable(folder, exc) from exc


def _find_remote_rows(folder: RemotePath, parts: Sequence[EstateFile], key: str) -> list[pl.DataFrame]:
    return [_find_row(folder, part, key) for part in parts]


def _find_local_rows(folder: Path, parts: Sequence[EstateFile], key: str) -> list[pl.DataFrame]:
    _require_whole(folder, parts)
    files = [pl.scan_parquet(folder / part.path) for part in parts]
    rows = (_place(names, key) for names in _names(folder, parts))
    return pl.collect_all([_one_row(file, row) for file, row in zip(files, rows, strict=True)])


def _one_row(frame: pl.LazyFrame, row: int | None) -> pl.LazyFrame:
    """One row of a frame, by its number; no row if the number is None."""
    return frame.head(0) if row is None else frame.slice(row, 1)


def _require_whole(folder: Location, parts: Sequence[EstateFile]) -> None:
    """Check that local files have their length, which is cheaper than reading them; files by URL are read anyway.

    Raises
    ------
    EstateError
        A file is missing or incomplete.
    """
    if isinstance(folder, RemotePath):
        return
    for part in parts:
        file = folder / part.path
        _require_size(folder, part, _size_of(file, folder))


def _size_of(file: Path, folder: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as exc:
        raise EstateError(f"cannot read {file}: {exc.strerror}; {_again(folder)}") from exc


def _require_size(folder: Location, part: EstateFile, size: int) -> None:
    if size != part.bytes:
        file = folder / part.path
        raise EstateError(f"{file} is damaged: it has {size} bytes instead of {part.bytes}; {_again(folder)}")


def _names(folder: Location, parts: Sequence[EstateFile]) -> list[pl.Series]:
    """Ids of the VMs in each part."""
    if isinstance(folder, RemotePath):
        return [pl.read_parquet(_read_bytes(folder, part), columns=["vm"])["vm"] for part in parts]
    frames = pl.collect_all([pl.scan_parquet(folder / part.path).select("vm") for part in parts])
    return [frame["vm"] for frame in frames]


def _place(names: pl.Series, key: str) -> int | None:
    return names.str.to_lowercase().index_of(key)


def _find_row(folder: RemotePath, part: EstateFile, key: str) -> pl.DataFrame:
    """Row of one VM in a part that is read by URL."""
    content = _read_bytes(folder, part)
    row = _place(pl.read_parquet(content, columns=["vm"])["vm"], key)
    return _one_row(pl.scan_parquet(content), row).collect()


def _unreadable(folder: Location, exc: BaseException) -> EstateError:
    return EstateError(f"a load file below {folder} is no readable Parquet file ({exc}); {_again(folder)}")


def _again(folder: Location) -> str:
    return f"restore it, or import (pull) the estate again instead of {folder}"


def to_arrays(frame: pl.DataFrame) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int8]]:
    """Metrics of a load part as arrays of shape (V, 288)."""
    return {metric: frame[metric].to_numpy() for metric in METRICS if metric in frame.columns}
