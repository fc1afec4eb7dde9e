"""A small emulated cloud, with an estate that was pulled from it and a plan, for the tests of the use cases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import optimizer
from optimizer.azure.cloud import AzureCloud
from optimizer.azure.connection import Connection
from optimizer.demo.generate import DEMO_AS_OF
from optimizer.emulator import Emulator
from optimizer.model.clock import VirtualClock
from tests.azure.clouds import subscriptions_of

NOON = DEMO_AS_OF - timedelta(hours=12)
"""A time at which no backup is under way."""

WAIT = timedelta(days=4)
"""Longer than a roll-out takes."""


@dataclass(frozen=True)
class World:
    """An emulated cloud and a folder of its user.

    Parameters
    ----------
    emulator, cloud, clock
        The emulator, access to it, and its clock.
    folder
        Folder with ``estate``, ``plan.json`` and the state of runs.
    """

    emulator: Emulator
    cloud: AzureCloud
    clock: VirtualClock
    folder: Path

    @property
    def plan_file(self) -> Path:
        """Path of the plan."""
        return self.folder / "plan.json"

    @property
    def journal(self) -> Path:
        """Path of the plan's journal."""
        return self.folder / "plan.journal.jsonl"

    @property
    def scope(self) -> optimizer.PullScope:
        """Everything that the emulator has."""
        return optimizer.PullScope(subscriptions=subscriptions_of(self.emulator.snapshot()))

    def apply(self) -> None:
        """Apply the whole plan."""
        prepared = optimizer.prepare_apply(self.plan_file, self.cloud)
        assert optimizer.apply_plan(prepared, self.cloud, wait=WAIT).complete


@contextmanager
def emulated(truth: optimizer.Estate, folder: Path) -> Iterator[World]:
    """Emulate the cloud of an estate at noon."""
    clock = VirtualClock(NOON)
    jobs = truth.jobs().filter(pl.col("start") < NOON)
    with Emulator.of_estate(truth.document, clock=clock, load=truth.load, jobs=jobs) as emulator:
        connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
        yield World(emulator, AzureCloud(connection, clock, folder / "state"), clock, folder)


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> optimizer.Estate:
    """Make up an estate of twelve VMs."""
    folder = tmp_path_factory.mktemp("truth")
    optimizer.generate_demo(folder, vms=12, weeks=3)
    return optimizer.open_estate(folder)


@pytest.fixture(scope="session")
def pulled(truth: optimizer.Estate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pull and plan the estate; the folder is only read."""
    folder = tmp_path_factory.mktemp("pulled")
    with emulated(truth, folder) as world:
        report = optimizer.pull_estate(
            world.scope, folder / "estate", world.cloud, optimizer.PullOptions(days=14, job_days=14)
        )
    assert report.complete
    plan = optimizer.make_plan(optimizer.open_estate(folder / "estate"), effort=1, path=world.plan_file)
    assert plan.summary.moved
    optimizer.write_plan(plan, world.plan_file)
    return folder


@pytest.fixture
def world(truth: optimizer.Estate, pulled: Path, tmp_path: Path) -> Iterator[World]:
    """Emulate the cloud anew, with a copy of the pulled estate and its plan."""
    shutil.copytree(pulled / "estate", tmp_path / "estate")
    shutil.copy(pulled / "plan.json", tmp_path)
    with emulated(truth, tmp_path) as found:
        yield found
