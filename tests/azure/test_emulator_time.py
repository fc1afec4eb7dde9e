"""The clock of an emulator, which a client of the emulator takes over, and a client of Azure never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.azure.cloud import CLOUDS, AzureCloud, connect
from optimizer.azure.connection import Connection
from optimizer.azure.emulator_time import emulator_time, parse_time
from optimizer.emulator import Emulator
from optimizer.errors import CloudError
from optimizer.model.clock import FasterClock, VirtualClock
from optimizer.rollout import read_only
from optimizer.rollout.session.ledger import CountedWrite
from tests.azure.clouds import cloud_document

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPEED = 300.0


@pytest.fixture(scope="module")
def machine() -> VirtualClock:
    """Clock of the machine."""
    return VirtualClock(START)


@pytest.fixture(scope="module")
def emulator(machine: VirtualClock) -> Iterator[Emulator]:
    """An emulator that runs faster than the machine."""
    clock = FasterClock(START + timedelta(days=3), SPEED, machine)
    with Emulator.of_estate(cloud_document(2, subscriptions=1, vaults=1), clock=clock) as running:
        yield running


def connection_to(emulator: Emulator) -> Connection:
    return Connection.to_emulator(emulator.endpoint, emulator.ca_file)


def test_a_client_takes_over_the_time_of_a_faster_emulator(machine: VirtualClock, emulator: Emulator) -> None:
    """Both clocks agree, also after a while, and waiting takes a fraction of the time."""
    told = emulator_time(connection_to(emulator), machine)
    assert told.clock.now() == emulator.state.clock.now()
    before = machine.now()
    told.clock.sleep(3600)
    assert machine.now() - before == timedelta(seconds=3600 / SPEED)
    assert told.clock.now() == emulator.state.clock.now()
    assert not emulator.requests


def test_an_emulator_of_normal_speed_leaves_the_clock_of_the_machine(machine: VirtualClock) -> None:
    """Where no time is to be saved, the command keeps its clock, so that a wrong one is found as with Azure."""
    with Emulator.of_estate(cloud_document(1, subscriptions=1, vaults=1), clock=machine) as running:
        assert emulator_time(connection_to(running), machine).clock is machine


def test_each_emulator_has_a_ledger_of_its_own(machine: VirtualClock, emulator: Emulator, tmp_path: Path) -> None:
    """A client of an emulator uses its clock and a ledger of its own; its writes do not count in Azure."""
    write = CountedWrite(at=machine.now(), vault_id="/v")
    read_only(AzureCloud(clock=machine, state_folder=tmp_path)).ledger.add(write)
    with Emulator.of_estate(cloud_document(1, subscriptions=1, vaults=1), clock=machine) as other:
        for one in (emulator, other):
            cloud = connect(emulator=one.endpoint, ca_file=one.ca_file, clock=machine)
            assert cloud.clock.now() == one.state.clock.now()
            ledger = read_only(replace(cloud, state_folder=tmp_path)).ledger
            assert ledger.since(machine.now() - timedelta(days=1)) == ()
            ledger.add(write)
    assert len(list((tmp_path / "emulators").iterdir())) == 2


@pytest.mark.parametrize("name", CLOUDS)
def test_azure_never_sets_the_clock(name: str, machine: VirtualClock) -> None:
    """Clients of Azure keep the clock and the ledger of the machine, whatever the endpoint might answer."""
    cloud = connect(name, clock=machine)
    assert cloud.clock is machine
    assert not cloud.emulator and cloud.state_folder is None
    with pytest.raises(ValueError, match="only an emulator on this machine"):
        emulator_time(cloud.connection, machine)


def test_half_an_emulator_is_none(emulator: Emulator, machine: VirtualClock) -> None:
    """A connection with one endpoint elsewhere, without https, or with a credential, is not one to an emulator."""
    whole, azure = connection_to(emulator), Connection()
    mixed = [
        replace(whole, arm_endpoint=azure.arm_endpoint),
        replace(whole, metrics_endpoint=azure.metrics_endpoint),
        replace(whole, logs_endpoint=azure.logs_endpoint),
        replace(whole, arm_endpoint="https://127.0.0.1.example.com:8443"),
        replace(whole, arm_endpoint="https://127.0.0.1:8443@management.azure.com"),
        replace(whole, arm_endpoint=emulator.endpoint.replace("https", "http")),
        replace(whole, token_credential=None),
        replace(azure, token_credential=whole.token_credential),
    ]
    assert whole.is_emulator
    for connection in mixed:
        assert not connection.is_emulator
        with pytest.raises(ValueError, match="only an emulator on this machine"):
            emulator_time(connection, machine)


def test_an_emulator_that_does_not_run_is_named(emulator: Emulator, machine: VirtualClock) -> None:
    """The message has the address, the reason, and what to check; so has one about a wrong certificate."""
    gone = replace(connection_to(emulator), **dict.fromkeys(ENDPOINTS, "https://127.0.0.1:9"))
    with pytest.raises(CloudError, match=r"emulator at https://127.0.0.1:9 cannot be reached \(Connection refused\)"):
        emulator_time(gone, machine)
    with pytest.raises(CloudError, match="check that 'backup-optimizer emulate' is running"):
        emulator_time(replace(connection_to(emulator), ca_file=None), machine)


ENDPOINTS = ("arm_endpoint", "metrics_endpoint", "logs_endpoint")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"now": "2026-03-02T09:00:00", "speed": 2, "instance": "0123456789abcdef0123456789abcdef"}',
        b'{"now": "2026-03-02T09:00:00+00:00", "speed": 0.5, "instance": "0123456789abcdef0123456789abcdef"}',
        b'{"now": "2026-03-02T09:00:00+00:00", "speed": 2, "instance": "../../elsewhere"}',
        b'{"now": "2026-03-02T09:00:00+00:00", "speed": 2, "instance": 7}',
    ],
)
def test_another_server_sets_no_clock(answer: bytes, machine: VirtualClock) -> None:
    """An answer without a zone, with a slow clock, or with an id that could be a path is refused."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        parse_time(answer, machine)
