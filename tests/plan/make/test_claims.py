"""The verifier is asked about the states and the figures of the plan."""

from __future__ import annotations

from dataclasses import replace

from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.claims import claims_of, to_check
from optimizer.plan.make.summary import summary_of
from optimizer.verifier import require_verified
from tests.plan.three_vms import WEB_1, the_case, the_estate, the_plan

RESULT = the_plan().result
DIFF = CaseWrites.of(the_estate(), the_case()).changes_to(RESULT.options)
SUMMARY = summary_of(the_case(), RESULT, DIFF, seed=0)


def test_the_state_after_is_that_after_the_changes() -> None:
    """The moved VM has the new policy afterwards, and the document itself is not changed."""
    starts = [entry.start for entry in the_plan().plan.schedule]
    checked = to_check(the_estate(), the_case(), starts, DIFF.changes)
    before, after = (state.policy(state.items[WEB_1]) for state in (checked.before, checked.after))
    assert before.start == 46
    assert after.start == RESULT.options[WEB_1]
    require_verified(checked, claims_of(RESULT, SUMMARY))


def test_the_claims_are_those_of_the_summary() -> None:
    """Each figure that the verifier recomputes is the one that the plan states."""
    claims = claims_of(replace(RESULT, spreading_costs=0.25), SUMMARY)
    assert claims.overlaps == SUMMARY.overlaps_per_month.plan
    assert claims.exact_overlaps == SUMMARY.overlaps_exact.plan  # type: ignore[union-attr]  # every new plan has it
    assert (claims.peak, claims.weighted_overlaps) == (SUMMARY.peak_concurrency.plan, None)
    assert (claims.cost, claims.bound) == (RESULT.cost.total, RESULT.bound)
    assert claims.spreading_costs == 0.25
