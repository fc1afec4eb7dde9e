"""An estate with its case and its plan, as tests make them."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.documents import PlanDocument
from optimizer.estate.folder import Estate
from optimizer.model.rules import Rules
from optimizer.plan import Case, prepare
from optimizer.workflow import make_plan_of

EFFORT = 2


@dataclass(frozen=True)
class Planned:
    """An estate, what was worked out for it, and its plan."""

    estate: Estate
    case: Case
    plan: PlanDocument


def planned(estate: Estate, rules: Rules | None = None) -> Planned:
    """Plan an estate with little effort."""
    case = prepare(estate, rules)
    return Planned(estate, case, make_plan_of(estate, case, effort=EFFORT, path=estate.path.parent / "plan.json"))
