"""Why one VM moves or stays: the figures are those of the cost function, the reasons those of the rules."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from optimizer.documents.explanation import Explanation
from optimizer.errors import DataError
from optimizer.estate.folder import Estate
from optimizer.model.occupancy import expected_overlaps
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import parse_start
from optimizer.plan.explanations.explain import explain_solution
from optimizer.plan.explanations.reasons import Solution, reasons
from optimizer.plan.explanations.vm_overlaps import VmOverlaps
from optimizer.risk.observed import observed_risk
from optimizer.risk.table import RiskTable
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.workflow import explain_vm
from tests.plan.planned import Planned, planned

RULES = Rules(
    max_risk_increase=0.0,
    policies=PolicyLimits(max_policies_per_vault=6),
    rule=(
        Rule(name="erp in turns", where=Selector(service="erp"), max_concurrent=2),
        Rule(name="pay stays", where=Selector(service="pay"), pin=True),
        Rule(name="shop late", where=Selector(service="shop"), allow=(Window(start=19 * 60, end=7 * 60, zone="UTC"),)),
        Rule(name="mail not by day", where=Selector(service="mail"), forbid=(Window(start=6 * 60, end=20 * 60),)),
    ),
)


@pytest.fixture(scope="module")
def ruled(imported: Planned) -> Planned:
    """Return the imported estate planned under rules that forbid a lot."""
    return planned(imported.estate, RULES)


@pytest.fixture(params=["imported", "arm", "ruled"])
def made(request: pytest.FixtureRequest) -> Planned:
    """Return each plan in turn."""
    found: Planned = request.getfixturevalue(request.param)
    return found


def solution_of(made: Planned) -> Solution:
    options = made.plan.starts_in(made.case.inventory)
    return Solution(made.case, options)


def explanations(made: Planned) -> list[Explanation]:
    solution = solution_of(made)
    return [explain_solution(made.plan, solution, entry.vm) for entry in made.plan.schedule]


@pytest.mark.thorough
def test_each_difference_is_what_the_whole_plan_would_cost_more(made: Planned) -> None:
    """For every VM and option shown, the difference is that of two whole costs, term by term."""
    solution, instance = solution_of(made), made.case.problem.instance
    here = evaluate(instance, solution.options)
    shown = 0
    for row, found in enumerate(explanations(made)):
        assert found.proposed.difference.total == 0
        for option in (found.today, found.proposed, *found.alternatives):
            single = solution.options.copy()
            single[row] = parse_start(option.start)
            there = evaluate(instance, single)
            assert option.difference.total == pytest.approx(there.total - here.total, abs=1e-9)
            assert option.difference.risk == pytest.approx(there.risk - here.risk, abs=1e-9)
            assert option.difference.overlap == pytest.approx(there.overlap - here.overlap, abs=1e-9)
            assert option.difference.vault_peak == pytest.approx(there.vault_peak - here.vault_peak, abs=1e-9)
            assert option.difference.policy == pytest.approx(there.policy_writes - here.policy_writes, abs=1e-9)
            assert option.difference.move == pytest.approx(there.moves - here.moves, abs=1e-9)
            shown += 1
    assert shown > 2 * len(made.plan.schedule)


def test_alternatives_are_the_next_best_that_are_allowed(made: Planned) -> None:
    """No allowed option other than today's and the proposed one is cheaper than those shown, which come in order."""
    solution, instance = solution_of(made), made.case.problem.instance
    for row, found in enumerate(explanations(made)):
        shown = [parse_start(option.start) for option in found.alternatives]
        apart = {parse_start(found.today.start), parse_start(found.proposed.start), *shown}
        costs = [option.difference.total for option in found.alternatives]
        assert costs == sorted(costs)
        assert all(found.allowed[t] for t in shown)
        for t in set(np.flatnonzero(found.allowed).tolist()) - apart:
            single = solution.options.copy()
            single[row] = t
            more = evaluate(instance, single).total - evaluate(instance, solution.options).total
            assert more >= costs[-1] - 1e-9


def test_an_explanation_agrees_with_the_schedule(made: Planned) -> None:
    """Times, risks, policies and reason are those of the plan's entry; the profile is the risk table."""
    for row, (entry, found) in enumerate(zip(made.plan.schedule, explanations(made), strict=True)):
        assert (found.today.start, found.proposed.start) == (entry.start_today, entry.start)
        assert (found.today.start_utc, found.proposed.start_utc) == (entry.start_today_utc, entry.start_utc)
        assert (found.today.policy, found.proposed.policy) == (entry.policy_today, entry.policy)
        assert (found.today.risk, found.proposed.risk) == (entry.risk_today, entry.risk)
        assert (found.service, found.vault, found.reason) == (entry.service, entry.vault, entry.reason)
        assert found.moves == (entry.start != entry.start_today)
        options = made.case.inventory.policy(made.case.inventory.items[row]).recurrence.options(
            parse_start(entry.start_today)
        )
        assert [found.profile[t] is not None for t in range(48)] == [t in options for t in range(48)]
        assert all(found.profile[t] == made.case.table.reported[row, t] for t in options)
        assert found.allowed[parse_start(entry.start)]


