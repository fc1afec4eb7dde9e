"""Plans in figures: the gap, and what the JSON leaves out."""

from __future__ import annotations

import pytest

from optimizer.documents import WeightedTotals
from optimizer.whatif.figures import CostTerms, Figures, Noticed, PlanFigures

COST = CostTerms(risk=1.0, overlap=2.0, vault_peak=0.5, working_hours=0.25, policy_writes=0.1, moves=0.05, total=3.9)
KEPT = Figures(
    vms=30, at_risk_per_month=1.25, overlaps_per_month=2.0, working_hours_starts=3.0, peak_concurrency=2, moved=4,
    policies_written=1, cost=COST,
)  # fmt: skip
PLAN = PlanFigures(**KEPT.model_dump(), bound=3.5, captured=0.9, reference="today", status="feasible")


@pytest.mark.parametrize(
    ("bound", "spreading", "gap"),
    [(3.5, 0.0, 0.4), (3.9, 0.0, 0.0), (3.5, 0.3, 0.1), (3.5, 0.5, 0.0), (4.0, 0.0, 0.0)],
    ids=["open", "closed", "beside spreading", "within spreading", "rounded"],
)
def test_the_gap_is_what_any_schedule_could_save(bound: float, spreading: float, gap: float) -> None:
    """Without what spreads services, and never below 0."""
    plan = PLAN.model_copy(update={"bound": bound, "spreading_costs": spreading})
    assert plan.gap == pytest.approx(gap)


def test_json_leaves_out_what_is_not_there() -> None:
    """Limits that the rules do not set, weights that nobody has, and costs of 0."""
    assert not {"weighted", "spreading_costs", "max_moves", "max_policy_writes", "budget_days"} & set(
        PLAN.model_dump()
    )
    full = PLAN.model_copy(
        update={
            "weighted": WeightedTotals(at_risk_per_month=1, overlaps_per_month=2),
            "spreading_costs": 0.1,
            "max_moves": 0,
            "max_policy_writes": 1,
            "budget_days": 2,
        }
    )
    assert set(full.model_dump()) == set(PlanFigures.model_fields)
    assert PlanFigures.model_validate(full.model_dump()) == full


def test_each_vm_is_noticed_once() -> None:
    """The total of those that must, gain and lose."""
    assert Noticed(must=1, gain=2, lose=4).total == 7
