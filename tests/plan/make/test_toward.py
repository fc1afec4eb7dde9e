"""`plan --toward`: repeated month by month, verified, and described in plan.json, on the terminal and on the page."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from optimizer.config import parse_rules
from optimizer.documents.applied import apply_in_memory
from optimizer.documents.plan_document import PlanDocument
from optimizer.documents.plan_file import write_plan
from optimizer.errors import ConfigError
from optimizer.estate.folder import Estate
from optimizer.model.occupancy import starts_today
from optimizer.plan import prepare
from optimizer.plan.make.earlier import EarlierPlan
from optimizer.report.page.html import render_html
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.solve.why_not.no_schedule import NoScheduleError
from optimizer.verifier.checked import Checked, Claims
from optimizer.verifier.rule_counts import check_left
from optimizer.verifier.verify import verify
from optimizer.workflow import make_plan, make_plan_of
from tests.plan.planned import Planned
from tests.verifier.test_verify import valid

RULES = """
    max_moves = 6

    [[rule]]
    name = "erp in turns"
    where = { service = "erp" }
    max_concurrent = 3

    [[rule]]
    name = "shop late"
    where = { service = "shop" }
    allow = [{ from = "01:00", to = "09:00" }]

    [[rule]]
    name = "mail before web"
    order = [{ service = "mail" }, { service = "web" }]
