"""Plan of a prepared case: find a schedule, derive the changes, and verify the whole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from optimizer.documents import PlanDocument, with_fingerprint
from optimizer.estate import Estate
from optimizer.plan.case import Case
from optimizer.plan.make.carried_out import solve_in_order
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.compose import Composer, settings_of
from optimizer.plan.make.earlier import EarlierPlan
from optimizer.plan.make.moves_curve import trace_curve
from optimizer.plan.make.planner import Planner
from optimizer.plan.make.toward import figures_of, first_step, require_move_limit
from optimizer.plan.notes.policy_notes import notes_on_emptied
from optimizer.rollout import notes_on_writes
from optimizer.solve import Near, Solved, TowardRules

SHARE_OF_SOLVE = 0.7
"""Share of the time limit for the solver, if a moves curve is requested as well."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Options of a plan, and the file that it will be written to.

    Parameters
    ----------
    path
        Path at which the plan will be written; it states the location of the estate relative to it.
    earlier
        Plan whose schedule the new plan keeps where it can.
    moves_curve
        Whether to compute what fewer moves would gain.
    toward
        Whether to make the best first step toward the rules if they need more moves than ``max_moves``.
    """

    path: Path = Path("plan.json")
    earlier: EarlierPlan | None = None
    moves_curve: bool = False
    toward: bool = False

    @classmethod
    def of(
        cls,
        path: str | Path | None = None,
        earlier: str | Path | None = None,
        *,
        moves_curve: bool = False,
        toward: bool = False,
    ) -> PlanRequest:
        """Read the earlier plan, if one is given.

        Raises
        ------
        PlanFormatError
            ``earlier`` cannot be read.
        """
        before = None if earlier is None else EarlierPlan.read(earlier)
        return cls(Path("plan.json" if path is None else path), before, moves_curve, toward)

    def require_possible(self, estate: Estate, max_moves: int | None) -> None:
        """Refuse an impossible request before the load is read, because reading takes longer.

        Raises
        ------
        ConfigError
            ``toward`` is set without a limit on moves.
        DataError
            ``earlier`` contains no VM of the estate.
        """
        if self.toward:
            require_move_limit(max_moves)
        if self.earlier is not None:
            self.earlier.require_same_vms(estate)

    def near(self, case: Case) -> Near | None:
        """Schedule that the search starts from and stays close to."""
        return None if self.earlier is None else Near(self.earlier.starts_in(case.inventory), keep=True)


def make_verified_plan(planner: Planner, estate: Estate, case: Case, request: PlanRequest) -> PlanDocument:
    """Plan a case that is already prepared; see :func:`optimizer.workflow.make_plan`."""
    began, earlier = time.monotonic(), request.earlier
    step = _step_toward(planner, estate, case, request) if request.toward else None
    result = _solved(planner, CaseWrites.of(estate, case), request, step, began)
    curve = None
    if request.moves_curve:
        search = planner.search.share(1 - SHARE_OF_SOLVE)
        curve, result = trace_curve(estate, case, result, search, planner.progress)
    settings = settings_of(planner.search).model_copy(
        update={
            "history": case.history,
            "recently_moved": dict(case.recently_moved),
            "earlier": None if earlier is None else earlier.source,
        }
    )
    composer = Composer(estate, case, settings, request.path, began, planner.clock)
    plan = composer.compose(result, curve, None if step is None else figures_of(case, step, result))
    added = [
        *notes_on_writes(plan, estate.document, case.inventory),
        *(() if earlier is None else (earlier.note(plan.schedule),)),
        *notes_on_emptied(plan, estate.document),
    ]
    return with_fingerprint(plan.model_copy(update={"notes": (*added, *plan.notes)})) if added else plan


def _step_toward(planner: Planner, estate: Estate, case: Case, request: PlanRequest) -> TowardRules | None:
    """First step toward the rules; None if today's schedule keeps them."""
    require_move_limit(case.rules.max_moves)
    target = None if request.earlier is None else request.earlier.target_in(case.inventory)
    return first_step(planner, estate, case, target)


def _solved(
    planner: Planner, writes: CaseWrites, request: PlanRequest, step: TowardRules | None, began: float
) -> Solved:
    """Schedule of a plan, which can be carried out; ``began``: when planning began, by ``time.monotonic()``."""
    if step is not None and step.months > 1:
        return step.as_solved(writes.case.problem, time.monotonic() - began)
    within = planner.within_share(SHARE_OF_SOLVE) if request.moves_curve else planner

    def solve(case: Case) -> Solved:
        begin = None if step is None else step.options
        return within.solve(case, near=request.near(case), begin=begin, why_not=case is writes.case)

    return solve_in_order(writes, solve, planner.search)
