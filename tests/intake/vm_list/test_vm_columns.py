"""Columns of ``vms.csv`` beyond the required ones: kept, usable in rules, and reported where they are not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import DataError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.intake.import_report import ImportReport
from optimizer.model.inventory import SubType, Vm
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import Frequency, format_start
from tests.intake.inputs import (
    DAILY,
    HEADER,
    WEEKLY,
    load_frame,
    write_load,
    write_vms,
)

WINDOW = "interval_hours,duration_hours"
ARM = "/subscriptions/s/resourceGroups/rg-a/providers/Microsoft.Compute/virtualMachines/web-1"
HOURLY = "app-1,shop,vault-a,often,Hourly,,08:00,UTC,30"


def imported(
    folder: Path, columns: str, *lines: str, vms: tuple[str, ...] = ("db-1", "web-1"), **options: Any
) -> tuple[Estate, ImportReport]:
    header = f"{HEADER},{columns}" if columns else HEADER
    load = write_load(folder, load_frame(vms, samples=288))
    report = import_estate(write_vms(folder, *lines, header=header), load, folder / "estate", **options)
    return open_estate(folder / "estate"), report


def chosen(estate: Estate, **criteria: Any) -> set[str]:
    """Names of the VMs that a rule's ``where`` selects."""
    inventory = estate.inventory()
    selector = Selector(**criteria)
    return {
        inventory.vm(item).name
        for item in inventory.items
        if selector.matches(inventory.vm(item), inventory.vaults[item.vault_id.lower()], Frequency.DAILY)
    }


def test_known_columns_select_vms(tmp_path: Path) -> None:
    """Groups, subscriptions, systems and tags of the list are what ``where`` asks for."""
    estate, report = imported(
        tmp_path,
        "resource_group,subscription,OS,tag:tier,location",
        f"{DAILY},rg-web,sub-1,linux,web,westeurope",
        f"{WEEKLY},rg-db,sub-1,Windows,db,",
    )
    assert report.notes == ()
    assert report.vms_without_load == ()
    assert chosen(estate, resource_group="rg-w*") == {"web-1"}
    assert chosen(estate, subscription="sub-1") == {"web-1", "db-1"}
    assert chosen(estate, os="Windows") == {"db-1"}
    assert chosen(estate, tag={"tier": "web"}) == {"web-1"}
    assert {vm.location for vm in estate.inventory().vms.values()} == {"westeurope", ""}


@pytest.mark.parametrize("sign", [";", "\t"])
def test_lists_with_other_separators_are_read(tmp_path: Path, sign: str) -> None:
    """A spreadsheet that separates by semicolons puts days with semicolons between quotes; tabs are read as well."""
    lines = [line.replace("Sunday;Wednesday", '"Sunday#Wednesday"').replace(",", sign) for line in (DAILY, WEEKLY)]
    vms = tmp_path / "vms.csv"
    vms.write_text("\n".join([HEADER.replace(",", sign), *lines]).replace("#", ";"), encoding="utf-8-sig")
    import_estate(vms, write_load(tmp_path), tmp_path / "estate")
    inventory = open_estate(tmp_path / "estate").inventory()
    assert {inventory.policy(item).recurrence.days for item in inventory.items} == {(), (2, 6)}


def test_unknown_columns_are_tags_and_are_reported(tmp_path: Path) -> None:
    """A column of any name is kept; its note says how to use it, and what it may have been meant for."""
    estate, report = imported(tmp_path, "tier,ressource_group,", f"{DAILY},web,rg-web,", f"{WEEKLY},,rg-db,")
    assert chosen(estate, tag={"tier": "web"}) == {"web-1"}
    tier, group, unnamed = report.notes
    assert tier.startswith("Column 'tier' is not one that import knows; it is kept as a tag")
    assert tier.endswith('where = { tag = { "tier" = "..." } }.')
    assert group.endswith("Did you mean 'resource_group'?")
    assert unnamed == "A column without a name is not used."
    assert "tier" not in next(vm for vm in estate.inventory().vms.values() if vm.name == "db-1").tags


def test_services_come_from_columns(tmp_path: Path) -> None:
    """Availability sets and the tags that name a service make services where the column ``service`` is empty."""
    web, other = DAILY.replace("shop", ""), WEEKLY.replace("shop", "")
    estate, report = imported(tmp_path, "availability_set,tag:app", f"{web},set-1,", f"{other},,billing")
    assert {vm.name: vm.service for vm in estate.inventory().vms.values()} == {"web-1": "set-1", "db-1": "billing"}
    assert report.notes == ()


