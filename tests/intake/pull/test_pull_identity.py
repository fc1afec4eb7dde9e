"""Vaults and VMs in different subscriptions: VMs are found with their tags, and jobs are filed under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.errors import ForbiddenError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.pull.estate_pull import pull_to_folder
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_report import PullReport
from optimizer.intake.pull.pull_source import PullScope
from optimizer.model.clock import VirtualClock
from optimizer.ports import Resource
from tests.intake.pull.memory_cloud import MemoryCloud

ELSEWHERE = "99999999-2222-4333-8444-555555555555"


def elsewhere(vm_id: str) -> str:
    """Id of a VM in the other subscription."""
    parts = vm_id.split("/")
    return "/".join([*parts[:2], ELSEWHERE, *parts[3:]])


@dataclass
class StrictCloud(MemoryCloud):
    """A cloud that refuses a search as a whole where one of its subscriptions may not be read."""

    hidden: frozenset[str] = frozenset()

    def find_vms(self, subscriptions: Sequence[str]) -> list[Resource]:
        """VMs of the subscriptions."""
        if self.hidden.intersection(subscriptions):
            raise ForbiddenError("you may not read this subscription")
        return super().find_vms(subscriptions)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """A small estate of which every second VM is in another subscription than its vault."""
    folder = tmp_path_factory.mktemp("truth") / "estate"
    generate_demo(folder, vms=12, weeks=1)
    found = open_estate(folder)
    moved = {str(vm["id"]): elsewhere(str(vm["id"])) for vm in found.document.vms[::2]}

    def place(resource: Resource) -> Resource:
        properties = dict(resource["properties"])
        for name in ("sourceResourceId", "virtualMachineId"):
            properties[name] = moved.get(properties[name], properties[name])
        return {**resource, "properties": properties}

    document = found.document.model_copy(
        update={
            "vms": tuple({**vm, "id": moved.get(str(vm["id"]), vm["id"])} for vm in found.document.vms),
            "protected_items": tuple(map(place, found.document.protected_items)),
        }
    )
    return Estate(folder, document)


def job_of(item: Resource, number: int, **properties: Any) -> Resource:
    """Build a job of an item, as the service lists it."""
    vault = str(item["id"]).partition("/backupFabrics/")[0]
    start = DEMO_AS_OF - timedelta(days=1, minutes=number)
    return {
        "id": f"{vault}/backupJobs/{number}",
        "properties": {
            "containerName": item["properties"]["containerName"],
            "entityFriendlyName": item["properties"]["friendlyName"],
            "operation": "Backup",
            "status": "Completed",
            "startTime": start.isoformat(),
            "duration": "PT30M",
            **properties,
        },
    }


def pulled(cloud: MemoryCloud, out: Path) -> PullReport:
    """Pull all vaults of the cloud."""
    vaults = tuple(str(vault["id"]) for vault in cloud.estate.document.vaults)
    options = PullOptions(days=1)
    return pull_to_folder(PullScope(vaults=vaults), out, cloud.source(), options, clock=VirtualClock(DEMO_AS_OF))


def protected(document_items: Sequence[Resource]) -> Iterator[Resource]:
    """Items of VMs, with the container that jobs name."""
    for item in document_items:
        if item["properties"].get("sourceResourceId"):
            yield item


def test_vms_of_other_subscriptions_are_found_with_tags_and_jobs(truth: Estate, tmp_path: Path) -> None:
    """The VM is its item's, whatever the vault's subscription; a job belongs to the item of its vault."""
    items = list(protected(truth.document.protected_items))
    cloud = MemoryCloud(truth)
    for number, item in enumerate(items):
        job = job_of(item, number)
        cloud.jobs.setdefault(str(item["id"]).partition("/backupFabrics/")[0], []).append(job)
    report = pulled(cloud, tmp_path / "estate")
    mine = open_estate(tmp_path / "estate")
    want, got = truth.inventory(), mine.inventory()
    assert {key: (vm.tags, vm.service) for key, vm in got.vms.items()} == {
        key: (vm.tags, vm.service) for key, vm in want.vms.items()
    }
    assert any(ELSEWHERE in key for key in got.vms)
    assert sorted(mine.jobs()["vm"]) == sorted(str(item["properties"]["sourceResourceId"]) for item in items)
    assert not report.unassigned_jobs
    assert not report.failures


def test_jobs_that_nobody_can_assign_are_reported(truth: Estate, tmp_path: Path) -> None:
    """Jobs without a container go by the name of the VM; what names no VM is counted, not dropped in silence."""
    first, *_ = protected(truth.document.protected_items)
    vault = str(first["id"]).partition("/backupFabrics/")[0]
    none = {"containerName": None, "entityFriendlyName": None}
    cloud = MemoryCloud(truth)
    cloud.jobs[vault] = [job_of(first, 0, containerName=None), job_of(first, 1, **none), job_of(first, 2, **none)]
    report = pulled(cloud, tmp_path / "estate")
    assert list(open_estate(tmp_path / "estate").jobs()["vm"]) == [first["properties"]["sourceResourceId"]]
    assert report.jobs == 1
    assert report.unassigned_jobs == {"without the name of a VM": 2}


def test_a_subscription_that_cannot_be_searched_costs_only_its_own_vms(truth: Estate, tmp_path: Path) -> None:
    """The failure is reported, and the VMs of the vaults' subscriptions keep their tags."""
    report = pulled(StrictCloud(truth, hidden=frozenset({ELSEWHERE})), tmp_path / "estate")
    assert [failure.what for failure in report.failures] == [f"VMs of subscription {ELSEWHERE}"]
    vms = open_estate(tmp_path / "estate").document.vms
    assert {str(vm["id"]) for vm in vms} == {str(vm["id"]) for vm in truth.document.vms if ELSEWHERE not in vm["id"]}
