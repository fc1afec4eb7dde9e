"""Use case: show which limits bind in a plan, and the saving from one more of each."""

from __future__ import annotations

from optimizer.documents import PlanDocument
from optimizer.estate import Estate
from optimizer.plan import LimitPriceEntry, limit_prices, prepare
from optimizer.ports import Progress, no_progress


def price_plan_limits(
    plan: PlanDocument, estate: Estate, *, num_rounds: int | None = None, progress: Progress = no_progress
) -> tuple[LimitPriceEntry, ...]:
    """Limits that bind in a plan, with the saving from one more of each, the largest saving first.

    Parameters
    ----------
    plan, estate
        The plan and its estate.
    num_rounds
        Amount of search for each limit. None: enough for most plans.
    progress
        Called with the progress of the work.
    """
    case = prepare(estate, plan.rules, recently_moved=plan.settings.recently_moved, progress=progress)
    options = plan.starts_in(case.inventory)
    return limit_prices(case, options, plan.settings.seed, num_rounds)
