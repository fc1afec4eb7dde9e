"""Fixtures for the tests of the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from optimizer.estate.folder import Estate
from tests.emulator.cloud import Cloud
from tests.emulator.known_load import serving_load, write_estate


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return the estate whose load is known."""
    return write_estate(tmp_path_factory.mktemp("truth") / "estate")


@pytest.fixture
def cloud(truth: Estate) -> Iterator[Cloud]:
    """Return that estate, served."""
    with serving_load(truth) as served:
        yield served
