"""No VM is written while a job that may be its own is in progress, however the service names the job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from optimizer.emulator import EmulatorSettings
from optimizer.emulator.jobs import EmulatedJob, JobNames
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.ports import Resource
from optimizer.rollout.carry_out.running_jobs import running_job
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, vm_id
from tests.rollout.azure_rollouts import azure, of_two_vaults, ready_of
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, World

END = NOW + timedelta(minutes=40)
ELSEWHERE = "99999999-2222-4333-8444-555555555555"


def in_another_subscription(world: World) -> World:
    """The same world, with its VMs in another subscription than their vault."""
    here, there = vm_id("x").split("/")[2], ELSEWHERE

    def moved(text: str) -> str:
        return text.replace(here, there)

    items = [
        {**one, "properties": {**one["properties"], "sourceResourceId": moved(one["properties"]["sourceResourceId"])}}
        for one in world.document.protected_items
    ]
    vms = [{**vm, "id": moved(vm["id"])} for vm in world.document.vms]
    return replace(
        world, document=world.document.model_copy(update={"protected_items": tuple(items), "vms": tuple(vms)})
    )


@pytest.mark.parametrize("names", ["container", "name"])
def test_a_vm_of_another_subscription_waits_for_its_job(tmp_path: Path, names: JobNames) -> None:
    """A job belongs to the VM of its vault's item, in whatever subscription the VM is."""
    world = in_another_subscription(of_two_vaults())
    vm = next(one["id"] for one in world.document.vms if one["id"].endswith("one-0"))
    job = (vm, VAULT, NOW - timedelta(minutes=30), END, None, "OnDemandBackup", "Completed", None)
    jobs = pl.DataFrame([job], schema=JOB_SCHEMA, orient="row")
    with azure(ready_of(world), tmp_path, jobs=jobs, settings=EmulatorSettings(job_names=names)) as cloud:
        assert cloud.apply().complete
        assert END <= cloud.moved("one-0").at < END + timedelta(minutes=10)
        assert cloud.moved("two-0").at < END


def test_a_job_that_names_no_vm_closes_its_vault(tmp_path: Path) -> None:
    """No VM of the vault is moved until the job has ended; another vault goes on."""
    with azure(ready_of(of_two_vaults()), tmp_path) as cloud:
        begun = NOW - timedelta(minutes=30)
        cloud.emulator.state.book.add(EmulatedJob("nameless", VAULT, "", "", begun, END, "Backup", "Completed"))
        prepared = cloud.prepare()
        assert cloud.carry_out(prepared).complete
        assert END <= cloud.moved("one-0").at < END + timedelta(minutes=10)
        assert cloud.moved("two-0").at < END


def job(vault: str = VAULT, **properties: object) -> Resource:
    """Build a job in progress."""
    return {"id": f"{vault}/backupJobs/1", "properties": {"status": "InProgress", **properties}}


def why_not(world: World, *jobs: Resource, vm: str = "one-0") -> str:
    """Why a VM may not be moved while some jobs are in progress."""
    service = FakeService(world.document)
    service.jobs = list(jobs)
    (write,) = (one for one in writes(world) if one.kind == "reassign_item" and one.vms == (vm_id(vm),))
    return running_job(service, world.inventory, write)


def writes(world: World) -> Sequence[Write]:
    """Writes of a world's changes."""
    ready = ready_of(world)
    return writes_of(ready.plan, ready.document, world.inventory)


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"containerName": None, "entityFriendlyName": None},
        {"containerName": "", "entityFriendlyName": "  "},
        {"containerName": 7, "entityFriendlyName": ["one-0"]},
        {"containerName": "iaasvmcontainerv2;;"},
        {"containerName": "one-0"},
    ],
)
def test_whatever_names_no_vm_closes_the_vault(properties: dict[str, object]) -> None:
    """The reason names the vault and says what is waited for; a job of another vault closes nothing."""
    world = of_two_vaults()
    reason = why_not(world, job(**properties))
    assert (
        reason == "a job in progress in vault rsv-one does not name its VM: no VM of the vault is moved until it ends"
    )
    assert not why_not(world, job(SECOND_VAULT, **properties))


def test_a_name_that_several_vms_have_closes_them_all() -> None:
    """Without a container, a job may belong to any VM of that name in the vault; with one, to that VM alone."""
    world = of_two_vaults()
    (twin,) = (one for one in world.document.protected_items if one["id"].endswith(";one-1"))
    there = str(twin["id"]).replace("rg-app;one-1", "rg-other;one-0")
    source = vm_id("one-0").replace("rg-app", "rg-other")
    other = {**twin, "id": there, "properties": {**twin["properties"], "sourceResourceId": source}}
    items = (*world.document.protected_items, other)
    world = replace(world, document=world.document.model_copy(update={"protected_items": items}))
    assert why_not(world, job(entityFriendlyName="ONE-0")) == "a job of one-0 is in progress"
    assert not why_not(world, job(containerName="iaasvmcontainerv2;rg-other;one-0", entityFriendlyName="one-0"))
    assert why_not(world, job(containerName="iaasvmcontainerv2;rg-app;one-0"))
    assert not why_not(world, job(entityFriendlyName="one-1"))


def test_a_container_that_the_vault_does_not_have_falls_back_to_the_name() -> None:
    """How containers are spelled is not documented: where one is not known, a VM of that name waits."""
    world = of_two_vaults()
    assert why_not(world, job(containerName="iaasvmcontainerv2;rg%2Dapp;one-0"))
    assert not why_not(world, job(containerName="iaasvmcontainerv2;rg-app;stranger", entityFriendlyName="stranger"))
