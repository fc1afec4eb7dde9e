"""Answers to what-if questions as data frames, and as they show themselves in a notebook."""

from __future__ import annotations

import polars as pl
import pytest

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.whatif.answer import what_if
from optimizer.whatif.document import PriceAnswer, Sensitivity, WhatIf
from optimizer.whatif.price_changes import sensitivity
from optimizer.whatif.scenario import Scenario
from tests.whatif.examples import planner_of, tiny_estate

ROWS = [("web-1", "web", "vault-a", "nightly", "23:00"), ("web-2", "web", "vault-a", "nightly", "23:00")]


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> WhatIf:
    """Ask for a higher price, and for nights without backups that a rule wants at night."""
    estate = tiny_estate(tmp_path_factory.mktemp("what-if"), ROWS)
    rules = Rules(rule=(Rule(name="at <night>", allow=(Window(start=20 * 60, end=6 * 60),)),))
    scenarios = [
        Scenario.parse("prices.snapshot_overlap=0.5", name="higher price"),
        Scenario.parse("forbid=2026-02-24..2026-03-02 20:00-06:00", name="no nights"),
    ]
    return what_if(estate, scenarios, rules, planner=planner_of(2))


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    """Ask for the sensitivity of two VMs."""
    return sensitivity(tiny_estate(tmp_path_factory.mktemp("prices"), ROWS), planner=planner_of(2))


def test_scenarios_are_a_data_frame(answer: WhatIf) -> None:
    """The base plan comes first; a scenario without a schedule only has figures of the base plan."""
    frame = answer.scenarios_frame()
    assert frame["scenario"].to_list() == ["base plan", "higher price", "no nights"]
    first, higher, none = answer.base, answer.scenarios[0].plan, answer.scenarios[1]
    assert higher is not None
    assert none.plan is None
    assert frame["cost"].to_list() == [first.cost.total, higher.cost.total, None]
    assert frame["status"].to_list() == [first.status, higher.status, None]
    assert frame["base_plan_costs"].to_list() == [None, *(one.kept.cost.total for one in answer.scenarios)]
    assert frame["base_plan_breaks"].to_list() == [None, 0, len(none.broken)]
    assert frame["optimum_change_low"].to_list()[2] is None
    assert frame["starts_changed"].to_list() == [None, len(answer.scenarios[0].start_changes), 0]
    assert frame.schema["at_risk_per_month"] == pl.Float64()


def test_start_changes_are_a_data_frame(answer: WhatIf) -> None:
    """One row per VM that starts elsewhere."""
    for one in answer.scenarios:
        assert one.start_changes_frame()["vm"].to_list() == [change.vm for change in one.start_changes]


def test_what_if_shows_itself(answer: WhatIf) -> None:
    """A row for the base plan and each scenario, why there is no schedule, and notes; names are text."""
    shown = answer._repr_html_()
    assert "2 scenarios, figures per 30 days" in shown
    assert shown.count("<tr>") == 4
    assert "no nights: no schedule. " in shown
    assert "at &lt;night&gt;" in shown
    assert "<night>" not in shown


def test_prices_and_vms_are_data_frames(prices: Sensitivity) -> None:
    """One row per price and factor, and one per VM."""
    frame = prices.prices_frame()
    assert frame.height == len(prices.prices)

    def figures(one: PriceAnswer) -> tuple[object, ...]:
        return one.price, one.factor, one.value, one.plan.cost.total, one.kept.cost.total, one.noticed.total

    columns = frame.select("price", "factor", "value", "cost", "base_plan_costs", "changes_that_matter")
    assert columns.rows() == [figures(one) for one in prices.prices]
    assert prices.vms_frame()["vm"].to_list() == [one.vm for one in prices.vms]
    assert prices.vms_frame().schema["starts_possible"] == pl.List(pl.String())


def test_sensitivity_shows_itself(prices: Sensitivity) -> None:
    """A sentence on what is the same in every good schedule, and a row per price."""
    shown = prices._repr_html_()
    assert "2 VMs at other prices, figures per 30 days" in shown
    assert "within 1.0% of the optimum" in shown
    assert shown.count("<tr>") == 1 + len(prices.prices)