def test_windows_met_counts_the_service(imported: Planned) -> None:
    """Today all twelve of erp meet; where the plan puts one, those that it says are there."""
    found = explain_solution(imported.plan, solution_of(imported), "erp-00")
    assert found.proposed.windows_met <= imported.plan.summary.peak_concurrency.plan
    starts = {entry.start_utc for entry in imported.plan.schedule if entry.service == "erp" and entry.vm != "erp-00"}
    assert (found.proposed.windows_met == 1) == all(
        min((parse_start(start) - parse_start(found.proposed.start_utc)) % 48,
            (parse_start(found.proposed.start_utc) - parse_start(start)) % 48) >= 5
        for start in starts
    )  # fmt: skip  # both ways round the clock


NAMED = {"erp": "erp in turns", "shop": "shop late", "mail": "mail not by day", "pay": "pinned by rule 'pay stays'"}


def test_what_forbids_a_better_start_is_named(ruled: Planned) -> None:
    """An option that would cost less but may not be taken names the rule, the cap or the limit."""
    seen: dict[str, set[str]] = {}
    solution, instance = solution_of(ruled), ruled.case.problem.instance
    here = evaluate(instance, solution.options).total
    for row, found in enumerate(explanations(ruled)):
        for option in found.forbidden:
            single = solution.options.copy()
            single[row] = parse_start(option.start)
            assert evaluate(instance, single).total < here
            assert not found.allowed[single[row]]
            assert option.reasons
            seen.setdefault(found.service, set()).update(option.reasons)
    assert {service for service in NAMED if NAMED[service] in seen.get(service, ())} >= {"shop", "mail"}
    limits = {"max_risk_increase", "too little history to accept a higher risk", "the limit of policies per vault"}
    assert set().union(*seen.values()) <= {*limits, *NAMED.values()}


def test_what_a_limit_costs_a_vm(imported: Planned) -> None:
    """A start that only one limit forbids is priced: the plan would cost that much less, and break just that limit."""
    made = planned(imported.estate, Rules(max_moves=5))
    solution, instance = solution_of(made), made.case.problem.instance
    here = evaluate(instance, solution.options).total
    priced = {}
    for row, found in enumerate(explanations(made)):
        assert [one.saves for one in found.limits] == sorted((one.saves for one in found.limits), reverse=True)
        for one in found.limits:
            single = solution.options.copy()
            single[row] = parse_start(one.start)
            assert one.saves == pytest.approx(here - evaluate(instance, single).total, abs=1e-9)
            assert one.saves > 0
            assert {breach.limit.name for breach in made.case.problem.breaches(single)} == {one.name}
            priced[one.name] = max(one.saves, priced.get(one.name, 0.0))
    assert priced["max_moves"] > 0.1


def test_a_full_cap_forbids(imported: Planned) -> None:
    """Where others fill a cap, the options that they block are not allowed, and name the rule."""
    rules = Rules(rule=(Rule(name="link of b", where=Selector(vault="vault-b"), max_concurrent=2, per="vault"),))
    made = planned(imported.estate, rules)
    blocked = [found for found in explanations(made) if not all(found.allowed)]
    assert blocked
    reasons = {reason for found in blocked for option in found.forbidden for reason in option.reasons}
    assert reasons <= {"link of b", "max_risk_increase", "too little history to accept a higher risk"}
    assert "link of b" in reasons
    assert {found.vault for found in blocked} >= {"vault-b"}


def test_a_set_in_the_way_forbids(imported: Planned) -> None:
    """Options that VMs of another set shut are not allowed, and name the rule, in the sentence as well."""
    rules = Rules(rule=(Rule(name="erp, then shop", order=(Selector(service="erp"), Selector(service="shop"))),))
    made = planned(imported.estate, rules)
    found = {one.vm: one for one in explanations(made)}
    reasons = {reason for one in found.values() for option in one.forbidden for reason in option.reasons}
    assert "erp, then shop" in reasons
    shut = {one.service for one in found.values() if not all(one.allowed)}
    assert {"erp", "shop"} <= shut
    solution = solution_of(made)
    for row, entry in enumerate(made.plan.schedule):
        for option in np.flatnonzero(solution.problem.instance.allowed[row]).tolist():
            single = solution.options.copy()
            single[row] = option
            assert (is_feasible(solution.problem.instance, single)) == found[entry.vm].allowed[option]
    assert any("'erp, then shop'" in entry.reason for entry in made.plan.schedule)


