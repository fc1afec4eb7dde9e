"""Use case: explain why a VM moves or stays in a plan."""

from __future__ import annotations

from optimizer.documents import Explanation, PlanDocument
from optimizer.engine import SERIAL, Engine
from optimizer.estate import Estate
from optimizer.plan import explain, prepare
from optimizer.ports import Progress, no_progress


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
        Engine on which the history is read; see :func:`optimizer.plan.prepare`.

    Raises
    ------
    DataError
        The plan has no such VM.
    """
    case = prepare(estate, plan.rules, recently_moved=plan.settings.recently_moved, engine=engine, progress=progress)
    return explain(plan, case, vm)
