"""A case behind the emulator: pulled, planned and applied through the real clients, with backups under way."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from optimizer.azure.connection import Connection
from optimizer.azure.pull import azure_source
from optimizer.azure.service import AzureBackupService
from optimizer.config import read_rules
from optimizer.documents.plan_file import write_plan
from optimizer.emulator import Emulator
from optimizer.estate.folder import Estate, open_estate
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.intake.pull.estate_pull import pull_to_folder
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_source import PullScope
from optimizer.model.clock import VirtualClock
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import latest_end
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.workflow import make_plan
from tests.cases import CASES_END, write_case_load
from tests.cli.command_line import run

NIGHTS = 7
BUSY_UNTIL = CASES_END + timedelta(minutes=40)
"""When the backups end that somebody started by hand before the roll-out."""


@dataclass(frozen=True)
class CloudRun:
    """What came of a case behind the emulator.

    Parameters
    ----------
    vms, tagged
        VMs that were pulled; those with the tags that they have.
    jobs, filed
        Jobs that have ended; those that were pulled under the id of a VM that exists.
    rule_fits
        VMs that the rules of the case fit.
    moved
        When each VM was reassigned, by id.
    during_backup
        VMs that were reassigned while their backup was in progress.
    """

    vms: int
    tagged: int
    jobs: int
    filed: int
    rule_fits: int
    moved: dict[str, datetime]
    during_backup: tuple[str, ...]


def run_in_cloud(case_file: Path, rules_file: Path, folder: Path) -> CloudRun:
    """Pull, plan and apply a case at noon, while a backup of every VM that somebody started is in progress."""
    load = write_case_load(case_file, folder)
    run("import", "--resources", case_file, "--load", load, "--out", folder / "truth")
    truth = open_estate(folder / "truth")
    jobs = _jobs(truth)
    clock = VirtualClock(CASES_END)
    rules = read_rules(rules_file)
    with Emulator.of_estate(truth.document, clock=clock, load=truth.load, jobs=jobs) as emulator:
        connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
        vaults = tuple(str(vault["id"]) for vault in truth.document.vaults)
        with azure_source(connection) as source:
            pull_to_folder(PullScope(vaults=vaults), folder / "estate", source, PullOptions(days=20), clock=clock)
        estate = open_estate(folder / "estate")
        plan = make_plan(estate, rules, effort=1, path=folder / "plan.json")
        write_plan(plan, folder / "plan.json")
        ledger, journal = Ledger(folder / "state"), folder / "plan.journal.jsonl"
        with AzureBackupService(connection) as service:
            prepared = prepare_apply(
                PlanCase(plan, folder / "plan.json", estate.document),
                Session(service, clock, ledger),
                RunJournal(journal),
            )
            until = latest_end(prepared.rollout, clock.now())
            pace = Pace(settle_seconds=5.0, busy_seconds=300.0)
            carry_out(prepared, Session(service, clock, ledger), until=until, pace=pace)
        vm_of = {str(item["id"]).lower(): _vm_of(item) for item in truth.document.protected_items}
        moved = {
            vm_of[write.object_id.lower()]: write.at for write in emulator.writes if write.object_id.lower() in vm_of
        }
    tags = {str(vm["id"]): vm.get("tags") for vm in truth.document.vms}
    names = {vm.lower() for vm in tags}
    pulled = estate.jobs()
    fits = {vm.id for vm in estate.inventory().vms.values() if vm.tags.get("tier") == "web"}
    return CloudRun(
        vms=len(estate.document.vms),
        tagged=sum(tags.get(str(vm["id"])) == vm.get("tags") for vm in estate.document.vms),
        jobs=jobs.filter(pl.col("end") <= CASES_END).height,
        filed=sum(vm.lower() in names for vm in pulled["vm"]),
        rule_fits=len(fits),
        moved=moved,
        during_backup=tuple(sorted(vm for vm, at in moved.items() if at < BUSY_UNTIL)),
    )


def _vm_of(item: dict[str, object]) -> str:
    properties = item["properties"]
    assert isinstance(properties, dict)
    return str(properties["sourceResourceId"])


def _jobs(estate: Estate) -> pl.DataFrame:
    """A week of nightly backups, and one of each VM that is under way."""
    rows = []
    for item in estate.document.protected_items:
        place = (_vm_of(item), str(item["id"]).partition("/backupFabrics/")[0])
        for night in range(NIGHTS):
            start = (CASES_END - timedelta(days=night + 1)).replace(hour=23, minute=20)
            rows.append((*place, start, start + timedelta(minutes=30), None, "Backup", "Completed", None))
        start = CASES_END - timedelta(minutes=30)
        rows.append((*place, start, BUSY_UNTIL, None, "OnDemandBackup", "Completed", None))
    return pl.DataFrame(rows, schema=JOB_SCHEMA, orient="row")


def show(case_file: Path, rules_file: Path) -> str:
    """The line of a case behind the emulator."""
    with tempfile.TemporaryDirectory() as folder:
        found = run_in_cloud(case_file, rules_file, Path(folder))
    return (
        f"{case_file.stem} behind the emulator: {found.tagged} of {found.vms} VMs pulled with their tags, "
        f"{found.filed} of {found.jobs} jobs filed under a VM that exists, rule by tag fits {found.rule_fits} VMs, "
        f"{len(found.moved)} VMs moved, {len(found.during_backup)} of them during their backup"
    )
