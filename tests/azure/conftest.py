"""The scripted server that tests of the adapter share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.azure.service import AzureBackupService
from tests.azure.wire import Wire, make_certificate, serve


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Key and certificate of the server."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def wire(certificate: tuple[Path, Path]) -> Iterator[Wire]:
    """A server without a script."""
    with serve(*certificate) as server:
        yield server


@pytest.fixture
def service(wire: Wire) -> Iterator[AzureBackupService]:
    """The adapter, connected to the server, that does not really wait."""
    with AzureBackupService(wire.connection) as opened:
        yield opened
