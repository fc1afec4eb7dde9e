"""Settings with which plans are made, and the search for the schedule of a prepared case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from optimizer.engine import SERIAL, Engine
from optimizer.estate import Estate
from optimizer.model.arrays import IntArray
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.rules import Rules
from optimizer.plan.case import Case
from optimizer.plan.make.why_not import Tell, no_schedule_error, not_found_error
from optimizer.plan.preparation import prepare
from optimizer.plan.together import spread_services
from optimizer.ports import Clock, Progress, ignore, no_progress
from optimizer.solve import Near, Search, Solved, find_schedule


@dataclass(frozen=True, slots=True)
class Planner:
    """Settings with which plans are made: the search, its engine, and the receiver of its progress.

    Parameters
    ----------
    search
        Settings of the search.
    engine
        Engine on which independent parts run.
    progress
        Called with the progress of the work.
    tell
        Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven.
    clock
        Clock for the ``created_at`` of a plan.
    """

    search: Search = field(default_factory=Search)
    engine: Engine = SERIAL
    progress: Progress = no_progress
    tell: Tell = ignore
    clock: Clock = SYSTEM_CLOCK

    def numbered(self, number: int, tell: Tell = ignore) -> Planner:
        """Planner for one of several plans, whose progress has names of its own."""

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            self.progress(f"{stage} {number}", done, total, note)

        return replace(self, progress=report, tell=tell)

    def within_share(self, share: float) -> Planner:
        """The same planner within a share of its time limit."""
        return replace(self, search=self.search.share(share))

    def prepare(self, estate: Estate, rules: Rules, history: str | Path | Iterable[str | Path] = ()) -> Case:
        """Read an estate and compute the risk of every start; see :func:`optimizer.plan.prepare`."""
        return prepare(estate, rules, history=history, engine=self.engine, progress=self.progress)

    def solve(
        self,
        case: Case,
        *,
        near: Near | None = None,
        begin: IntArray | None = None,
        why_not: bool = True,
    ) -> Solved:
        """Solve a prepared case, and spread services if that pays; see :func:`optimizer.solve.find_schedule`.

        Parameters
        ----------
        case
            Case to solve.
        near, begin
            See :func:`optimizer.solve.find_schedule`.
        why_not
            Whether to look for the reason if there is no schedule.

        Raises
        ------
        NoScheduleError
            No schedule keeps the rules; the error contains the rules in conflict, and what would make a schedule
            possible.
        NotFoundWithinEffortError
            No schedule was found, and it was not proven that none exists; or ``why_not`` is False.
        """
        clock = self.search.clock()
        answer = find_schedule(
            case.problem,
            self.search,
            engine=self.engine,
            progress=self.progress,
            near=near,
            begin=begin,
            prove=why_not,
        )
        if isinstance(answer, Solved):
            return spread_services(case, answer, self.search.seed)
        if why_not:
            raise no_schedule_error(case, self.search, clock.left(), self.tell)
        raise not_found_error(case, self.search)
