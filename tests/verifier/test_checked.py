"""What the verifier works out about single VMs from the states that it is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from optimizer.model.rules import Prices, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.verifier.checked import option_of
from tests.plan.three_vms import DB, WEB_1
from tests.verifier.three_vms_checked import checked


def test_options_are_half_hours_after_midnight() -> None:
    """Every half hour of the day has its number."""
    assert [option_of(f"{n // 2:02d}:{'30' if n % 2 else '00'}") for n in range(48)] == list(range(48))
    assert checked(db="01:30").options[DB] == 3


def test_a_vm_moves_if_its_start_changes() -> None:
    """The start of today is that of the policy before."""
    found = checked(web_1="02:00")
    assert found.today == [46, 46, 46]
    assert [found.moves(row) for row in range(3)] == [False, True, False]


def test_an_increase_of_risk_counts_whole_and_a_decrease_as_far_as_it_is_credited() -> None:
    """A gain of 12 of which half is credited is one of 6."""
    found = replace(checked(web_1="02:00"), credit=np.full(3, 0.5))
    assert found.counted_risk(WEB_1) == 15.0 - 0.5 * 12.0
    riskier = replace(found, risk=np.where(np.arange(48) == 4, 20.0, found.risk))
    assert riskier.counted_risk(WEB_1) == 20.0


def test_another_move_of_a_vm_moved_lately_costs_more() -> None:
    """Only while the move is recent, and never less than a first move."""
    rules = Rules(prices=Prices(move=0.5, move_recent=3, recent_days=30))
    found = checked(rules)
    vm = found.before.items[DB].vm_id
    assert found.move_price(DB) == 0.5
    assert replace(found, moved_on={vm: date(2026, 2, 1)}).move_price(DB) == 3
    assert replace(found, moved_on={vm: date(2025, 2, 1)}).move_price(DB) == 0.5


def test_pinned_vms_must_stay() -> None:
    """The rule applies to the database only."""
    found = checked(Rules(rule=(Rule(name="pin", pin=True, where=Selector(name="db-*")),)))
    assert [found.must_stay(row) for row in range(3)] == [True, False, False]
