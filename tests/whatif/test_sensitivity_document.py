"""How much a plan depends on the prices: as data frames, and in a notebook."""

from __future__ import annotations

import polars as pl
import pytest

from optimizer.whatif.price_changes import sensitivity
from optimizer.whatif.sensitivity_document import PriceAnswer, Sensitivity
from tests.whatif.examples import planner_of, tiny_estate

ROWS = [("web-1", "web", "vault-a", "nightly", "23:00"), ("web-2", "web", "vault-a", "nightly", "23:00")]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    """Ask for the sensitivity of two VMs."""
    return sensitivity(tiny_estate(tmp_path_factory.mktemp("prices"), ROWS), planner=planner_of(2))


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


def test_a_row_is_the_plan_at_a_price(prices: Sensitivity) -> None:
    """The plan's figures, what the base plan costs there, and both counts of changed starts."""
    answer = prices.prices[0]
    row = answer.row()
    assert (row["price"], row["factor"], row["value"]) == (answer.price, answer.factor, answer.value)
    assert (row["cost"], row["base_plan_costs"]) == (answer.plan.cost.total, answer.kept.cost.total)
    assert (row["vms_changed"], row["changes_that_matter"]) == (answer.vms_changed, answer.noticed.total)
    assert list(row) == prices.prices_frame().columns


def test_answers_are_read_as_they_are_written(prices: Sensitivity) -> None:
    """A script that reads the JSON gets the same answer."""
    assert Sensitivity.model_validate_json(prices.model_dump_json()) == prices


def test_nothing_allowed_is_nothing_ruled_out(prices: Sensitivity) -> None:
    """An estate without any allowed start shows a share of 0, not an error."""
    none = prices.model_copy(update={"options_allowed": 0, "options_ruled_out": 0})
    assert "0.0% of the starts are ruled out" in none._repr_html_()


def test_the_sentence_counts_the_vms_that_are_decided(prices: Sensitivity) -> None:
    """One of the two VMs has the same start in every good schedule."""
    verdicts = ("fixed", "not decided")
    vms = tuple(vm.model_copy(update={"verdict": verdict}) for vm, verdict in zip(prices.vms, verdicts, strict=True))
    assert "1 VM has the same start" in prices.model_copy(update={"vms": vms})._repr_html_()
    none = tuple(vm.model_copy(update={"verdict": "not decided"}) for vm in vms)
    assert "0 VMs have the same start" in prices.model_copy(update={"vms": none})._repr_html_()
