"""Input of the verifier: the estate before and after the changes, and the figures that a plan states."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import Change, Summary, apply_in_memory
from optimizer.estate import Estate
from optimizer.plan.case import Case
from optimizer.solve import Solved
from optimizer.verifier import Checked, Claims


def claims_of(result: Solved, summary: Summary) -> Claims:
    """Figures that a plan states about the schedule of a result."""
    assert summary.working_hours_starts is not None
    return Claims(
        cost=result.cost.total,
        overlaps=summary.overlaps_per_month.plan,
        exact_overlaps=None if summary.overlaps_exact is None else summary.overlaps_exact.plan,
        working_hours_starts=summary.working_hours_starts.plan,
        peak=summary.peak_concurrency.plan,
        weighted_overlaps=None if summary.weighted is None else summary.weighted.overlaps_per_month.plan,
        bound=result.bound,
        spreading_costs=result.spreading_costs,
    )


def to_check(estate: Estate, case: Case, starts: Sequence[str], changes: Sequence[Change]) -> Checked:
    """Input of the verifier: the estate before and after the changes that lead to a schedule of ``HH:MM`` starts."""
    after = apply_in_memory(estate.document, changes)
    return Checked(
        before=case.inventory,
        after=Estate(estate.path, after).inventory(case.rules.service_from),
        rules=case.rules,
        risk=case.table.risk,
        credit=case.table.counted,
        own=case.table.own,
        starts=starts,
        changes=changes,
        moved_on=case.recently_moved,
    )
