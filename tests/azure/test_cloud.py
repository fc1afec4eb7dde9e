"""Choice of a cloud or of an emulator on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from optimizer.azure.cloud import CLOUDS, AzureCloud, connect
from optimizer.azure.reader import AzureBackupReader
from optimizer.azure.service import AzureBackupService
from optimizer.cli.connect import CLOUDS as OFFERED
from optimizer.emulator import Emulator
from optimizer.errors import UsageError
from optimizer.model.clock import FasterClock, VirtualClock
from tests.azure.clouds import cloud_document

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_every_cloud_has_endpoints_of_its_own() -> None:
    """The command line offers the clouds that exist, and no two clouds share an endpoint."""
    assert tuple(CLOUDS) == OFFERED
    connections = [connect(name).connection for name in CLOUDS]
    for endpoint in ("arm_endpoint", "metrics_endpoint", "logs_endpoint", "authority", "metrics_audience"):
        assert len({getattr(connection, endpoint) for connection in connections}) == len(CLOUDS)
    assert connect() == AzureCloud()


def test_an_emulator_takes_the_place_of_the_cloud() -> None:
    """All requests go to the emulator, whichever cloud is named, at the time of the emulator."""
    machine = VirtualClock(NOW)
    clock = FasterClock(NOW + timedelta(days=2), 60.0, machine)
    with Emulator.of_estate(cloud_document(1, subscriptions=1, vaults=1), clock=clock) as emulator:
        cloud = connect("china", emulator=f"{emulator.endpoint}/", ca_file=emulator.ca_file, clock=machine)
        assert cloud.connection.arm_endpoint == emulator.endpoint
        assert cloud.clock.now() == clock.now()
        assert cloud.emulator
        with cloud.reader() as reader:
            assert reader.list_policies(emulator.snapshot().vaults[0]["id"])


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1", "https://example.com", "https://127.0.0.1:1/path", "https://127.0.0.1.evil:1", "8443", ""],
)
def test_only_this_machine_is_an_emulator(address: str) -> None:
    """Another address could be anybody's; the message shows it and the form that is allowed."""
    with pytest.raises(UsageError, match=r"allowed: https://127\.0\.0\.1:PORT") as caught:
        connect(emulator=address)
    assert repr(address) in str(caught.value)


def test_an_unknown_cloud_is_refused() -> None:
    """The message lists the clouds."""
    with pytest.raises(UsageError, match=r"'moon'.*public, us-government, china"):
        connect("moon")


def test_a_reader_cannot_write() -> None:
    """Commands that only read get a client without any method that writes."""
    cloud = connect()
    assert type(cloud.reader()) is AzureBackupReader
    assert isinstance(cloud.service(), AzureBackupService)
    assert not any(hasattr(cloud.reader(), name) for name in ("put_policy", "put_item", "delete_policy"))
