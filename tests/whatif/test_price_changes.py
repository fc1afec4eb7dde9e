"""How much hangs on the prices, on estates whose answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.whatif.price_changes import sensitivity
from tests.prices import FIXED_PRICES
from tests.whatif.examples import planner_of, tiny_estate


def test_each_price_is_halved_and_doubled(tmp_path: Path) -> None:
    """A pair that stays for 0.11 against 0.12 parts where overlap is doubled or a policy or the move is cheaper."""
    rows = [(f"web-{n}", "web", "vault-a", "nightly", "23:00") for n in (1, 2)]
    rules = Rules(prices={**FIXED_PRICES, "snapshot_overlap": 0.1 / 6.9, "all_at_once": 0.0})
    answer = sensitivity(tiny_estate(tmp_path, rows), rules, planner=planner_of(5))
    assert answer.base.cost.total == pytest.approx(0.11)
    found = {(one.price, one.factor): one for one in answer.prices}
    parts = {key for key, one in found.items() if one.vms_changed}
    # A halved move leaves 0.11 either way: what costs the same stays as in the base plan.
    assert parts == {("snapshot_overlap", 2.0), ("policy_write", 0.5)}
    assert found["snapshot_overlap", 2.0].value == pytest.approx(0.2 / 6.9)
    assert found["snapshot_overlap", 2.0].kept.cost.total == pytest.approx(0.21)
    assert found["snapshot_overlap", 2.0].plan.cost.total == pytest.approx(0.12)
    assert found["policy_write", 0.5].plan.cost.total == pytest.approx(0.07)
    assert found["snapshot_overlap", 2.0].noticed.gain == 1
    assert found["policy_write", 0.5].noticed.gain == 1
    assert {one.most_changed > 0 for one in answer.vms if not one.same_at_all_prices} == {True}
    assert found["vault_peak", 2.0].plan.cost.total == pytest.approx(0.12)
    assert len(found) == 8
    # At 0.11 nothing is far enough from the best to be ruled out but moving both, which costs a policy and two moves.
    assert {one.verdict for one in answer.vms} <= {"fixed", "not decided"}
    assert [one.same_at_all_prices for one in answer.vms].count(True) <= 1


def test_a_price_of_nothing_has_no_half(tmp_path: Path) -> None:
    """Prices of 0 are left out, as twice nothing is nothing."""
    estate = tiny_estate(tmp_path, [("web-1", "web", "vault-a", "nightly", "23:00")])
    answer = sensitivity(
        estate,
        Rules(prices={**FIXED_PRICES, "move": 0.0, "snapshot_overlap": 0.0, "all_at_once": 0.0}),
        planner=planner_of(2),
    )
    assert {one.price for one in answer.prices} == {"vault_peak", "policy_write"}


def test_a_busy_vm_must_move_and_a_pinned_one_is_fixed(tmp_path: Path) -> None:
    """What is at risk every night leaves in every good schedule; what is pinned stays; the rest is not decided."""
    rows = [(f"vm-{n}", f"s{n}", "vault-a", "nightly", "23:00") for n in (1, 2, 3)]
    estate = tiny_estate(tmp_path, rows, {"vm-1": 97.0})
    answer = sensitivity(
        estate, Rules(rule=(Rule(name="stays", where={"name": "vm-2"}, pin=True),)), planner=planner_of(5)
    )
    busy, pinned, free = answer.vms
    assert busy.must_move
    assert busy.today not in busy.starts_possible
    assert busy.start in busy.starts_possible
    assert (pinned.verdict, pinned.starts_possible) == ("fixed", ("23:00",))
    assert not free.must_move
    assert answer.options_ruled_out > 0
    assert answer.good_cost == pytest.approx(1.01 * answer.base.cost.total, abs=1e-5)


@pytest.mark.thorough
def test_every_vm_and_every_price_is_answered(tmp_path: Path) -> None:
    """Every row is priced at its own price, no plan is dearer than the base plan kept, and the answer repeats."""
    rows = [(f"vm-{n}", f"s{n % 3}", f"vault-{'ab'[n % 2]}", "nightly", "23:00") for n in range(9)]
    estate = tiny_estate(tmp_path, rows, {"vm-1": 97.0, "vm-4": 97.0})
    answer = sensitivity(estate, planner=planner_of(1))
    assert answer == sensitivity(estate, planner=planner_of(1))
    assert [one.vm for one in answer.vms] == [row[0] for row in rows]
    assert len(answer.prices) == 12
    for one in answer.prices:
        assert one.plan.cost.total <= one.kept.cost.total + 1e-6
        assert one.plan.bound <= one.plan.cost.total + 1e-6
    assert answer.base.bound <= answer.good_cost
