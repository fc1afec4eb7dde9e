"""Pull an estate from an emulated cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

import optimizer
from tests.workflow.conftest import World


def test_an_appending_pull_goes_by_the_clock_of_the_cloud(world: World) -> None:
    """A second pull a day later adds to the estate what is new since the first."""
    folder, before = world.folder / "estate", optimizer.open_estate(world.folder / "estate")
    world.clock.sleep(24 * 3600)
    report = optimizer.pull_estate(world.scope, str(folder), world.cloud, optimizer.PullOptions(append=True, days=14))
    assert report.complete
    after = optimizer.open_estate(folder)
    assert (after.as_of - before.as_of).days == 1
    assert {vm["id"] for vm in after.document.vms} == {vm["id"] for vm in before.document.vms}
    assert not world.emulator.writes


def test_options_reach_the_source(world: World, tmp_path: Path) -> None:
    """A workspace that is not a GUID is refused before anything is read."""
    before = world.emulator.requests.total()
    with pytest.raises(optimizer.ConfigError, match="--workspace 'logs'"):
        optimizer.pull_estate(world.scope, tmp_path / "new", world.cloud, optimizer.PullOptions(workspaces=("logs",)))
    assert world.emulator.requests.total() == before
    assert not (tmp_path / "new").exists()
