"""Brings the jobs of a pull into the form of the estate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from optimizer.arm import build_inventory
from optimizer.estate import Estate
from optimizer.intake.pull.job_slots import add_scheduled
from optimizer.intake.pull.pull_inventory import Found
from optimizer.intake.pull.raw_jobs import JobReader, learn_error_titles, logged_jobs, merge_jobs, to_frame
from optimizer.model.raw import id_of
from optimizer.model.rules import DEFAULT_SERVICE_FROM


@dataclass(frozen=True)
class NewJobs:
    """Jobs that the estate does not have yet.

    Parameters
    ----------
    frame
        Jobs with the columns of ``JOB_SCHEMA``.
    unassigned
        Number of jobs that were left out because their VM is not certain, by reason.
    """

    frame: pl.DataFrame
    unassigned: Mapping[str, int] = field(default_factory=dict)


def read_new_jobs(found: Found, as_of: datetime, old: Estate | None) -> NewJobs:
    """Jobs of a pull, each with its scheduled time if that is certain.

    Parameters
    ----------
    found
        Inventory and raw jobs.
    as_of
        Time of the pull.
    old
        Estate that is appended to; its jobs are left out.
    """
    inventory = build_inventory(found.resources(as_of), DEFAULT_SERVICE_FROM)
    reader = JobReader(found.spelling(), inventory.job_owners, learn_error_titles(found.protected_items))
    listed = [row for vault_id, jobs in found.jobs.items() for row in reader.read(vault_id, jobs)]
    vaults = {id_of(vault): id_of(vault) for vault in found.vaults}
    rows = merge_jobs(listed, logged_jobs(found.logged_jobs, reader, vaults))
    add_scheduled(rows, inventory)
    frame = to_frame(rows)
    unassigned = dict(sorted(reader.unassigned.items()))
    return NewJobs(frame if old is None else _without(frame, old.jobs()), unassigned)


def _without(jobs: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Jobs that are not among the known ones: of another VM, time or operation."""
    vm = pl.col("vm").str.to_lowercase()
    columns: list[str | pl.Expr] = ["start", "operation", vm]
    return jobs.join(known, left_on=columns, right_on=columns, how="anti")