def test_a_policy_that_would_have_to_be_made_is_left_blank(imported: Planned) -> None:
    """An alternative names the policy that has its start in the plan, or none where there is none."""
    by_start = {(entry.vault, entry.policy, entry.start) for entry in imported.plan.schedule}
    for found in explanations(imported):
        for option in found.alternatives:
            assert option.policy == "" or (found.vault, option.policy, option.start) in by_start


def test_a_vm_whose_figures_are_smoothed_is_told_what_was_observed(imported: Planned) -> None:
    """The note has the plain frequencies of the history at today's start and at the plan's."""
    case, plan = imported.case, imported.plan
    observed = observed_risk(case.inventory, case.forecast)
    busy = np.flatnonzero(
        np.abs(observed - case.problem.instance.risk)[np.arange(len(observed)), case.problem.instance.today] > 0.2
    )
    assert len(busy)
    for row in busy.tolist():
        entry = plan.schedule[row]
        text = " ".join(explain_vm(plan, imported.estate, entry.vm).notes)
        today = observed[row, parse_start(entry.start_today)]
        assert f"days of history: {today:.2f} at today's start" in text
        assert f"The model estimates {entry.risk_today:.2f} at today's start" in text
        there = f"{observed[row, parse_start(entry.start)]:.2f} at the plan's start"
        assert (there in text) == (entry.start != entry.start_today)


def test_a_zone_without_daylight_saving_has_no_mean(imported: Planned) -> None:
    """The note says so for exactly the VMs whose zone changes its clock."""
    inventory, said = imported.case.inventory, 0
    for entry, item in zip(imported.plan.schedule, inventory.items, strict=True):
        for note in explain_vm(imported.plan, imported.estate, entry.vm).notes:
            if "of history: " in note:
                shifts = inventory.pattern(inventory.policy(item)).shift != 0
                assert ("mean over both UTC offsets" in note) == shifts
                said += 1
    assert said > 0


def with_credit(made: Planned, credit: float, times: float) -> Solution:
    """The same schedule where each gain is credited with that share, and every risk is that many times as high."""
    solution, instance = solution_of(made), made.case.problem.instance
    old = solution.case.table
    table = RiskTable(times * old.risk, times * old.today, np.full(len(old.credit), credit), old.own)
    linear = instance.linear + instance.risk_weight[:, None] * (table.cost - old.cost)
    problem = made.case.problem.with_instance(replace(instance, linear=linear, risk=table.reported))
    return replace(solution, case=replace(made.case, table=table, problem=problem))


def test_a_gain_that_is_not_counted_is_no_reason(imported: Planned) -> None:
    """However large it looks: the 0.1 % that decides ties neither moves a VM nor is what it stays for."""
    believed, not_believed = (reasons(with_credit(imported, credit, 100)) for credit in (1.0, 0.0))
    assert any("at-risk backups" in reason for reason in believed)
    assert not any("at-risk backups" in reason or "less risk" in reason for reason in not_believed)
    assert any("no gain in risk is counted for it" in reason for reason in not_believed)
    solution = with_credit(imported, 0.0, 100)
    for entry, reason in zip(imported.plan.schedule, not_believed, strict=True):
        notes = explain_solution(imported.plan, solution, entry.vm).notes
        assert not (any("counts no gain" in note for note in notes) and "at-risk backups" in reason)


def test_the_risks_in_a_reason_are_those_of_the_profile(imported: Planned) -> None:
    """A VM whose gains are credited in part is told the estimated risks, which the table beside it has, too."""
    solution = replace(with_credit(imported, 0.5, 1), options=imported.case.problem.instance.today.copy())
    found = 0
    for row, reason in enumerate(reasons(solution)):
        if match := re.search(r"stays: (..:..) has less risk \((.*) instead of (.*)\)", reason):
            there, here = parse_start(match[1]), solution.options[row]
            risk = solution.problem.instance.risk[row]
            assert (match[2], match[3]) == (f"{risk[there]:.2f}", f"{risk[here]:.2f}")
            found += 1
    assert found > 5


@pytest.mark.parametrize("name", ["erp-03", "ERP-03"])
def test_a_vm_is_found_in_any_case(imported: Planned, name: str) -> None:
    """Names are compared without regard to case."""
    assert explain_vm(imported.plan, imported.estate, name).vm == "erp-03"


def test_a_vm_is_found_by_arm_id_and_by_name(arm: Planned) -> None:
    """In an estate of Azure either will do."""
    vm_id = arm.plan.schedule[0].vm
    assert explain_solution(arm.plan, solution_of(arm), vm_id.upper()) == explain_solution(
        arm.plan, solution_of(arm), "app-00"
    )


