"""A planner solves a case with its settings, and reports progress under the name of the plan."""

from __future__ import annotations

import pytest

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.plan.make.planner import Planner
from optimizer.solve import NamedConflict, NamedRelaxation, NoScheduleError, NotFoundWithinEffortError, Search
from tests.plan.three_vms import WEB_1, the_case

NEVER = Rules(rule=(Rule(name="never", allow=(Window(start=0, end=60),)),))
"""A window of an hour, in which no start window of more than two hours fits."""


def test_the_cheapest_schedule_is_found() -> None:
    """Only ``web-1`` moves, away from its busy night."""
    result = Planner(Search(effort=1)).solve(the_case())
    assert (result.options != the_case().problem.instance.today).nonzero()[0].tolist() == [WEB_1]
    assert result.is_optimal


def test_why_no_schedule_exists_is_told_at_once_and_in_the_error() -> None:
    """The rule that forbids every start is named; without the question, only that nothing was found."""
    told: list[NamedConflict | NamedRelaxation] = []
    with pytest.raises(NoScheduleError, match="never"):
        Planner(Search(effort=1), tell=told.append).solve(the_case().changed(rules=NEVER))
    assert told
    with pytest.raises(NotFoundWithinEffortError):
        Planner(Search(effort=1)).solve(the_case().changed(rules=NEVER), why_not=False)


def test_plans_with_a_number_have_progress_of_their_own() -> None:
    """The stages of the second plan are told apart from those of the first."""
    seen: list[tuple[str, int, int, str]] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        seen.append((stage, done, total, note))

    Planner(progress=progress).numbered(2).progress("search", 1, 3, "half")
    assert seen == [("search 2", 1, 3, "half")]


def test_a_share_of_the_time_limit_leaves_the_rest_as_it_is() -> None:
    """A planner without a time limit stays as it is."""
    planner = Planner(Search(seed=3, time_limit_seconds=10))
    assert planner.within_share(0.5).search == Search(seed=3, time_limit_seconds=5)
    assert Planner().within_share(0.5) == Planner()
