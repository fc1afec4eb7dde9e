"""Use case: make a plan."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.engine import SERIAL, Engine
from optimizer.errors import OptimizerError
from optimizer.estate import Estate
from optimizer.journal import read_history
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.plan import Case, Planner, PlanRequest, Tell, make_verified_plan
from optimizer.ports import Clock, Progress, ignore, no_progress
from optimizer.solve import Search


def make_plan(
    estate: Estate,
    rules: Rules | None = None,
    *,
    seed: int = 0,
    effort: int = Search.effort,
    gap: float = Search.gap,
    time_limit_seconds: float | None = None,
    path: str | Path | None = None,
    history: str | Path | Iterable[str | Path] = (),
    earlier: str | Path | None = None,
    moves_curve: bool = False,
    toward: bool = False,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = ignore,
    clock: Clock = SYSTEM_CLOCK,
) -> PlanDocument:
    """Find a schedule, derive the changes, and verify the whole plan.

    Parameters
    ----------
    estate
        Estate to plan.
    rules
        Rules that the schedule must keep. None: the defaults.
    seed, effort, gap, time_limit_seconds
        Settings of the search; see :class:`optimizer.solve.effort.search_settings.Search`.
    path
        Path at which the plan will be written; the plan states the estate's location relative to it.
    history
        Journals, applied plans, or folders with journals. VMs that were moved recently only move again if it is
        worth it.
    earlier
        An earlier plan of this estate, or of one that shares VMs with it. The new plan keeps its schedule as long as
        that is within ``gap`` and keeps more VMs than a plan without ``earlier`` would. Otherwise, VMs keep its
        starts if that costs nothing.
    moves_curve
        Whether to compute what fewer moves would gain, and to store it in the plan as ``moves_curve``.
    toward
        Whether to make the best first step toward the rules if they need more moves than ``max_moves``. The plan
        describes the step in ``summary.toward``.
    engine
        Engine on which independent work runs (:func:`optimizer.engine.open_engine`); the plan does not depend on it.
    progress
        Called with the progress of the work.
    tell
        Called with each reason why no schedule exists, and each way to make one possible, as soon as it is proven.
    clock
        Clock for the plan's ``created_at``.

    Raises
    ------
    ConfigError
        ``toward`` is set without a limit on moves.
    NoScheduleError
        No schedule keeps the rules; the message names the rules in conflict.
    DataError
        ``earlier`` contains no VM of the estate.
    PlanFormatError
        ``earlier`` cannot be read.
    VerificationError
        The result did not pass the independent verifier, which is a bug.
    """
    rules = rules if rules is not None else Rules()
    request = PlanRequest.of(path, earlier, moves_curve=moves_curve, toward=toward)
    request.require_possible(estate, rules.max_moves)
    planner = Planner(Search(seed, effort, gap, time_limit_seconds), engine, progress, tell, clock)
    return make_verified_plan(planner, estate, planner.prepare(estate, rules, history), request)


def make_plan_of(
    estate: Estate,
    case: Case,
    *,
    seed: int = 0,
    effort: int = Search.effort,
    gap: float = Search.gap,
    time_limit_seconds: float | None = None,
    path: str | Path | None = None,
    moves_curve: bool = False,
    toward: bool = False,
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = ignore,
    clock: Clock = SYSTEM_CLOCK,
) -> PlanDocument:
    """Plan a case that :func:`prepare` has made, so that the load is not read again.

    Parameters
    ----------
    estate, case
        Estate to plan, and its case.
    seed, effort, gap, time_limit_seconds, path, moves_curve, toward, engine, progress, tell, clock
        See :func:`make_plan`.

    Raises
    ------
    ConfigError
        ``toward`` is set without a limit on moves.
    NoScheduleError
        No schedule keeps the rules; the message names the rules in conflict.
    VerificationError
        The result did not pass the independent verifier, which is a bug.
    """
    planner = Planner(Search(seed, effort, gap, time_limit_seconds), engine, progress, tell, clock)
    request = PlanRequest.of(path, moves_curve=moves_curve, toward=toward)
    return make_verified_plan(planner, estate, case, request)


def find_journals(paths: Iterable[Path], estate: Estate, rules: Rules) -> list[Path]:
    """Journals that record moves of an estate's VMs which are still in force.

    Files that could not be given as ``history``, because they are damaged or belong to a rehearsal, are left out.

    Parameters
    ----------
    paths
        Paths of journals.
    estate, rules
        Estate to plan, and its rules.
    """
    inventory: Inventory | None = None
    found = []
    for path in paths:
        inventory = inventory or estate.inventory(rules.service_from)
        with suppress(OptimizerError):
            if any(source.in_force for source in read_history([path], inventory)):
                found.append(path)
    return found
