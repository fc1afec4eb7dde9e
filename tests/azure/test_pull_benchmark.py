"""The benchmark of pull runs, and its second pull asks only for the new day."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.thorough
def test_small_benchmark(root: Path) -> None:
    """200 VMs and 3 days: as many requests as batches, and a third of them for the day that is added."""
    command = [sys.executable, "tests/benchmarks/pull.py", "--vms", "200", "--days", "3"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    first, second = figures["first"], figures["second"]
    assert first["complete"] and second["complete"]
    assert (first["vms"], first["vaults"], first["days"], second["days"]) == (200, 12, 3, 1)
    assert first["requests"]["metrics"] == 3 * 12 and second["requests"]["metrics"] == 12
    assert first["points"] == 200 * 3 * 288 * 2 and second["points"] == 200 * 288 * 2
    assert first["peak_memory_mb"] < 1000
