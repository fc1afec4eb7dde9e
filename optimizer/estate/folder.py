"""Opens an estate folder for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optimizer.estate.document import EstateDocument, read_document
from optimizer.files import Location, locate, seen_by_workers
from optimizer.model.html_table import MOST_ROWS, html_table, html_view
from optimizer.model.inventory import Inventory
from optimizer.model.phrases import counted
from optimizer.model.rules import DEFAULT_SERVICE_FROM

if TYPE_CHECKING:
    import polars as pl

    from optimizer.estate.load_store import LoadStore


class Estate:
    """Contents of an estate folder; load and jobs are read on demand.

    Parameters
    ----------
    path
        Location of the folder: on this machine, or by URL.
    document
        Document of the estate, from ``estate.json``.
    """

    def __init__(self, path: Location, document: EstateDocument) -> None:
        self.path = path
        self.document = document

    @property
    def as_of(self) -> datetime:
        """Time at which the estate was read, in UTC."""
        return self.document.as_of

    @property
    def seen_by_workers(self) -> bool:
        """Whether other processes can read the estate, which they cannot if it is in the memory of this one."""
        return seen_by_workers(self.path)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:`` and a digest of everything in the estate except the time at which it was written."""
        return self.document.fingerprint()

    def inventory(self, service_from: Sequence[str] = DEFAULT_SERVICE_FROM) -> Inventory:
        """Inventory of the estate: vaults, policies, items and VMs.

        Parameters
        ----------
        service_from
            Sources of a VM's service, in order; the first that the VM has decides. See
            :class:`optimizer.model.rules.Rules`.

        Raises
        ------
        DataError
            A policy or an item cannot be used.
        """
        return self.document.inventory(service_from)

    def vms(self, service_from: Sequence[str] = DEFAULT_SERVICE_FROM) -> pl.DataFrame:
        """VMs with a scheduled backup as a data frame with one row each, in the order of the inventory.

        The columns are ``name`` and ``vm`` (name and ARM id, or the name as imported), ``service``, ``vault`` and
        ``policy`` (names), ``runs`` (such as ``daily``), ``start`` (``HH:MM`` in ``timezone``), ``timezone``, and
        ``unwritable`` (why a plan must not change the VM; empty if it may).

        Parameters
        ----------
        service_from
            As for :meth:`inventory`.
        """
        from optimizer.estate.frames import vms_frame

        return vms_frame(self.inventory(service_from))

    def policies(self) -> pl.DataFrame:
        """VM backup policies as a data frame with one row each, those with the most VMs first.

        The columns are ``policy`` and ``vault`` (names), ``runs``, ``start`` (``HH:MM`` in ``timezone``), ``timezone``
        and ``vms`` (number of VMs with a scheduled backup).
        """
        from optimizer.estate.frames import policies_frame

        return policies_frame(self.inventory())

    def services(self, service_from: Sequence[str] = DEFAULT_SERVICE_FROM) -> pl.DataFrame:
        """Services as a data frame with one row each, those with the most VMs first.

        The columns are ``service``, ``vms`` (number of VMs with a scheduled backup), and the numbers of different
        ``vaults``, ``policies`` and ``starts`` (times of day) of these VMs.

        Parameters
        ----------
        service_from
            As for :meth:`inventory`.
        """
        from optimizer.estate.frames import services_frame

        return services_frame(self.inventory(service_from))

    def _repr_html_(self) -> str:
        """Counts and the largest services, for a notebook."""
        inventory, dates = self.inventory(), self.load.dates()
        services = self.services()
        history = f"{counted(len(dates), 'day', 'days')} of load until {dates[-1]}" if dates else "no load"
        contents = (
            f"{counted(len(inventory.items), 'VM', 'VMs')} with a scheduled backup, "
            f"{counted(len(inventory.policies), 'policy', 'policies')}, "
            f"{counted(len(inventory.vaults), 'vault', 'vaults')}, {history}."
        )
        return html_view(
            f"Estate as of {self.as_of:%Y-%m-%d %H:%M} UTC",
            [contents],
            html_table(services.columns, services.head(MOST_ROWS).rows(), total=len(services)),
        )

    @cached_property
    def load(self) -> LoadStore:
        """Load history of the estate."""
        from optimizer.estate.load_store import LoadStore

        return LoadStore(self.path, self.document.load, lambda: [vm.id for vm in self.inventory().vms.values()])

    def jobs(self) -> pl.DataFrame:
        """Backup jobs, one per row, sorted by start and VM; see ``JOB_SCHEMA`` in :mod:`optimizer.estate.parts`.

        Raises
        ------
        EstateError
            A file is missing or damaged.
        """
        import polars as pl

        from optimizer.estate.parts import JOB_SCHEMA, read_part

        frames = [read_part(self.path, part).rechunk() for part in self.document.jobs]
        # Pulls overlap by a few days, so two of them may have seen the same job.
        return pl.concat([pl.DataFrame(schema=JOB_SCHEMA), *frames]).unique().sort("start", "vm", "operation")


def open_estate(path: str | Location, *, storage_options: Mapping[str, Any] | None = None) -> Estate:
    """Open an estate folder.

    Parameters
    ----------
    path
        Folder on this machine, or a URL for fsspec: ``s3://bucket/estate``, ``abfs://...``, ``file:///...``.
    storage_options
        Options for the driver of a URL. It is better to provide credentials where the driver looks for them
        (environment, profile, managed identity), so that workers and later commands find them as well.

    Raises
    ------
    EstateError
        The folder has no estate, or one that is damaged or has a newer schema version; the storage cannot be read; or
        the package that reads it is not installed.
    ValueError
        Options were given for a folder on this machine.
    """
    folder = locate(path, storage_options)
    return Estate(folder, read_document(folder))
