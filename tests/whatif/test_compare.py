"""Schedules compared: figures, what a change of start costs a VM, and what a schedule breaks."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.documents import PlanDocument
from optimizer.model.arrays import IntArray
from optimizer.model.rules import PolicyLimits, Prices, Rule, Rules
from optimizer.plan import Case, Planned
from optimizer.solve import Solved
from optimizer.whatif.compare import (
    TINY,
    broken_by,
    cost_changes,
    noticed,
    schedule_figures,
    start_changes,
    worth_a_move,
)
from tests.prices import FIXED_PRICES, fixed_prices
from tests.whatif.small import case_of, estate_of, three_vms

ESTATE = three_vms()
AT_23, AT_02, AT_10 = 46, 4, 20
DB, WEB_1, WEB_2 = 0, 1, 2
"""Rows of the VMs: items are sorted by id."""

RISKY = {"web-1": {"23:00": 0.5, "10:00": 0.1}}
"""At 23:00 every second backup of web-1 is at risk, at 10:00 every tenth: 15 and 3 in 30 days."""


def starts(db: int = AT_23, web_1: int = AT_23, web_2: int = AT_23) -> IntArray:
    """Return a schedule."""
    return np.array([db, web_1, web_2], dtype=np.int64)


def priced(rules: Rules | None = None) -> Case:
    """Return the case of the three VMs at prices that the figures here are worked out with."""
    return case_of(ESTATE, rules or Rules(prices=fixed_prices()), RISKY)


def planned(case: Case, options: IntArray) -> Planned:
    """Return a plan of which only the schedule matters."""
    return Planned(ESTATE, case, cast("Solved", None), cast("PlanDocument", None), options)


CASE = priced()


def test_figures_of_todays_schedule() -> None:
    """15 at-risk backups; the two VMs of the shop overlap 6.9 times, which costs 0.1, and 1 for all at once."""
    figures = schedule_figures(CASE, starts())
    assert (figures.vms, figures.at_risk_per_month, figures.moved, figures.policies_written) == (3, 15.0, 0, 0)
    assert figures.overlaps_per_month == pytest.approx(6.9)
    assert figures.peak_concurrency == 2
    assert figures.weighted is None
    assert figures.cost.overlap == pytest.approx(1.0)
    # Vault A has two starts a day at one half hour, one more than its fair share.
    assert figures.cost.vault_peak == 0.01
    assert figures.cost.total == pytest.approx(15 + 1 + 0.01)


def test_figures_of_another_schedule() -> None:
    """A move of one of the two VMs takes a policy and a move, and ends the overlap and the peak."""
    figures = schedule_figures(CASE, starts(web_1=AT_10))
    assert (figures.at_risk_per_month, figures.moved, figures.policies_written) == (pytest.approx(3), 1, 1)
    assert (figures.overlaps_per_month, figures.peak_concurrency) == (0.0, 1)
    assert (figures.cost.overlap, figures.cost.vault_peak) == (0.0, 0.0)
    assert (figures.cost.policy_writes, figures.cost.moves) == (pytest.approx(0.1), pytest.approx(0.02))
    cost = figures.cost
    terms = (cost.risk, cost.overlap, cost.vault_peak, cost.working_hours, cost.policy_writes, cost.moves)
    assert sum(terms) == pytest.approx(cost.total)


def test_figures_do_not_ask_whether_a_schedule_is_allowed() -> None:
    """A schedule that breaks a rule has figures like any other."""
    pinned = priced(Rules(prices=fixed_prices(), rule=(Rule(name="stay", pin=True),)))
    free = schedule_figures(CASE, starts(web_1=AT_10))
    assert schedule_figures(pinned, starts(web_1=AT_10)).overlaps_per_month == free.overlaps_per_month


def test_weights_are_counted_beside_plain_figures() -> None:
    """A VM that counts twice has twice the at-risk backups in the weighted figure only."""
    heavy = priced(Rules(prices=fixed_prices(), rule=(Rule(name="web", where={"name": "web-1"}, weight=2),)))
    figures = schedule_figures(heavy, starts())
    assert figures.at_risk_per_month == 15.0
    assert figures.weighted is not None
    assert figures.weighted.at_risk_per_month == 30.0
    # A pair counts with the smaller of its weights.
    assert figures.weighted.overlaps_per_month == pytest.approx(6.9)


def test_figures_are_rounded_and_never_minus_zero() -> None:
    """Six decimals, so that an answer repeats on every machine."""
    dump = schedule_figures(CASE, starts(web_1=AT_02)).cost.model_dump()
    assert all(value == round(value, 6) for value in dump.values())
    assert not any(str(value).startswith("-0") for value in dump.values())


def test_what_is_worth_a_move() -> None:
    """The price of a move; where moves are free, the default price."""
    assert worth_a_move(Rules(prices={"move": 0.3})) == 0.3
    assert worth_a_move(Rules(prices={"move": 0.0})) == Prices().move > 0


def test_costs_of_a_change_go_to_the_vms_that_share_them() -> None:
    """web-1 leaves: web-2 gains its half of the overlap and of the peak, and db-1 has nothing to do with it."""
    changes = cost_changes(CASE, starts(), starts(web_1=AT_02))
    assert changes[DB] == 0.0
    assert changes[WEB_2] == pytest.approx(-0.505)
    assert changes[WEB_1] < -0.5


@given(st.lists(st.integers(0, 47), min_size=6, max_size=6))
def test_costs_of_changes_add_up(options: list[int]) -> None:
    """Over all VMs, the changes are the change of the cost without policy writes and moves."""
    kept, other = starts(*options[:3]), starts(*options[3:])
    before, after = CASE.problem.cost(kept), CASE.problem.cost(other)
    shared = [cost.total - cost.policy_writes - cost.moves for cost in (before, after)]
    assert cost_changes(CASE, kept, other).sum() == pytest.approx(shared[1] - shared[0], abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ([], (0, 0, 0)),
        ([(-0.02, False), (0.02, False), (0.01, False), (-0.01, False)], (0, 1, 1)),
        ([(-5.0, True), (5.0, True), (0.0, True)], (3, 0, 0)),
        ([(-0.02 + TINY / 2, False), (0.02 - TINY / 2, False)], (0, 1, 1)),
        ([(-0.02 + 1e-6, False), (0.02 - 1e-6, False)], (0, 0, 0)),
    ],
    ids=["none", "at the price of a move", "that must", "rounded", "less"],
)
def test_a_change_is_noticed_from_the_price_of_a_move(
    changes: list[tuple[float, bool]], counts: tuple[int, int, int]
) -> None:
    """Each VM counts once: those that must, those that gain, those that lose; rounding decides nothing."""
    found = noticed(iter(changes), 0.02)
    assert (found.must, found.gain, found.lose) == counts
    assert found.total == sum(counts)


def test_start_changes_name_both_starts() -> None:
    """Only VMs that start elsewhere, with their start today, in the base plan and in the scenario."""
    base, other = starts(web_1=AT_02), starts(web_1=AT_10)
    (change,) = start_changes(planned(CASE, base), planned(CASE, other), base)
    assert change.vm.endswith("/web-1")
    assert (change.service, change.today, change.base, change.scenario) == ("shop", "23:00", "02:00", "10:00")
    assert change.cost_change == pytest.approx(float(cost_changes(CASE, base, other)[WEB_1]), abs=1e-6)
    assert not change.must


def test_changes_that_matter_come_first() -> None:
    """The largest first; a change for which no VM would be moved comes after those that must, whatever its size."""
    nights = Rule(name="db", where={"service": "db"}, allow=({"from": "01:00", "to": "05:00"},))
    pinned = priced(Rules(prices=fixed_prices(), rule=(nights,)))
    base, other = starts(), starts(AT_02, AT_10, AT_02)
    changes = start_changes(planned(CASE, base), planned(pinned, other), base)
    assert [change.vm.rpartition("/")[2] for change in changes] == ["web-1", "web-2", "db-1"]
    assert [change.must for change in changes] == [False, False, True]
    assert [abs(change.cost_change) for change in changes] == sorted(
        (abs(change.cost_change) for change in changes), reverse=True
    )


def test_new_vms_have_no_change_of_start() -> None:
    """A VM that the base plan does not have is reported as new, not as changed."""
    document = ESTATE.document
    fewer = estate_of(document.policies, document.protected_items[1:], vms=document.vms[1:])
    base = Planned(fewer, case_of(fewer), cast("Solved", None), cast("PlanDocument", None), starts()[1:])
    changes = start_changes(base, planned(CASE, starts(AT_10, AT_10, AT_23)), starts())
    assert [change.vm.rpartition("/")[2] for change in changes] == ["db-1"]


LIMITED = Rules(
    prices=FIXED_PRICES,
    max_moves=1,
    max_policy_writes=1,
    rule=(
        Rule(name="stay", where={"name": "db-1"}, pin=True),
        Rule(name="one at a time", where={"service": "shop"}, max_concurrent=1),
        Rule(name="apart", separate=({"name": "web-2"}, {"name": "db-1"})),
        Rule(name="nights", where={"name": "web-2"}, allow=({"from": "20:00", "to": "06:00"},)),
    ),
    policies=PolicyLimits(max_policies_per_vault=1),
)


@pytest.mark.parametrize(
    ("options", "broken"),
    [
        (starts(web_2=AT_02), {"the limit of policies of vault 'vault-a'"}),
        (starts(), {"'one at a time'", "rule 'apart'"}),
        (
            starts(db=AT_02),
            {"\"pinned by rule 'stay'\" for 1 VM", "'one at a time'"},
        ),
        (starts(web_2=AT_10), {"'nights' for 1 VM", "the limit of policies of vault 'vault-a'"}),
        (starts(web_1=AT_02, web_2=AT_10), {"max_moves", "'nights' for 1 VM"}),
    ],
    ids=["vault", "rules", "pin", "window", "moves"],
)
def test_what_a_schedule_breaks_is_named(options: IntArray, broken: set[str]) -> None:
    """Rules by name, with the number of VMs; settings by key; vaults by name."""
    words = broken_by(priced(LIMITED), options)
    assert len(set(words)) == len(words)
    for expected in broken:
        assert any(expected in text for text in words), words


def test_a_schedule_that_keeps_everything_breaks_nothing() -> None:
    """Without rules, today's schedule keeps all limits."""
    assert broken_by(CASE, starts()) == ()
