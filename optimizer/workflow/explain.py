"""Use case: explain why a VM moves or stays in a plan."""

from __future__ import annotations

from optimizer.engine import SERIAL, Engine
from optimizer.estate import Estate
from optimizer.plan.document import PlanDocument
from optimizer.plan.explain import Solution, explain
from optimizer.plan.explanation import Explanation
from optimizer.plan.occupancy import starts_in_schedule
from optimizer.planning import prepare
from optimizer.ports import Progress, no_progress
from optimizer.risk.observed import observed_risk


def explain_vm(
    plan: PlanDocument, estate: Estate, vm: str, *, engine: Engine = SERIAL, progress: Progress = no_progress
) -> Explanation:
    """Explain why a VM moves or stays in a plan.

    Parameters
    ----------
    plan, estate
        The plan and its estate.
    vm
        ARM id or name of the VM.
    engine
        Engine on which the history is read; see :func:`optimizer.planning.prepare`.

    Raises
    ------
    DataError
        The plan has no such VM.
    """
    case = prepare(estate, plan.rules, recently_moved=plan.settings.recently_moved, engine=engine, progress=progress)
    options = starts_in_schedule(case.inventory, plan.schedule)
    observed = observed_risk(case.inventory, case.forecast, agentless_at_risk=case.rules.threshold.agentless)
    return explain(plan, Solution(case, options, observed), vm)
