"""Rows of vms.csv become ARM resources that are read like those of Azure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer.arm.read_inventory import build_inventory
from optimizer.intake.vm_list.vm_line import VmRow
from optimizer.intake.vm_list.vm_resources import list_vms, to_resources
from optimizer.model.timegrid import Frequency

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAILY = VmRow(2, "web", "shop", "v", "p", Frequency.DAILY, (), 46, "UTC", 30)
WEEKLY = replace(DAILY, vm="db", policy="w", frequency=Frequency.WEEKLY, days=(2, 6))
HOURLY = replace(DAILY, vm="bus", policy="h", frequency=Frequency.HOURLY, time=16, interval_hours=4, duration_hours=12)
HEADER = "vm,service,vault,policy,frequency,days,time,timezone,retention_days"


@pytest.mark.parametrize("row", [DAILY, WEEKLY, HOURLY], ids=lambda row: str(row.frequency))
def test_a_row_is_read_back_as_it_was(row: VmRow) -> None:
    """The inventory that is built from the resources states what the row stated."""
    inventory = build_inventory(to_resources([row]).resources(NOW), ("tag:backup-service",))
    (item,) = inventory.items
    policy = inventory.policy(item)
    assert (policy.name, policy.start, policy.timezone) == (row.policy, row.time, row.timezone)
    assert policy.recurrence.frequency is row.frequency
    hours = (policy.recurrence.interval_hours or 0, policy.recurrence.duration_hours or 0)
    assert hours == (row.interval_hours, row.duration_hours)
    assert policy.recurrence.days == row.days
    assert inventory.vm(item).service == row.service
    assert inventory.vault(item).name == row.vault
    assert not item.unwritable and not policy.refused


def test_vms_share_vaults_and_policies() -> None:
    """Two VMs of one policy make one policy with two items; case does not matter."""
    made = to_resources([DAILY, replace(DAILY, vm="db", vault="V", policy="P")])
    assert (len(made.vaults), len(made.policies), len(made.protected_items)) == (1, 1, 2)
    assert made.policies[0]["properties"]["protectedItemsCount"] == 2
    assert [str(vm_id) for vm_id in made.vm_ids] == ["db", "web"]
    assert made.protected_items[1]["properties"]["policyId"] == made.policies[0]["id"]


def test_what_the_list_says_of_a_vm() -> None:
    """System, set, location and tags are where ARM has them; what is empty is left out."""
    row = replace(DAILY, os="Linux", availability_set="set", location="weu", tags={"env": "prod"})
    assert to_resources([row]).vms[0] == {
        "id": "web",
        "name": "web",
        "location": "weu",
        "tags": {"env": "prod", "backup-service": "shop"},
        "properties": {"storageProfile": {"osDisk": {"osType": "Linux"}}, "availabilitySet": {"id": "set"}},
    }
    assert to_resources([replace(DAILY, service="")]).vms[0] == {
        "id": "web", "name": "web", "tags": {}, "properties": {},
    }  # fmt: skip


def test_names_with_slashes_stay_one_segment() -> None:
    """A slash in the name of a vault or policy does not change the structure of ids."""
    made = to_resources([replace(DAILY, vault="a/b", policy="c/d")])
    assert made.vaults[0]["name"] == "a/b" and made.vaults[0]["id"].endswith("/vaults/a%2Fb")
    assert made.policies[0]["id"].endswith("/vaults/a%2Fb/backupPolicies/c%2Fd")


@pytest.mark.parametrize(
    ("lines", "notes"),
    [
        (["web,shop,v,p,Daily,,23:00,UTC,30"], []),
        (["web,,v,p,Daily,,23:00,UTC,30"], ["1 VM names no service; each is a service of its own."]),
        (
            ["web,,v,p,Daily,,23:00,UTC,30", "db,,v,p,Daily,,23:00,UTC,30"],
            ["2 VMs name no service; each is a service of its own."],
        ),
    ],
)
def test_remarks_on_the_list(tmp_path: Path, lines: list[str], notes: list[str]) -> None:
    """VMs without a service are counted, in the right number."""
    file = tmp_path / "vms.csv"
    file.write_text("\n".join([HEADER, *lines]))
    assert list(list_vms(file, []).notes) == notes


def test_a_byte_order_mark_is_mentioned(tmp_path: Path) -> None:
    """A byte-order mark does no harm, and is mentioned."""
    file = tmp_path / "vms.csv"
    file.write_text(f"{HEADER}\nweb,shop,v,p,Daily,,23:00,UTC,30", encoding="utf-8-sig")
    assert list(list_vms(file, []).notes) == ["The list of VMs begins with a byte-order mark; it was ignored."]
