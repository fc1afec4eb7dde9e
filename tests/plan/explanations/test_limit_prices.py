"""Limits that bind, with what one more of each would save."""

from __future__ import annotations

import pytest

from optimizer.model.rules import Rules
from optimizer.plan.explanations.limit_prices import limit_prices
from tests.plan.three_vms import the_case


def test_one_more_move_is_worth_what_web_1_would_gain() -> None:
    """With no move allowed, ``max_moves`` binds; one more avoids 15 at-risk backups and the overlaps."""
    case = the_case().changed(rules=Rules(max_moves=0))
    (entry,) = [price for price in limit_prices(case, case.problem.instance.today, 0) if price.name == "max_moves"]
    assert (entry.was, entry.to, entry.vault) == (0, 1, None)
    assert entry.at_risk_change == pytest.approx(-15.0)
    assert entry.saves > 15


def test_a_plan_without_a_limit_that_binds_has_none() -> None:
    """The default rules leave room for every move."""
    assert limit_prices(the_case(), the_case().problem.instance.today, 0) == ()
