"""Answers to what-if questions as data frames, and as they show themselves in a notebook."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from pydantic import ValidationError

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.whatif.answer import what_if
from optimizer.whatif.document import Range, ScenarioAnswer, WhatIf
from optimizer.whatif.figures import CostTerms, Figures, Noticed, PlanFigures
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


COST = CostTerms(risk=1.0, overlap=2.0, vault_peak=0.5, working_hours=0.25, policy_writes=0.1, moves=0.05, total=3.9)
KEPT = Figures(
    vms=30, at_risk_per_month=1.25, overlaps_per_month=2.0, working_hours_starts=3.0, peak_concurrency=2, moved=4,
    policies_written=1, cost=COST,
)  # fmt: skip
PLAN = PlanFigures(**KEPT.model_dump(), bound=3.5, captured=0.9, reference="today", status="feasible")


def scenario(**changes: object) -> ScenarioAnswer:
    """Return the answer to a scenario."""
    answered = ScenarioAnswer(
        name="cheap moves", changes=(), notes=(), policies_made=0, vms_rehomed=0, plan=PLAN, kept=KEPT,
        broken=("max_moves",), no_schedule=None, optimum_change=Range(low=-1.4, high=-0.6), start_changes=(),
        noticed=Noticed(must=1, gain=2, lose=3), new_vms=(),
    )  # fmt: skip
    return answered.model_copy(update=changes)


def test_the_effect_of_a_scenario_is_a_row() -> None:
    """Number of broken limits, cost of the base plan, the proven range, and both counts of changed starts."""
    assert scenario().compared() == {
        "scenario": "cheap moves", "base_plan_breaks": 1, "base_plan_costs": 3.9, "optimum_change_low": -1.4,
        "optimum_change_high": -0.6, "starts_changed": 0, "changes_that_matter": 6,
    }  # fmt: skip


def test_without_a_plan_the_range_is_missing() -> None:
    """Null, not 0: nothing is proven."""
    row = scenario(plan=None, optimum_change=None, no_schedule="two rules cannot hold").compared()
    assert row["optimum_change_low"] is row["optimum_change_high"] is None
    assert row["base_plan_costs"] == 3.9


def test_a_scenario_without_a_plan_still_has_a_row_in_a_notebook() -> None:
    """Its name, and what the base plan costs; the other figures are missing."""
    lost = scenario(plan=None, optimum_change=None, no_schedule="two rules cannot hold")
    assert lost.row() == ("cheap moves", None, None, None, None, None, None, 3.9, None)
    assert scenario().row() == ("cheap moves", 30, 1.25, 2.0, 4, 1, 3.9, 3.9, 0)
    assert lost.without_schedule == "cheap moves: no schedule. two rules cannot hold"


def test_notes_name_their_scenario() -> None:
    """A notebook shows the notes of all scenarios below the table."""
    shown = WhatIf(
        as_of=datetime(2026, 2, 1, tzinfo=UTC), base=PLAN, worth_a_move=0.02, scenarios=(scenario(notes=("a note",)),)
    )._repr_html_()
    assert "1 scenario, figures per 30 days" in shown
    assert "cheap moves: a note" in shown


def test_answers_are_read_as_they_are_written() -> None:
    """A script that reads the JSON gets the same answer; a key that it does not know is an error."""
    written = WhatIf(as_of=datetime(2026, 2, 1, tzinfo=UTC), base=PLAN, worth_a_move=0.02, scenarios=(scenario(),))
    text = written.model_dump_json()
    assert WhatIf.model_validate_json(text) == written
    with pytest.raises(ValidationError):
        WhatIf.model_validate_json(text.replace('"worth_a_move"', '"worth_more"'))
