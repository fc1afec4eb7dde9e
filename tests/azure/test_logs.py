"""Numbers of Log Analytics, as its client gives them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from optimizer.azure.logs import Workspaces
from optimizer.intake.pull.pull_source import LoadTarget
from tests.azure.wire import SUBSCRIPTION, VM, Answer, Wire

WORKSPACE = "00000000-0000-4000-8000-00000000000a"
DAY = date(2026, 2, 28)
COLUMNS = {"ResourceId": "string", "Metric": "string", "Bin": "datetime", "Average": "real", "Maximum": "real"}


@pytest.fixture
def workspaces(wire: Wire) -> Iterator[Workspaces]:
    """Return the reader of a workspace, connected to the server."""
    with wire.connection.logs() as client:
        yield Workspaces(client, [WORKSPACE], maxima=True)


@pytest.mark.parametrize(
    ("told", "expected"),
    [(50.5, 50.5), (0, 0.0), (120, 100.0), (-3.0, 0.0), (None, None), ("NaN", None), ("Infinity", None), ("x", None)],
)
def test_what_is_no_number_is_no_load(wire: Wire, workspaces: Workspaces, told: Any, expected: float | None) -> None:
    """A size of zero makes NaN or Infinity of a share of memory: unknown, and not an idle VM."""
    rows = [[VM, "cpu", "2026-02-28T10:00:00Z", told, told]]
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
    wire.on("POST", ".*/query", Answer(200, {"tables": [{"name": "T", "columns": columns, "rows": rows}]}))
    start, end = datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    target = LoadTarget(VM, SUBSCRIPTION, "westeurope", "Standard_D2s_v5", start)
    (chunk,) = workspaces.read_day([target], DAY, end)
    for metric in ("cpu_percent", "cpu_max"):
        found = chunk.values[metric][0, 120]
        assert (None if np.isnan(found) else float(found)) == expected
    assert not chunk.failed
