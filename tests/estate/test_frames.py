"""An estate as data frames, and as it shows itself in a notebook."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from optimizer.demo.generate import generate_demo
from optimizer.estate.folder import Estate, open_estate


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Make up a small estate."""
    folder = tmp_path_factory.mktemp("demo") / "estate"
    generate_demo(folder, vms=24, weeks=1)
    return open_estate(folder)


def test_vms_are_a_data_frame(estate: Estate) -> None:
    """One row per VM with a scheduled backup, with its policy and start."""
    inventory, frame = estate.inventory(), estate.vms()
    assert frame["vm"].to_list() == [inventory.vm(item).id for item in inventory.items]
    assert frame["policy"].to_list() == [inventory.policy(item).name for item in inventory.items]
    assert frame["service"].to_list() == [inventory.vm(item).service for item in inventory.items]
    assert set(frame["start"].str.len_chars()) == {5}


def test_services_and_policies_add_up(estate: Estate) -> None:
    """The numbers of VMs are those of the inventory, the largest first."""
    vms = estate.vms()
    services, policies = estate.services(), estate.policies()
    assert dict(services.select("service", "vms").iter_rows()) == Counter(vms["service"].to_list())
    assert services["vms"].to_list() == sorted(services["vms"].to_list(), reverse=True)
    assert policies["vms"].sum() == vms.height
    first = vms.filter(vms["service"] == services["service"][0])
    expected = tuple(first[column].n_unique() for column in ("vault", "policy", "start"))
    assert services.select("vaults", "policies", "starts").row(0) == expected


def test_services_follow_the_sources_that_are_given(estate: Estate) -> None:
    """With another source, the same VMs form other services."""
    by_group = estate.services(["resource_group"])
    assert set(by_group["service"]) == {vm.service for vm in estate.inventory(["resource_group"]).vms.values()}


def test_an_estate_shows_itself(estate: Estate, tmp_path: Path) -> None:
    """Counts, history and the largest services."""
    shown = estate._repr_html_()
    assert f"{len(estate.inventory().items)} VMs with a scheduled backup" in shown
    assert "7 days of load until 2026-02-28." in shown
    assert f"<td>{estate.services()['service'][0]}</td>" in shown
    generate_demo(tmp_path / "one", vms=1, weeks=1)
    assert "1 VM with a scheduled backup" in open_estate(tmp_path / "one")._repr_html_()
