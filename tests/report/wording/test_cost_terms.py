"""Terms of the cost, as tables name them."""

from __future__ import annotations

from optimizer.report.wording.cost_terms import COST_TERMS
from optimizer.whatif import Figures
from optimizer.whatif.figures import CostTerms

FIGURES = Figures(
    vms=1,
    at_risk_per_month=0,
    overlaps_per_month=0,
    working_hours_starts=0,
    peak_concurrency=0,
    moved=0,
    policies_written=0,
    cost=CostTerms(risk=1, overlap=2, vault_peak=4, working_hours=8, policy_writes=16, moves=32, total=63),
)


def test_the_terms_are_the_whole_cost() -> None:
    """Every term has its own value, and together they are the total."""
    assert {term.name: term.value(FIGURES) for term in COST_TERMS} == {
        "risk": 1, "overlaps": 2, "vault peak": 4, "working hours": 8, "policy writes": 16, "moves": 32,
    }  # fmt: skip
    assert sum(term.value(FIGURES) for term in COST_TERMS) == FIGURES.cost.total


def test_short_names_fit_above_a_column() -> None:
    """No short name is longer than the name, none is used twice."""
    assert all(len(term.short) <= min(len(term.name), 8) for term in COST_TERMS)
    assert len({term.short for term in COST_TERMS}) == len(COST_TERMS)
