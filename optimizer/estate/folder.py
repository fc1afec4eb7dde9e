"""An estate folder, opened for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optimizer.estate.document import EstateDocument, read_document
from optimizer.estate.remote import Location, locate, seen_by_workers
from optimizer.model.inventory import Inventory
from optimizer.model.rules import DEFAULT_SERVICE_FROM

if TYPE_CHECKING:
    import polars as pl

    from optimizer.estate.load_store import LoadStore


class Estate:
    """What an estate folder holds; load and jobs are read when they are asked for.

    Parameters
    ----------
    path
        The folder: of this machine, or by URL.
    document
        Its ``estate.json``.
    """

    def __init__(self, path: Location, document: EstateDocument) -> None:
        self.path = path
        self.document = document

    @property
    def as_of(self) -> datetime:
        """When the estate was taken, in UTC."""
        return self.document.as_of

    @property
    def seen_by_workers(self) -> bool:
        """Whether other processes can read it: not where it lies in the memory of this one (``memory://``)."""
        return seen_by_workers(self.path)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:`` and a digest of everything in the estate but the time at which it was written."""
        return self.document.fingerprint()

    def inventory(self, service_from: Sequence[str] = DEFAULT_SERVICE_FROM) -> Inventory:
        """Vaults, policies, items and VMs.

        Parameters
        ----------
        service_from
            Where services come from, first hit wins; see :class:`optimizer.model.rules.Rules`.

        Raises
        ------
        DataError
            A policy or an item cannot be used.
        """
        from optimizer.estate.arm import build_inventory

        return build_inventory(self.document, service_from)

    @cached_property
    def load(self) -> LoadStore:
        """History of load."""
        from optimizer.estate.load_store import LoadStore

        return LoadStore(self.path, self.document.load)

    def jobs(self) -> pl.DataFrame:
        """Backup jobs, one row each, by start and VM; see ``JOB_SCHEMA`` in :mod:`optimizer.estate.parts`.

        Raises
        ------
        EstateError
            A file is missing or damaged.
        """
        import polars as pl

        from optimizer.estate.parts import JOB_SCHEMA, read_part

        frames = [read_part(self.path, part).rechunk() for part in self.document.jobs]
        # Pulls overlap by some days: a job that two of them saw is one job.
        return pl.concat([pl.DataFrame(schema=JOB_SCHEMA), *frames]).unique().sort("start", "vm", "operation")


def open_estate(path: str | Location, *, storage_options: Mapping[str, Any] | None = None) -> Estate:
    """Open an estate folder.

    Parameters
    ----------
    path
        A folder of this machine, or a URL of fsspec: ``s3://bucket/estate``, ``abfs://...``, ``file:///...``.
    storage_options
        What the driver of a URL is given beyond it.  Credentials are better left to where the driver looks for them
        (environment, profile, managed identity): then workers and later commands find them as well.

    Raises
    ------
    EstateError
        There is no estate, it is of a newer schema version, or it is damaged; the storage cannot be read, or the
        package that reads it is not installed.
    ValueError
        Options were given for a folder of this machine.
    """
    folder = locate(path, storage_options)
    return Estate(folder, read_document(folder))
