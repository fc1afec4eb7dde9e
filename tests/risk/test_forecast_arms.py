"""The comparison of forecast arms, on a fleet whose answer is known."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.forecast_arms import ARMS, Split, Trace, calibrate, compare, find_clusters, lowest

FIRST = date(2026, 3, 2)
EVENING = 46


def make_trace() -> Trace:
    """Six weeks of four VMs: two hot together 21:00 to 02:00, one hot 06:00 to 12:00, one never; some noise."""
    rng = np.random.default_rng(0)
    cpu = rng.uniform(10, 60, (4, 42, 288)).astype(np.float32)
    cpu[:2, :, 252:] = 97
    cpu[:2, :, :24] = 97
    cpu[2, :, 72:144] = 97
    cpu = cpu.reshape(4, -1)
    return Trace(("a", "b", "c", "d"), FIRST, cpu, np.full_like(cpu, np.nan))


@pytest.fixture(scope="module")
def split() -> Split:
    """Four weeks of history and two of test; everybody runs at 23:00."""
    trace = make_trace()
    middle, end = FIRST + timedelta(days=28), FIRST + timedelta(days=42)
    return Split(trace.between(FIRST, middle), trace.between(middle, end), np.full(4, EVENING), seed=0)


def test_figures_of_a_fleet_by_hand(split: Split) -> None:
    """At 23:00 two VMs are always at risk; ours moves them, closes all of the regret and harms nobody."""
    figures = compare(split, ARMS, find_clusters(make_trace()), draws=200)
    assert figures["everybody at 23:00"]["at_risk_per_month"] == pytest.approx(60, abs=0.5)
    assert figures["oracle"]["at_risk_per_month"] == 0
    assert figures["ours"]["regret_closed"] == pytest.approx(1)
    assert figures["ours"]["vms_helped"] == 2
    assert figures["ours"]["vms_harmed"] == 0
    assert figures["oracle"]["moves"] == 2
    assert figures["everybody at 23:00"]["regret_closed"] == 0
    assert figures["oracle"]["regret_closed_without_largest_cluster"] is None


def test_ours_moves_nobody_whose_gain_is_not_credited() -> None:
    """In a fleet whose busy hours are drawn anew every day the model sees gains, and ours believes none of them."""
    rng = np.random.default_rng(3)
    hot_bins = (rng.integers(0, 288, (8, 42, 1)) + np.arange(60)) % 288
    cpu = np.full((8, 42, 288), 20, dtype=np.float32)
    np.put_along_axis(cpu, hot_bins, 97, axis=2)
    trace = Trace(tuple("abcdefgh"), FIRST, cpu.reshape(8, -1), np.full((8, 42 * 288), np.nan, dtype=np.float32))
    middle, end = FIRST + timedelta(days=28), FIRST + timedelta(days=42)
    split = Split(trace.between(FIRST, middle), trace.between(middle, end), np.full(8, EVENING), seed=0)
    figures = compare(split, ARMS, draws=20)
    assert figures["ours, without the credit"]["moves"] >= 6
    assert figures["ours"]["moves"] == figures["ours, moves at their price"]["moves"] == 0


def test_further_arms_can_be_compared(split: Split) -> None:
    """An arm is a function; one that runs everybody at 08:00 harms the VM that is busy then."""
    figures = compare(split, {"08:00": lambda split: np.full(len(split.today), 16)})["08:00"]
    assert figures["at_risk_per_month"] == pytest.approx(30, abs=0.5)
    assert figures["regret_closed"] == pytest.approx(0.5, abs=0.01)
    assert (figures["vms_helped"], figures["vms_harmed"], figures["moves"]) == (2, 1, 4)


def test_vms_that_move_together_are_one_cluster() -> None:
    """The two evening VMs share a cluster; the others are alone."""
    cluster = find_clusters(make_trace())
    assert cluster[0] == cluster[1]
    assert len(set(cluster.tolist())) == 3


def test_an_option_as_low_as_todays_moves_nobody() -> None:
    """A VM moves for a strictly lower cost only, and never to an unknown option."""
    cost = np.array([[1.0, 0.0, 0.0], [np.nan, 2.0, 3.0]])
    assert lowest(cost, np.array([2, 2])).tolist() == [2, 1]


def test_calibration_covers_every_known_cell(split: Split) -> None:
    """The groups cover all VMs and options; what is predicted never is never, and the highest is nearly always."""
    groups = calibrate(split)
    assert sum(group["cells"] for group in groups) == 4 * 48
    assert groups[-1]["predicted"] > 0.6
    assert groups[-1]["realized"] > 0.9
    assert groups[0] == {"cells": groups[0]["cells"], "predicted": 0, "realized": 0}


@pytest.mark.thorough
def test_the_command_writes_json(tmp_path: Path, root: Path) -> None:
    """The command reads a long table, compares on the given split and writes what it printed."""
    trace = make_trace()
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    num_bins = trace.cpu.shape[1]
    times = pl.datetime_range(start, start + timedelta(minutes=5 * (num_bins - 1)), "5m", eager=True)
    frames = [
        pl.DataFrame({"vm": vm, "ts": times, "cpu_percent": cpu}).with_columns(
            mem_percent=pl.lit(None, dtype=pl.Float32)
        )
        for vm, cpu in zip(trace.vm_ids, trace.cpu, strict=True)
    ]
    pl.concat(frames).write_parquet(tmp_path / "trace.parquet")
    command = [sys.executable, "tests/benchmarks/forecast_arms.py", "--trace", str(tmp_path / "trace.parquet")]
    options = ["--train-until", "2026-03-30", "--draws", "20", "--out", str(tmp_path / "out.json")]
    done = subprocess.run([*command, *options], cwd=root, capture_output=True, text=True, check=True)
    assert "ours" in done.stdout
    results = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert results["cluster_sizes"] == [2, 1, 1]
    assert results["splits"][0]["arms"]["oracle"]["moves"] == 2