"""


@pytest.fixture(scope="module")
def months(imported: Planned) -> list[tuple[Estate, PlanDocument]]:
    """Return the plans of every month until the rules hold, each with its estate."""
    estate, rules, made = imported.estate, parse_rules(RULES, "rules.toml"), []
    while not made or made[-1][1].summary.toward is not None:
        assert len(made) < 8
        plan = make_plan(estate, rules, effort=3, toward=True)
        made.append((estate, plan))
        estate = Estate(estate.path, apply_in_memory(estate.document, plan.changes))
    return made


@pytest.mark.thorough
def test_the_promise_of_the_first_month_is_kept(months: list[tuple[Estate, PlanDocument]]) -> None:
    """Each plan moves at most six VMs and breaks less; after the months that the first one named every rule holds."""
    steps = [plan.summary.toward for _, plan in months[:-1]]
    assert all(plan.summary.moved <= 6 for _, plan in months)
    first = steps[0]
    assert first is not None
    assert first.months == -(-first.moves_needed // 6)
    assert first.months >= 2
    assert len(steps) <= first.months
    for before, after in pairwise(steps):
        assert before is not None
        assert after is not None
        assert after.violations_today == before.violations_left < before.violations_today
        assert after.months < before.months
    assert steps[-1] is not None
    assert steps[-1].violations_left == 0
    last = months[-1][1].summary
    assert (last.toward, last.reference, last.broken_today) == (None, "today", ())


@pytest.mark.thorough
def test_the_page_and_the_terminal_say_how_far_it_leads(months: list[tuple[Estate, PlanDocument]]) -> None:
    """Violations before and after, moves and months stand in plan.json, on the terminal and on the page."""
    estate, plan = months[0]
    toward = plan.summary.toward
    assert toward is not None
    assert set(plan.model_dump(mode="json")["summary"]["toward"]) >= {
        "violations_today",
        "violations_left",
        "moves_needed",
        "months",
    }
    text = " ".join(to_text(render_plan(plan)).split())
    assert f"breaks rules for {toward.violations_today} VMs; this plan leaves {toward.violations_left}" in text
    assert f"the first of {toward.months} monthly plans" in text
    assert "Captured" not in text
    assert "Toward the rules" in render_html(plan, estate.inventory(plan.rules.service_from), None)
    done = months[-2]
    assert "after this plan, every rule holds" in " ".join(to_text(render_plan(done[1])).split())
    assert "Toward the rules" not in render_html(months[-1][1], months[-1][0].inventory(), None)


def test_vms_that_wait_say_so(months: list[tuple[Estate, PlanDocument]]) -> None:
    """A VM that stays although it breaks a rule does so for now, and the reason names the rule."""
    _, plan = months[0]
    waiting = [entry for entry in plan.schedule if entry.reason.startswith("stays for now")]
    assert waiting
    assert all("breaks '" in entry.reason and entry.start == entry.start_today for entry in waiting)


@pytest.fixture
def checked(months: list[tuple[Estate, PlanDocument]]) -> tuple[Checked, Claims]:
    """Return the first plan as the verifier sees it."""
    estate, plan = months[0]
    assert plan.summary.toward is not None
    found = valid(Planned(estate, prepare(estate, plan.rules), plan))
    return replace(found.checked, left={one.rule: one.left for one in plan.summary.toward.rules}), found.claims


def test_a_later_plan_begins_with_the_moves_that_remain(
    months: list[tuple[Estate, PlanDocument]], tmp_path: Path
) -> None:
    """From a step, --from takes the moves that are left: with little effort no more are needed, and it says so."""
    plan, (estate, _) = months[0][1], months[1]
    toward = plan.summary.toward
    assert toward is not None
    write_plan(plan, tmp_path / "step.json")
    earlier = EarlierPlan.read(tmp_path / "step.json")
    inventory = estate.inventory(plan.rules.service_from)
    remaining = int((earlier.target_in(inventory) != starts_today(inventory)).sum())
    assert remaining == len(toward.later) <= (toward.months - 1) * 6
    again = make_plan(estate, plan.rules, effort=1, toward=True, earlier=tmp_path / "step.json")
    assert again.summary.toward is not None
    assert again.summary.toward.moves_needed <= remaining
    assert again.summary.toward.months < toward.months


def test_the_verifier_counts_what_is_left(checked: tuple[Checked, Claims]) -> None:
    """The plan passes; not with another count, not as a plan that keeps every rule, not with a rule left out."""
    found, claims = checked
    assert verify(found, claims) == []
    assert found.left is not None
    name = next(iter(found.left))
    wrong = {**found.left, name: found.left[name] + 1}
    assert any("VMs that break it" in fault for fault in verify(replace(found, left=wrong), claims))
    missing = {rule: left for rule, left in found.left.items() if rule != name}
    assert any(repr(name) in fault for fault in verify(replace(found, left=missing), claims))
    assert verify(replace(found, left=None), claims) != []


def test_a_rule_must_not_get_worse() -> None:
    """More VMs than today that break a rule, or a rule that holds today, are faults."""
    today, plan = Counter({"a": 2, "b": 1}), Counter({"a": 3, "c": 1})
    faults = check_left(today, plan, {"a": 3, "b": 0})
    assert len(faults) == 3
    assert "rule 'a': 3 VMs break it in the plan, and 2 do today" in faults


def test_toward_needs_a_limit_of_moves(imported: Planned) -> None:
    """Without max_moves there is no step; the message says what to give."""
    case = prepare(imported.estate, parse_rules(RULES.replace("max_moves = 6", ""), "rules.toml"))
    with pytest.raises(ConfigError, match="give --max-moves N"):
        make_plan_of(imported.estate, case, effort=2, toward=True)


@pytest.mark.thorough
def test_a_failure_by_max_moves_alone_names_the_option(imported: Planned) -> None:
    """`plan` without --toward points to it where only max_moves is in the way, and only there."""
    rules = parse_rules('max_moves = 2\n[[rule]]\nname = "shop"\nwhere = { service = "shop" }\n'
                        'allow = [{ from = "01:00", to = "09:00" }]\n', "rules.toml")  # fmt: skip
    with pytest.raises(NoScheduleError, match="plan --toward"):
        make_plan(imported.estate, rules, effort=2)
    never = parse_rules('max_moves = 2\n[[rule]]\nname = "never"\nforbid = [{ from = "00:00", to = "24:00" }]\n', "r")
    with pytest.raises(NoScheduleError) as caught:
        make_plan(imported.estate, never, effort=2)
    assert "--toward" not in str(caught.value)
    with pytest.raises(NoScheduleError, match="never"):
        make_plan(imported.estate, never, effort=2, toward=True)
