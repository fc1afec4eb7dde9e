"""Serve an estate as if it were Azure, from Python."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import optimizer
from optimizer.demo.generate import DEMO_AS_OF
from optimizer.model.clock import VirtualClock
from tests.azure.clouds import subscriptions_of


def test_an_old_estate_has_a_recent_history(truth: optimizer.Estate, tmp_path: Path) -> None:
    """A year later, load and jobs end within the last week, at the speed that was asked for, and can be pulled."""
    before = truth.document.fingerprint()
    machine = VirtualClock(DEMO_AS_OF + timedelta(days=366))
    with optimizer.emulate_estate(truth, speed=60.0, clock=machine) as emulator:
        azure = optimizer.connect(emulator=emulator.endpoint, ca_file=emulator.ca_file, clock=machine)
        began, began_there = machine.now(), azure.clock.now()
        azure.clock.sleep(3600)
        assert machine.now() - began == timedelta(minutes=1)
        assert azure.clock.now() - began_there == timedelta(hours=1)
        scope = optimizer.PullScope(subscriptions=subscriptions_of(truth.document))
        report = optimizer.pull_estate(scope, tmp_path / "estate", azure, optimizer.PullOptions(days=14, job_days=14))
        assert report.complete
    pulled = optimizer.open_estate(tmp_path / "estate")
    last = pulled.jobs()["start"].max()
    assert pulled.as_of - timedelta(days=8) < last <= pulled.as_of  # type: ignore[operator]  # polars: any value
    assert pulled.load.dates()[-1] >= pulled.as_of.date() - timedelta(days=8)
    assert truth.document.fingerprint() == before


def test_time_does_not_pass_slower(truth: optimizer.Estate) -> None:
    """A speed below 1 is a mistake of the caller."""
    with pytest.raises(ValueError, match="1 or more"):
        optimizer.emulate_estate(truth, speed=0.5)
