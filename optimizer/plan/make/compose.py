"""Conversion of a solver result to a plan: schedule, changes, figures and notes, all checked by the verifier."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from optimizer.documents import (
    NO_FINGERPRINT,
    EstateReference,
    MovesCurve,
    PlanDocument,
    Settings,
    Toward,
    objects_of,
    relative_to_plan,
    with_fingerprint,
)
from optimizer.estate import Estate
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.plan.audits.orders import order_gaps
from optimizer.plan.case import Case
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.claims import claims_of, to_check
from optimizer.plan.make.schedule import schedule_of
from optimizer.plan.make.summary import summary_of
from optimizer.plan.notes.plan_notes import notes_on_plan
from optimizer.plan.notes.search_notes import notes_on_search
from optimizer.plan.together import services_together
from optimizer.ports import Clock
from optimizer.solve import Search, Solved
from optimizer.verifier import require_verified

VERSIONED = ("backup-schedule-optimizer", "ortools", "numpy")
"""Distributions whose versions a plan records."""


def settings_of(search: Search) -> Settings:
    """Settings of a search, as a plan records them."""
    return Settings(
        seed=search.seed, effort=search.effort, gap=search.gap, time_limit_seconds=search.time_limit_seconds
    )


@dataclass(frozen=True)
class Composer:
    """Writes the schedules that are found for a case as plans.

    Parameters
    ----------
    estate, case
        The estate, and the case that was solved.
    settings
        Settings that the plan depends on besides its rules and its estate.
    path
        Path at which the plan will be written.
    began
        Value of ``time.monotonic()`` when the work began.
    clock
        Clock for the plan's ``created_at``.
    """

    estate: Estate
    case: Case
    settings: Settings
    path: Path
    began: float
    clock: Clock = SYSTEM_CLOCK

    def compose(
        self, result: Solved, moves_curve: MovesCurve | None = None, toward: Toward | None = None
    ) -> PlanDocument:
        """Write a result as a plan that has passed the verifier.

        Parameters
        ----------
        result
            Answer of the solver, with the schedule.
        moves_curve
            Moves curve to store in the plan.
        toward
            What the plan leaves of the rules that today's schedule breaks, if it is a step of ``plan --toward``.

        Raises
        ------
        VerificationError
            The result did not pass, which is a bug.
        """
        case, options = self.case, result.options
        diff = CaseWrites.of(self.estate, case).changes_to(options)
        schedule = schedule_of(case, options, diff.policy_names)
        summary = summary_of(case, result, diff, self.settings.seed, moves_curve, toward)
        checked = to_check(self.estate, case, [entry.start for entry in schedule], diff.changes)
        if toward is not None:
            checked = replace(checked, left={rule.rule: rule.left for rule in toward.rules})
        require_verified(checked, claims_of(result, summary))
        plan = PlanDocument(
            created_at=self.clock.now(),
            fingerprint=NO_FINGERPRINT,
            estate=self._reference,
            rules=case.rules,
            settings=self.settings,
            versions={"python": platform.python_version(), **{name: version(name) for name in VERSIONED}},
            summary=summary.model_copy(update={"seconds": round(time.monotonic() - self.began, 3)}),
            notes=(
                *notes_on_search(case.rules, result, with_curve=moves_curve is not None),
                *notes_on_plan(case, diff.changes, diff.detours, summary.expected_change),
            ),
            schedule=tuple(schedule),
            changes=diff.changes,
            services_together=services_together(case, options, self.settings.seed),
            moves_curve=moves_curve,
            orders=order_gaps(case.inventory, case.rules, options),
        )
        return with_fingerprint(plan)

    @property
    def _reference(self) -> EstateReference:
        estate = self.estate
        return EstateReference(
            path=relative_to_plan(estate.path, self.path),
            fingerprint=estate.fingerprint,
            as_of=estate.as_of,
            objects=objects_of(estate.document).fingerprint(),
        )
