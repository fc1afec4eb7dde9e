"""Plans for comparison stay close to a schedule and are verified."""

from __future__ import annotations

from optimizer.plan.make.planned import plan_case
from optimizer.plan.make.planner import Planner
from optimizer.solve import Search
from tests.plan.three_vms import DB, WEB_1, WEB_2, the_case, the_estate, the_plan


def test_the_starts_are_those_of_the_plan_by_vm() -> None:
    """Options, starts and the schedule of the document are the same."""
    planned = the_plan()
    assert planned.options.tolist() == planned.plan.starts_in(planned.case.inventory).tolist()
    assert planned.starts()[planned.case.inventory.items[WEB_1].vm_id] == planned.options[WEB_1]
    assert planned.options[[DB, WEB_2]].tolist() == [46, 46]


def test_a_plan_keeps_another_schedule_where_that_costs_nothing() -> None:
    """At 05:00, ``web-1`` is as safe as at any other quiet hour, so it stays where the schedule has it."""
    start = the_case().problem.instance.today.copy()
    start[WEB_1] = 10
    planned = plan_case(Planner(Search(effort=1)), the_estate(), the_case(), start)
    assert planned.options.tolist() == start.tolist()
    assert planned.plan.summary.cost.plan == the_plan().plan.summary.cost.plan
