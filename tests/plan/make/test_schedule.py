"""The entries of a schedule."""

from __future__ import annotations

import pytest

from optimizer.plan.make.schedule import schedule_of
from tests.plan.three_vms import DB, WEB_1, the_case


def test_an_entry_has_the_start_of_today_and_of_the_plan() -> None:
    """Starts are HH:MM of the policy's zone, with the risk at each, and the policy after the changes."""
    options = the_case().problem.instance.today.copy()
    options[WEB_1] = 4
    entries = schedule_of(the_case(), options, ["a", "b", "c"])
    entry = entries[WEB_1]
    assert (entry.start_today, entry.start, entry.start_utc, entry.policy_today, entry.policy) == (
        "23:00", "02:00", "02:00", "nightly", "b",
    )  # fmt: skip
    assert (entry.risk_today, entry.risk) == pytest.approx((15.0, 3.0))
    assert entry.vault == "vault-a"
    assert entry.reason.startswith("moves: at-risk backups 15.00 -> 3.00 per 30 days")
    assert entries[DB].reason.startswith("stays: ")
    assert (entries[DB].frequency, entries[DB].days, entries[DB].weight) == ("Daily", (), 1.0)
