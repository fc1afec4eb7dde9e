"""Weights of VMs: what they do to plans, and where plans, pages, explanations and audits show them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.occupancy import expected_overlaps, weighted_overlaps
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan import prepare
from optimizer.plan.notes.weight_notes import notes_on_weights
from optimizer.report.page.html import render_html
from optimizer.report.terminal.audit import render_audit
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.search.solved import Solved
from optimizer.solve.search.solver import solve
from optimizer.verifier.verify import verify
from optimizer.workflow import audit_case, explain_vm, make_plan_of
from tests.plan.planned import Planned, planned
from tests.prices import fixed_prices
from tests.solve.examples import Problem, flat_risk, inventory, obvious_cost, only, policy
from tests.verifier.test_verify import valid

RULES = Rules(
    rule=(
        Rule(name="the shop matters", where=Selector(service="shop"), weight=20),
        Rule(name="one of all", where=Selector(name="*-00"), weight=3),
        Rule(name="mail matters less", where=Selector(service="mail"), weight=0.2),
    )
)


@pytest.fixture(scope="module")
def weighed(imported: Planned) -> Planned:
    """Return a plan of the imported estate in which three rules weigh VMs."""
    return planned(imported.estate, RULES)


def test_the_verifier_recomputes_weighted_costs(weighed: Planned) -> None:
    """A weighted plan passes; with a rule's weight changed, or another weighted figure, it does not."""
    sound = valid(weighed)
    assert weighed.plan.summary.weighted is not None
    claims = replace(sound.claims, weighted_overlaps=weighed.plan.summary.weighted.overlaps_per_month.plan)
    assert verify(sound.checked, claims) == []
    assert any("weighted overlaps" in fault for fault in verify(sound.checked, sound.claims))
    changed = RULES.rule[0].model_copy(update={"weight": 21.0})
    rules = RULES.model_copy(update={"rule": (changed, *RULES.rule[1:])})
    faults = verify(replace(sound.checked, rules=rules), claims)
    assert any("states cost" in fault for fault in faults)


def test_plans_show_weighted_figures_beside_plain_ones(imported: Planned, weighed: Planned) -> None:
    """plan.json, terminal and page have both kinds of figures, and plans without weights only the plain ones."""
    summary, schedule = weighed.plan.summary, weighed.plan.schedule
    assert summary.weighted is not None
    assert summary.weighted.at_risk_per_month.today == pytest.approx(
        sum(one.weight * one.risk_today for one in schedule), abs=1e-5
    )
    assert summary.at_risk_per_month.today == pytest.approx(sum(one.risk_today for one in schedule), abs=1e-5)
    assert {one.vm.rpartition("/")[2]: one.weight for one in schedule if one.vm.endswith("-00")} == {
        "erp-00": 3, "shop-00": 20, "mail-00": 3, "web-00": 3, "pay-00": 3, "single-00": 3,
    }  # fmt: skip
    assert "at-risk backups, weighted by the rules" in to_text(render_plan(weighed.plan))
    page = render_html(weighed.plan, weighed.case.inventory, None)
    assert "Weighted by the rules" in page
    assert ">Weight<" in page
    plain = imported.plan
    assert "weighted" not in plain.model_dump_json()
    assert '"weight"' not in plain.model_dump_json()
    assert "weighted" not in to_text(render_plan(plain)).lower()
    page = render_html(plain, imported.case.inventory, None)
    assert "Weighted by the rules" not in page
    assert ">Weight<" not in page


def test_audit_and_explanation_show_weights(weighed: Planned) -> None:
    """`audit` has weighted totals and `explain` the weight; a weight that is beaten by a larger one is noted."""
    audit = audit_case(weighed.case)
    assert audit.totals.weighted is not None
    assert "weighted by the rules" in to_text(render_audit(audit))
    explained = explain_vm(weighed.plan, weighed.estate, "shop-03")
    assert any("the weight 20" in note for note in explained.notes)
    notes = list(notes_on_weights(weighed.case.inventory, RULES))
    assert notes[0].startswith("rule 'the shop matters': at-risk backups and overlaps of 8 VMs count 20 times")
    beaten = "does not count for 1 VM, because another rule gives a larger weight"
    assert f"the weight 3 of rule 'one of all' {beaten}" in notes
    assert f"the weight 0.2 of rule 'mail matters less' {beaten}" in notes


def test_every_row_of_a_moves_curve_is_verified_with_weights(imported: Planned) -> None:
    """The curve of a weighted plan ends at the plan before services are spread; each row passes the verifier."""
    plan = make_plan_of(imported.estate, prepare(imported.estate, RULES), effort=3, moves_curve=True)
    assert plan.moves_curve is not None
    spreading = plan.summary.cost.plan - plan.moves_curve.points[-1].cost
    assert -1e-5 < spreading < plan.rules.prices.all_at_once


def test_only_one_of_two_vms_can_have_the_quiet_start() -> None:
    """Under a cap of one the heavier of two VMs gets the start without risk, whichever of them it is."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 0)], [("a", "p"), ("b", "q")])
    risk = flat_risk(2, 5.0)
    risk[:, 20], risk[:, 30] = 0.0, 1.0
    cap = Rule(name="one at a time", max_concurrent=1, per="vault")
    for heavy in (0, 1):
        rules = Rules(
            rule=(cap, only("10:00", "15:00"), Rule(name="heavy", where=Selector(name=f"vm{heavy}"), weight=2))
        )
        result = solve(Problem(found, rules, risk).instance(), Search(effort=3))
        assert isinstance(result, Solved)
        assert result.options.tolist() == ([20, 30] if heavy == 0 else [30, 20])


def test_an_overlap_counts_as_much_as_the_smaller_weight() -> None:
    """Three VMs at once, of weights 5, 5 and 0.5: one pair counts 5 times, two count half; the instance agrees."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 3)
    rules = Rules(
        prices=fixed_prices(snapshot_overlap=0.0145, all_at_once=0.0),
        rule=(Rule(name="heavy", weight=5, exempt=("vm2",)), Rule(name="light", where={"name": "vm2"}, weight=0.5)),
    )
    problem = Problem(found, rules, flat_risk(3))
    instance = problem.instance()
    assert expected_overlaps(found, instance.today).tolist() == pytest.approx([3 * 6.9])
    assert weighted_overlaps(found, instance.today, instance.weight).tolist() == pytest.approx([6 * 6.9])
    cost = evaluate(instance, instance.today)
    assert cost.overlaps == pytest.approx(3 * 6.9)
    assert cost.overlap == pytest.approx(6 * 6.9 * 0.0145)
    assert obvious_cost(problem, [46, 46, 46]) == pytest.approx(cost.total)
