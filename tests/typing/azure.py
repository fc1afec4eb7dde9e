"""What a user with access to Azure writes: pull, rehearse, apply, watch and roll back.

Nothing runs it: it needs Azure or an emulator. The type checker reads it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

import optimizer


def pull(folder: str, subscription: str) -> optimizer.Estate:
    """Read an estate from Azure."""
    cloud = optimizer.connect(emulator="https://127.0.0.1:8443", ca_file="ca.pem")
    assert_type(cloud, optimizer.AzureCloud)
    scope = optimizer.PullScope(subscriptions=(subscription,))
    optimizer.pull_estate(scope, folder, cloud, optimizer.PullOptions(days=30))
    return optimizer.open_estate(folder)


def try_out(folder: str, subscription: str) -> None:
    """Pull from an emulator that serves an estate, an hour in a second."""
    with optimizer.emulate_estate(optimizer.open_estate(folder), speed=3600) as emulator:
        cloud = optimizer.connect(emulator=emulator.endpoint, ca_file=emulator.ca_file)
        optimizer.pull_estate(optimizer.PullScope(subscriptions=(subscription,)), f"{folder}-pulled", cloud)


def carry_out(plan_file: str) -> None:
    """Rehearse a plan, apply a part of it, watch it, and roll it back."""
    rehearsal = optimizer.rehearse_plan(plan_file, optimizer.open_twin)
    assert_type(rehearsal.num_writes, int)
    cloud = optimizer.connect()
    files = optimizer.PlanFiles(plan_file, journal="plan.journal.jsonl")
    scope = optimizer.RunScope.of("service=shop", max_moves=10)
    approval = optimizer.Approval(approved_by="change board", ticket="CHG-1")
    try:
        prepared = optimizer.prepare_apply(files, cloud, scope=scope, approval=approval)
        optimizer.apply_plan(prepared, cloud, wait=timedelta(hours=8))
    except (optimizer.ApplyError, optimizer.CloudError) as error:
        raise SystemExit(str(error)) from error
    report = optimizer.watch_plan(files, cloud)
    assert_type(len(report.vms), int)
    assert_type(len(optimizer.read_journal("plan.journal.jsonl")), int)
    part = optimizer.RollbackScope.of("vm=shop-*", delete_created=True)
    optimizer.roll_back(optimizer.prepare_rollback("plan.journal.jsonl", cloud, scope=part), cloud)