def test_an_unknown_vm_gives_near_names(imported: Planned) -> None:
    """A typing error is answered with what could be meant, a foreign name with where to find the names."""
    with pytest.raises(
        DataError,
        match=r"no VM has the name or ARM id 'erp-0'; did you mean (.erp-\d\d.( or )?){3}",
    ):
        explain_vm(imported.plan, imported.estate, "erp-0")
    with pytest.raises(DataError, match=r"ARM id 'Zürich'; the estate contains erp-00, .* and 35 more$"):
        explain_vm(imported.plan, imported.estate, "Zürich")


@pytest.mark.parametrize("vm", ["stopped", "STOPPED", "by id"])
def test_a_vm_that_is_not_planned_is_told_why(arm: Planned, vm: str) -> None:
    """A VM without scheduled backups gets the reason, and no names that look like its own."""
    (item,) = [one for one in arm.case.inventory.idle_items if one.vm_id.endswith("/stopped")]
    asked = item.vm_id if vm == "by id" else vm
    with pytest.raises(DataError) as raised:
        explain_solution(arm.plan, solution_of(arm), asked)
    assert (
        str(raised.value) == f"{asked!r} is protected (policy 'nightly') but not part of the plan: {item.unwritable}"
    )


def test_a_vm_without_a_policy_is_told_so(arm: Planned) -> None:
    """A VM of the estate that no policy backs up is not called unknown."""
    document = arm.estate.document
    alone = document.vms[0] | {"id": str(document.vms[0]["id"]) + "x", "name": "alone"}
    estate = Estate(arm.estate.path, document.model_copy(update={"vms": (*document.vms, alone)}))
    solution = replace(solution_of(arm), case=replace(arm.case, inventory=estate.inventory()))
    with pytest.raises(DataError, match="'alone' is in the estate but not part of the plan: no policy backs it up"):
        explain_solution(arm.plan, solution, "alone")


def test_an_ambiguous_name_lists_the_ids(arm: Planned) -> None:
    """Two VMs of one name in different groups are told apart by id."""
    document = arm.estate.document
    twins = [dict(one) | {"name": "same"} for one in document.vms[:2]]
    estate = Estate(arm.estate.path, document.model_copy(update={"vms": (*twins, *document.vms[2:])}))
    solution = replace(solution_of(arm), case=replace(arm.case, inventory=estate.inventory()))
    with pytest.raises(DataError, match=r"'same' is the name of 2 VMs; give the ARM id of one: .*app-00, .*app-01"):
        explain_solution(arm.plan, solution, "same")


@pytest.mark.thorough
def test_a_vm_that_a_limit_keeps_from_moving_says_so(imported: Planned) -> None:
    """Under a limit of one move no VM stays because "no other start is worth the move" where one would save more."""
    limited = planned(imported.estate, Rules(max_moves=1))
    solution = solution_of(limited)
    free = {entry.vm for entry in imported.plan.schedule if entry.start != entry.start_today}
    stays = [entry for entry in limited.plan.schedule if entry.vm in free and entry.start == entry.start_today]
    assert stays
    named = 0
    for entry in stays:
        found = explain_solution(limited.plan, solution, entry.vm)
        saves = [one.saves for one in found.limits if one.name == "max_moves"]
        if saves and saves[0] > 0.005:
            assert "max_moves leaves no room for" in entry.reason
            named += 1
        assert "is worth the move" not in entry.reason or not saves
    assert named


def test_the_reason_states_overlaps_that_really_fall(made: Planned) -> None:
    """Each reason about overlaps has the figures of the table of options, and the second is the smaller one."""
    seen = 0
    for found in explanations(made):
        if stated := re.search(r"overlaps with VMs of its service: ([\d.]+) -> ([\d.]+) per 30 days", found.reason):
            before, after = found.today.overlaps_per_month, found.proposed.overlaps_per_month
            assert stated.groups() == (f"{before:.2f}", f"{after:.2f}")
            assert after < before
            seen += 1
    assert seen > 0


def test_overlaps_of_single_vms_add_up_to_those_of_their_services(made: Planned) -> None:
    """Each pair counts for both of its VMs; a move changes the total by what it changes for the VM."""
    inventory, options = made.case.inventory, solution_of(made).options
    of_vm = VmOverlaps(inventory, options)
    rows = range(len(options))
    total = expected_overlaps(inventory, options).sum()
    assert sum(of_vm.of(row)[options[row]] for row in rows) == pytest.approx(2 * total)
    for row in rows[::5]:
        for start in (0, 17, 30):
            moved = options.copy()
            moved[row] = start
            change = of_vm.of(row)[start] - of_vm.of(row)[options[row]]
            assert expected_overlaps(inventory, moved).sum() - total == pytest.approx(change)