def test_two_vms_of_one_name_are_kept(tmp_path: Path) -> None:
    """The same name in two groups is two VMs, by group or by ARM id."""
    second = DAILY.replace("nightly", "other")
    estate, report = imported(
        tmp_path, "resource_group", f"{DAILY},rg-a", f"{second},rg-b", vms=("web-1", "rg-b/web-1")
    )
    assert len(estate.inventory().items) == 2
    assert any("Names in the load that several VMs have: web-1" in note for note in report.notes)
    assert [vm.rpartition("/resourceGroups/")[2].partition("/")[0] for vm in report.vms_without_load] == ["rg-a"]
    ids = (ARM, ARM.replace("rg-a", "rg-b"))
    (tmp_path / "ids").mkdir()
    lines = [DAILY.replace("web-1", vm_id) for vm_id in ids]
    estate, report = imported(tmp_path / "ids", "", *lines, vms=ids)
    assert report.vms_without_load == report.load_without_vm == ()
    assert chosen(estate, name="web-*") == {"web-1"}
    assert {vm.resource_group for vm in estate.inventory().vms.values()} == {"rg-a", "rg-b"}


def test_hourly_policies_are_imported(tmp_path: Path) -> None:
    """The time starts the window; interval and duration are those of the columns."""
    estate, _ = imported(tmp_path, WINDOW, f"{DAILY},,", f"{HOURLY},4,24", vms=("app-1", "web-1"))
    inventory = estate.inventory()
    policy = next(policy for policy in inventory.policies.values() if policy.name == "often")
    assert (policy.sub_type, format_start(policy.start)) == (SubType.ENHANCED, "08:00")
    recurrence = policy.recurrence
    assert (recurrence.frequency, recurrence.interval_hours, recurrence.duration_hours) == (Frequency.HOURLY, 4, 24)
    assert {inventory.vm(item).name: item.unwritable for item in inventory.items} == {"app-1": "", "web-1": ""}


BAD = {
    "no window": (HOURLY, "", "interval_hours is ''; allowed: 4, 6, 8, 12, 24"),
    "interval": (f"{HOURLY},5,20", WINDOW, "interval_hours is '5'; allowed"),
    "short": (
        f"{HOURLY},6,5",
        WINDOW,
        "duration_hours is '5'; allowed with interval_hours 6",
    ),
    "long": (f"{HOURLY},6,25", WINDOW, "duration_hours is '25'; allowed"),
    "text": (f"{HOURLY},6,x", WINDOW, "duration_hours is 'x'; allowed"),
    "late": (
        f"{HOURLY},6,12".replace("08:00", "20:00"),
        WINDOW,
        "time is 20:00; an hourly window starts from 00:00 to 19:30",
    ),
    "days": (
        f"{HOURLY},6,12".replace("Hourly,", "Hourly,Sunday"),
        WINDOW,
        "days is 'Sunday'",
    ),
    "daily window": (f"{DAILY},4,12", WINDOW, "leave both empty, or write Hourly"),
    "system": (f"{DAILY},BeOS", "os", "os is 'BeOS'; allowed: Windows, Linux or nothing"),
    "group path": (f"{DAILY},a/b", "resource_group", "resource_group is 'a/b'; give its name, not a path"),
    "subscription alone": (f"{DAILY},s", "subscription", "subscription is 's'; give the resource_group as well"),
    "two groups": (
        DAILY.replace("web-1", "/subscriptions/s/resourceGroups/a/providers/Microsoft.Compute/virtualMachines/v")
        + ",b",
        "resource_group",
        "resource_group is 'b', but the ARM id in vm says 'a'",
    ),
    "one name": (
        f"{DAILY}\n{DAILY}",
        "",
        "give the ARM id of each in the column vm, or add the column resource_group",
    ),
    "same tag twice": (f"{DAILY},a,b", "tier,tag:Tier", "the columns 'tier' and 'tag:Tier' mean the same tag"),
    "service twice": (f"{DAILY},a", "tag:backup-service", "mean the same tag 'backup-service'"),
    "tag without name": (f"{DAILY},a", "tag:", "the column 'tag:' names no tag"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_columns_are_named(tmp_path: Path, name: str) -> None:
    """The message names the line, the VM, the value and what is allowed."""
    bad, columns, said = BAD[name]
    with pytest.raises(DataError) as caught:
        imported(tmp_path, columns, *bad.split("\n"))
    assert said in str(caught.value)
    assert not (tmp_path / "estate").exists()


def test_intervals_of_one_policy_must_agree(tmp_path: Path) -> None:
    """Two VMs of one hourly policy cannot state two windows."""
    with pytest.raises(DataError, match=r"policy with two intervals:\s+policy often of vault vault-a: interval_hours"):
        imported(tmp_path, WINDOW, f"{HOURLY},4,24", f"{HOURLY},6,24".replace("app-1", "app-2"))


def test_groups_cannot_be_added_to_an_old_estate(tmp_path: Path) -> None:
    """A VM that the estate knows by name alone keeps its load; the message says what to do."""
    imported(tmp_path, "", DAILY, WEEKLY)
    with pytest.raises(DataError, match="knows VM web-1 without a resource group, and line 2 now gives one"):
        imported(tmp_path, "resource_group", f"{DAILY},rg-a", f"{WEEKLY},rg-a", append=True)


def test_plans_of_a_list_cannot_be_applied(tmp_path: Path) -> None:
    """The report says so, as the ids of vaults and policies are made up."""
    estate, report = imported(tmp_path, "", DAILY, WEEKLY)
    assert not report.can_be_applied
    assert estate.document.source == "import"
    assert isinstance(next(iter(estate.inventory().vms.values())), Vm)
