"""A plan as a whole: what it promises, and that nothing is left to do once it is applied."""

from __future__ import annotations

import itertools
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.documents.plan_document import CreatePolicy, EditPolicy, PlanDocument, ReassignItem, Summary
from optimizer.errors import DataError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.inventory import Inventory
from optimizer.model.policy_limits import vm_limit
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.set_demands import in_several_sets
from optimizer.model.timegrid import format_start, parse_start
from optimizer.plan import prepare
from optimizer.plan.explanations.explain import explain_solution
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.verifier.checked import Checked, Claims
from optimizer.verifier.verify import verify
from optimizer.workflow import audit_case, make_plan, make_plan_of
from tests.plan.estates import imported_estate, item, standard_policy, with_another_month
from tests.plan.explanations.test_explain import solution_of
from tests.plan.planned import EFFORT, Planned


@pytest.fixture(params=["imported", "arm"])
def made(request: pytest.FixtureRequest) -> Planned:
    """Return each of the planned estates in turn."""
    found: Planned = request.getfixturevalue(request.param)
    return found


def after(made: Planned) -> Estate:
    return Estate(made.estate.path, apply_in_memory(made.estate.document, made.plan.changes))


def starts(inventory: Inventory) -> dict[str, str]:
    return {one.vm_id: format_start(inventory.policy(one).start) for one in inventory.items}


def test_the_verifier_has_nothing_to_say(made: Planned) -> None:
    """What the plan states passes the verifier once more, from the document alone."""
    summary = made.plan.summary
    checked = Checked(
        before=made.case.inventory,
        after=after(made).inventory(),
        rules=made.plan.rules,
        risk=made.case.table.risk,
        credit=made.case.table.counted,
        own=made.case.table.own,
        starts=[entry.start for entry in made.plan.schedule],
        changes=made.plan.changes,
    )
    peak, pairs, in_hours = summary.peak_concurrency, summary.overlaps_per_month, summary.working_hours_starts
    assert in_hours is not None
    claims = Claims(summary.cost.plan, pairs.plan, in_hours.plan, peak.plan, summary.cost.bound)
    assert verify(checked, claims) == []


def test_the_plan_states_what_it_is_expected_to_change(made: Planned) -> None:
    """The model sees at least the change that is credited; the expected one has a base and an interval around it."""
    summary = made.plan.summary
    credited = summary.at_risk_per_month.plan - summary.at_risk_per_month.today
    assert summary.model_change is not None
    assert summary.model_change <= credited + 1e-5
    expected = summary.expected_change
    assert expected is not None
    assert expected.low <= expected.value <= expected.high
    dumped = summary.model_dump(mode="json")
    assert list(dumped["expected_change"]) == ["value", "low", "high", "today", "plan"]
    assert expected.today is not None
    assert expected.plan == pytest.approx(expected.today + expected.value, abs=1e-5)
    assert expected.plan >= 0


def test_plans_of_older_versions_have_no_expected_change(made: Planned) -> None:
    """Plans without these figures stay readable, and are written as they were read."""
    old = made.plan.summary.model_dump(exclude={"model_change", "expected_change"})
    read = Summary.model_validate(old)
    assert read.expected_change is None
    assert read.model_dump() == old


def test_plans_that_have_an_expected_change_without_its_base_stay_readable(made: Planned) -> None:
    """The base came later: plans without it are written as they were read."""
    old = made.plan.summary.model_dump(exclude={"expected_change": {"today", "plan"}})
    read = Summary.model_validate(old)
    assert read.expected_change is not None
    assert read.expected_change.today is None
    assert read.model_dump() == old


def test_applied_the_estate_has_exactly_the_schedule(made: Planned) -> None:
    """After every change each VM starts when the schedule says, by the policy that it names."""
    inventory = after(made).inventory()
    assert starts(inventory) == {entry.vm: entry.start for entry in made.plan.schedule}
    names = {one.vm_id: inventory.policy(one).name for one in inventory.items}
    assert names == {entry.vm: entry.policy for entry in made.plan.schedule}
    before = made.case.inventory
    assert starts(before) == {entry.vm: entry.start_today for entry in made.plan.schedule}
    changed = [key for key, policy in before.policies.items() if inventory.policies[key].start != policy.start]
    assert len(changed) == made.plan.summary.policies_edited


def test_planned_again_nothing_changes(made: Planned) -> None:
    """A plan for the estate as the plan leaves it has no changes and nobody moved."""
    again = make_plan(after(made), effort=EFFORT)
    assert again.changes == ()
    assert again.summary.moved == 0
    assert {entry.reason.partition(":")[0] for entry in again.schedule} == {"stays"}


def bare(plan: PlanDocument) -> str:
    summary = plan.summary.model_copy(update={"seconds": 0.0})
    return plan.model_copy(
        update={"created_at": datetime(2026, 1, 1, tzinfo=UTC), "summary": summary}
    ).model_dump_json()


def test_the_same_plan_twice_is_the_same_to_the_byte(made: Planned) -> None:
    """Reading, preparing and solving anew gives the same document but for its time and duration."""
    again = make_plan(
        Estate(made.estate.path, made.estate.document), effort=EFFORT, path=made.estate.path.parent / "plan.json"
    )
    assert bare(again) == bare(made.plan)


def test_another_seed_is_recorded(imported: Planned) -> None:
    """The seed and the effort that a plan was made with stand in it."""
    other = make_plan_of(imported.estate, imported.case, seed=7, effort=1)
    assert (other.settings.seed, other.settings.effort) == (7, 1)


def test_the_next_month_moves_next_to_nobody(tmp_path: Path) -> None:
    """With the plan applied and a month of the same behavior more, fewer than 2 % of the VMs move."""
    estate = imported_estate(tmp_path)
    plan = make_plan(estate, effort=EFFORT)
    next_month = with_another_month(tmp_path, apply_in_memory(estate.document, plan.changes))
    assert next_month.as_of > estate.as_of
    again = make_plan(next_month, effort=EFFORT)
    assert again.summary.moved < 0.02 * again.summary.vms


def test_the_figures_of_the_summary_hang_together(made: Planned) -> None:
    """Bound, plan and reference are in order; shares, counts and sums agree with schedule and changes."""
    summary, schedule, changes = made.plan.summary, made.plan.schedule, made.plan.changes
    assert 0 <= summary.captured <= 1
    assert summary.cost.bound <= summary.cost.plan + 1e-6
    assert summary.cost.plan <= summary.cost.reference + 1e-6
    assert summary.reference == "today"
    assert summary.cost.reference == summary.cost.today
    assert summary.vms == len(schedule) == len(made.case.inventory.items)
    assert summary.moved == sum(entry.start != entry.start_today for entry in schedule)
    assert summary.reassigned == sum(isinstance(change, ReassignItem) for change in changes)
    assert summary.policies_created == sum(isinstance(change, CreatePolicy) for change in changes)
    assert summary.policies_edited == sum(isinstance(change, EditPolicy) for change in changes)
    assert summary.at_risk_per_month.today == pytest.approx(sum(entry.risk_today for entry in schedule), abs=1e-4)
    assert summary.at_risk_per_month.plan == pytest.approx(sum(entry.risk for entry in schedule), abs=1e-4)
    assert summary.vms_helped + summary.vms_unharmed + summary.vms_harmed == summary.vms
    assert summary.vms_harmed == sum(entry.risk > entry.risk_today + 1e-6 for entry in schedule)
    assert summary.at_risk_per_month.plan < 0.2 * summary.at_risk_per_month.today
    rows = np.arange(len(schedule))
    options = [parse_start(entry.start) for entry in schedule]
    assert summary.at_risk_per_month.plan == pytest.approx(made.case.table.reported[rows, options].sum(), abs=1e-4)
    change = summary.at_risk_per_month.plan - summary.at_risk_per_month.today
    assert summary.model_change == pytest.approx(change, abs=1e-4)
    assert summary.overlaps_per_month.plan < 0.5 * summary.overlaps_per_month.today
    assert summary.peak_concurrency.plan < summary.peak_concurrency.today


def test_a_plan_that_is_optimal_says_so(tmp_path: Path) -> None:
    """Where plan and bound meet, the status is optimal and the search stopped at the gap."""
    estate = imported_estate(tmp_path)
    rules = Rules(rule=(Rule(name="all stay", pin=True),))
    summary = make_plan(estate, rules, effort=EFFORT).summary
    assert (summary.status, summary.stopped, summary.moved) == ("optimal", "gap", 0)
    assert summary.cost.plan - summary.cost.bound <= 1e-4 * summary.cost.plan


def test_changes_come_in_an_order_that_can_be_carried_out(made: Planned) -> None:
    """Every policy exists before an item goes to it, has room at each step, and no id is empty."""
    inventory, limits = made.case.inventory, made.plan.rules.policies
    most = vm_limit(limits, inventory)
    size = {key: len(rows) + inventory.unknown_items[key] for key, rows in inventory.items_by_policy.items()}
    in_vault = {key: inventory.policies_in_vault(key) for key in inventory.vaults}
    for change in made.plan.changes:
        assert change.policy_id
        assert change.policy
        if isinstance(change, CreatePolicy):
            assert change.policy_id.lower() not in size
            size[change.policy_id.lower()] = 0
            in_vault[change.vault_id.lower()] += 1
            assert in_vault[change.vault_id.lower()] <= limits.max_policies_per_vault
        elif isinstance(change, ReassignItem):
            size[change.policy_id.lower()] += 1
            size[change.policy_today_id.lower()] -= 1
            assert change.policy_today_id
            is_new = change.policy_id.lower() not in inventory.policies
            assert size[change.policy_id.lower()] <= (most.new if is_new else most.existing)


def test_new_policies_are_twins_but_for_name_and_time(made: Planned) -> None:
    """The body of a created policy is that of its model with other times of day, and the name says the new time."""
    by_name = {(policy.vault_id, policy.name): policy for policy in made.case.inventory.policies.values()}
    for change in made.plan.changes:
        if isinstance(change, CreatePolicy):
            model = by_name[change.vault_id, change.twin_of]
            old, new = (re.sub(r"T\d\d:\d\d:", "T:", repr(sorted(body.items()))) for body in (
                {key: value for key, value in model.properties.items() if key != "protectedItemsCount"},
                change.properties,
            ))  # fmt: skip  # both bodies the same way
            assert new == old
            assert change.start.replace(":", "") in change.policy
            assert re.fullmatch(r"[a-zA-Z][-_!a-zA-Z0-9]{2,149}", change.policy)


def test_unknown_unwritable_and_idle_items_are_left_alone(arm: Planned) -> None:
    """Whoever must not be written stays, with the reason; a policy with items that nobody knows keeps its time."""
    entries = {entry.vm.rpartition("/")[2]: entry for entry in arm.plan.schedule}
    assert entries["new-vm"].reason == "stays: initial backup pending"
    assert "stopped" not in entries
    written = {change.vm.rpartition("/")[2] for change in arm.plan.changes if isinstance(change, ReassignItem)}
    assert written.isdisjoint({"new-vm", "stopped"})
    edited = {change.policy for change in arm.plan.changes if isinstance(change, EditPolicy)}
    assert edited.isdisjoint({"nightly", "shared", "nobody", "nobody-else"})


def test_an_empty_twin_is_used_before_a_new_policy_is_made(arm: Planned) -> None:
    """A policy that nobody uses takes VMs at its time; one that keeps backups for longer is no twin and takes none."""
    assert "nobody" in {entry.policy for entry in arm.plan.schedule}
    assert "nobody-else" not in {entry.policy for entry in arm.plan.schedule}
    assert "05:30" not in {change.start for change in arm.plan.changes if isinstance(change, CreatePolicy)}


def test_hourly_policies_stay_within_azures_grid(arm: Planned) -> None:
    """An hourly window starts at 19:30 at the latest, and may cross midnight; its length stays."""
    hourly = [entry for entry in arm.plan.schedule if entry.frequency == "Hourly"]
    assert len(hourly) == 3
    assert any(entry.start != entry.start_today for entry in hourly)
    assert all(entry.start <= "19:30" for entry in hourly)
    assert {(entry.interval_hours, entry.duration_hours) for entry in hourly} == {(4, 12)}


def test_times_in_utc_are_those_of_the_start_of_the_horizon(imported: Planned) -> None:
    """India is 5:30 ahead, Berlin in winter one hour; every start has its UTC time beside it."""
    by_zone = {entry.timezone: entry for entry in imported.plan.schedule}
    assert (by_zone["India Standard Time"].start_today, by_zone["India Standard Time"].start_today_utc) == (
        "22:30",
        "17:00",
    )
    berlin = next(entry for entry in imported.plan.schedule if entry.policy_today == "berlin")
    assert (berlin.start_today, berlin.start_today_utc) == ("23:00", "22:00")
    assert any("clocks change in W. Europe Standard Time" in note for note in imported.plan.notes)


def test_every_entry_says_why(made: Planned) -> None:
    """Who moves is told what for, who stays why."""
    for entry in made.plan.schedule:
        assert entry.reason.startswith("stays: " if entry.start == entry.start_today else "moves: ")
        assert len(entry.reason) > len("moves: ")


RULES = Rules(
    max_moves=9,
    policies=PolicyLimits(edit=False),
    rule=(
        Rule(name="india stays", where=Selector(service="pay"), pin=True),
        Rule(name="not ours", where=Selector(name="web-*"), exclude=True),
        Rule(name="two of erp", where=Selector(service="erp"), max_concurrent=4),
        Rule(
            name="mail at night",
            where=Selector(service="mail"),
            allow=(Window(start=20 * 60, end=8 * 60, zone="Europe/Berlin"),),
        ),
        Rule(name="no noon", forbid=(Window(start=10 * 60, end=14 * 60, zone="UTC"),)),
    ),
)


def test_rules_are_kept_by_the_plan(imported: Planned) -> None:
    """Pins, exclusions, windows, caps and the limit of moves hold in the schedule."""
    plan = make_plan(imported.estate, RULES, effort=EFFORT)
    by_service: dict[str, list[str]] = {}
    for entry in plan.schedule:
        by_service.setdefault(entry.service, []).append(entry.start)
        if entry.service in {"pay", "web"}:
            assert entry.start == entry.start_today
        elif entry.service == "mail":
            assert entry.start >= "20:00" or entry.start <= "05:30"
        if entry.service != "web":
            assert not "10:00" <= entry.start_utc < "14:00"
            assert not "07:45" < entry.start_utc < "10:00"
    assert plan.summary.moved <= 9
    assert plan.summary.peak_concurrency.plan <= 8
    assert plan.summary.policies_edited == 0
    stays = {entry.vm: entry.reason for entry in plan.schedule if entry.service in {"pay", "web"}}
    assert stays["pay-00"] == "stays: pinned by rule 'india stays'"
    assert stays["web-00"] == "stays: excluded by rule 'not ours'"
    assert plan.summary.reference == "greedy"  # today twelve of erp run at once


def test_a_forbidden_start_is_why_a_vm_moves(imported: Planned) -> None:
    """A VM that today breaks a rule is told which one."""
    rules = Rules(
        rule=(Rule(name="evening", where=Selector(name="single-02"), forbid=(Window(start=22 * 60, end=60),)),)
    )
    plan = make_plan(imported.estate, rules, effort=1)
    reason = next(entry.reason for entry in plan.schedule if entry.vm == "single-02")
    assert reason == "moves: 22:30 is forbidden by 'evening'"


@pytest.mark.parametrize("held", [{"exclude": True}, {"pin": True}], ids=["excluded", "pinned"])
def test_a_rule_broken_by_a_vm_that_stays_is_noted(imported: Planned, held: dict[str, bool]) -> None:
    """An excluded or pinned VM may be outside the windows of another rule; the notes report it."""
    rules = Rules(
        rule=(
            Rule(name="hands off", where=Selector(name="single-02"), **held),
            Rule(name="evening", where=Selector(name="single-02"), forbid=(Window(start=22 * 60, end=60),)),
        )
    )
    plan = make_plan(imported.estate, rules, effort=1)
    assert any(
        "'evening' is broken today by 1 VM that is never changed and stays where it is" in note for note in plan.notes
    )


def test_a_rule_for_nobody_is_said(imported: Planned) -> None:
    """A selector with a slip of the pen would silently drop a protection; the notes name the rule."""
    rules = Rules(rule=(Rule(name="databases", where=Selector(service="dbs*"), max_concurrent=1),))
    plan = make_plan(imported.estate, rules, effort=1)
    (note,) = [note for note in plan.notes if "'databases'" in note]
    assert note == (
        "rule 'databases' has no effect on this estate: no VM has service = 'dbs*'; "
        "this estate has 'erp', 'shop', 'web' and 7 more"
    )


def test_exceptions_that_take_nobody_out_are_said(imported: Planned) -> None:
    """A slip in a name leaves a VM under its rule: the notes quote the set, and a rule that exempts all its VMs."""
    shop = Selector(service="shop")
    rules = Rules(
        rule=(
            Rule(name="turns", where=shop, exempt=("shop-*1", "erp-00", {"tag": {"a b": "x"}}), max_concurrent=3),
            Rule(name="nobody", where=shop, exempt=("*",), pin=True),
        )
    )
    notes = make_plan(imported.estate, rules, effort=1).notes
    assert "rule 'nobody' has no effect on this estate: its 'except' exempts all 8 VMs of its 'where'" in notes
    (said,) = [note for note in notes if note.startswith("'except'")]
    assert said.startswith("'except' of rule 'turns' has sets that match no VM of its 'where': ")
    assert '"erp-00", { tag = { "a b" = "x" } }; check' in said


SETS = Rules(
    rule=(
        Rule(name="web before erp", order=(Selector(service="web"), Selector(service="erp"))),
        Rule(name="shop apart from mail", separate=(Selector(service="shop"), Selector(service="mail"))),
        Rule(name="one by one", separate=True, where=Selector(name="single-*")),
    )
)


def test_sets_are_in_order_and_apart_in_the_plan(imported: Planned) -> None:
    """All daily VMs of one service come before those of another; two services never meet; single VMs are alone."""
    plan = make_plan(imported.estate, SETS, effort=EFFORT)
    starts: dict[str, list[float]] = {}
    for entry in plan.schedule:
        hours, minutes = entry.start_utc.split(":")
        if entry.frequency == "Daily":
            starts.setdefault(entry.service, []).append((int(hours) + int(minutes) / 60 - 12) % 24)
    assert max(starts["web"]) + 2.25 <= min(starts["erp"])
    apart = {min((s - m) % 24, (m - s) % 24) for s in starts["shop"] for m in starts["mail"]}
    assert min(apart) >= 2.25
    single = sorted(begin for service, (begin, *_) in starts.items() if service.startswith("single-"))
    assert len(single) == 3
    assert plan.summary.reference == "greedy"
    assert all(later - earlier >= 2.25 for earlier, later in itertools.pairwise(single))


def test_a_plan_under_rules_between_sets_is_the_end_of_the_way(imported: Planned) -> None:
    """A plan of the estate after the plan, under the same rules, moves nobody."""
    plan = make_plan(imported.estate, SETS, effort=EFFORT)
    document = apply_in_memory(imported.estate.document, plan.changes)
    case = prepare(Estate(imported.estate.path, document), SETS)
    assert is_feasible(case.problem.instance, case.problem.instance.today)


def test_sets_that_may_not_be_what_was_meant_are_said(imported: Planned) -> None:
    """Sets that share VMs, and sets of which but one has any, are noted; so is a breach that nobody may mend."""
    rules = Rules(
        rule=(
            Rule(name="erp first", order=("erp-*", "*-00")),
            Rule(name="slip", separate=("erp-*", "epr-*")),
            Rule(name="hands off", where=Selector(service="web"), exclude=True),
            Rule(name="apart", separate=("web-00", "web-01")),
        )
    )
    notes = make_plan(imported.estate, rules, effort=1).notes
    assert "1 VM matches several sets of rule 'erp first' and counts in the first of them" in notes
    assert "rule 'slip' has no effect on this estate: no two of its sets have VMs" in notes
    assert any("rule 'apart' is broken today by 2 VMs that are never changed and stay" in note for note in notes)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(name="rest last", order=("erp-*", "shop-*", "*")), 0),
        (Rule(name="rest of web", where=Selector(name="web-*"), separate=("web-00", "web-*")), 0),
        (Rule(name="shared before the rest", separate=("erp-*", "erp-00", "*")), 1),
        (Rule(name="rest first", order=("*", "erp-00")), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else None,
)
def test_all_others_at_the_end_are_no_set_shared_with_another(imported: Planned, rule: Rule, expected: int) -> None:
    """A last set that takes everything means all others: only VMs that the sets before it share are counted."""
    assert in_several_sets(imported.estate.inventory(()), rule) == expected


def test_a_roll_out_over_days_is_said(imported: Planned) -> None:
    """Where the policy writes exceed the budget of a day the notes say how many days it takes, by scope."""
    by_vault = Rules(policies=PolicyLimits(max_writes_per_day=2))
    plan = make_plan(imported.estate, by_vault, effort=1)
    places = [change.vault_id for change in plan.changes if not isinstance(change, ReassignItem)]
    most = max(places.count(place) for place in places)
    assert f"at least {-(-most // 2)} days, at 2 per day and vault" in plan.notes[-1]
    together = Rules(policies=PolicyLimits(max_writes_per_day=2, scope="subscription"))
    plan = make_plan(imported.estate, together, effort=1)
    assert f"at least {-(-len(places) // 2)} days, at 2 per day and subscription" in plan.notes[-1]


def test_full_vaults_get_no_policies(imported: Planned) -> None:
    """Where a vault may not grow, its VMs go to the policies that are there or stay."""
    plan = make_plan(
        imported.estate, Rules(policies=PolicyLimits(max_policies_per_vault=4, edit=False)), effort=EFFORT
    )
    vaults = {change.vault_id.rpartition("/")[2] for change in plan.changes if isinstance(change, CreatePolicy)}
    assert vaults <= {"vault-b"}
    assert plan.summary.policies_created <= 1


def test_policies_over_the_limit_do_not_grow(imported: Planned) -> None:
    """A policy that holds more than it may today keeps its VMs or loses some, and gets none."""
    rules = Rules(policies=PolicyLimits(max_vms_per_policy=5))
    plan = make_plan(imported.estate, rules, effort=EFFORT)
    before, later = ({}, {})  # type: dict[str, set[str]], dict[str, set[str]]
    for entry in plan.schedule:
        before.setdefault(f"{entry.vault}/{entry.policy_today}", set()).add(entry.vm)
        later.setdefault(f"{entry.vault}/{entry.policy}", set()).add(entry.vm)
    for policy, vms in later.items():
        assert len(vms) <= 5 or vms <= before[policy]


def test_an_estate_without_scheduled_backups_is_refused(imported: Planned) -> None:
    """Nothing to plan is a message, not an empty plan."""
    empty = imported.estate.document.model_copy(update={"protected_items": ()})
    with pytest.raises(DataError, match="no VM of the estate has a scheduled backup"):
        make_plan(Estate(imported.estate.path, empty))


def test_applying_to_another_estate_is_refused(imported: Planned, arm: Planned) -> None:
    """Changes that name what is not there raise, they do not make it up."""
    moves = [change for change in imported.plan.changes if isinstance(change, ReassignItem)]
    with pytest.raises(KeyError):
        apply_in_memory(arm.estate.document, moves)


def test_applying_leaves_the_given_document_alone(made: Planned) -> None:
    """The document is not changed in place; its load stays; counts of items are kept in step."""
    before = made.estate.document.to_json()
    document = apply_in_memory(made.estate.document, made.plan.changes)
    assert made.estate.document.to_json() == before
    assert document.load == made.estate.document.load
    inventory = Estate(made.estate.path, document).inventory()
    assert sum(inventory.unknown_items.values()) == sum(made.case.inventory.unknown_items.values())


def single(folder: Path, source: EstateDocument, hot: str) -> Estate:
    """One policy with one VM, whose load is that of another one."""
    update = {
        "vaults": source.vaults[:1],
        "vms": (),
        "policies": (standard_policy("alone", "23:00", items=1, vault=str(source.vaults[0]["id"])),),
        "protected_items": (item("x", "alone", vault=str(source.vaults[0]["id"])),),
    }
    update["protected_items"][0]["properties"]["sourceResourceId"] = hot
    return Estate(folder, source.model_copy(update=update))


def test_the_policy_of_a_single_vm_is_edited(imported: Planned) -> None:
    """A VM alone in its policy moves by an edit of it; planned again nothing changes."""
    estate = single(imported.estate.path, imported.estate.document, "erp-00")
    plan = make_plan(estate, effort=EFFORT)
    assert [change.kind for change in plan.changes] == ["edit_policy"]
    assert plan.schedule[0].policy == "alone"
    assert plan.schedule[0].start != "23:00"
    later = Estate(estate.path, apply_in_memory(estate.document, plan.changes))
    assert make_plan(later, effort=EFFORT).changes == ()


def test_a_vm_without_history_has_no_gain_in_any_figure(tmp_path: Path) -> None:
    """A VM that has no load has the same risk today and in the plan, wherever it goes; the notes name such VMs."""
    estate = imported_estate(tmp_path)
    document = estate.document
    vms = [dict(one) for one in document.protected_items]
    vms[0] = vms[0] | {"properties": vms[0]["properties"] | {"sourceResourceId": "never-seen"}}
    estate = Estate(estate.path, document.model_copy(update={"protected_items": tuple(vms)}))
    case = prepare(estate)
    plan = make_plan_of(estate, case, effort=1)
    (row,) = (row for row, item in enumerate(case.inventory.items) if item.vm_id == "never-seen")
    entry, summary = plan.schedule[row], plan.summary
    assert case.table.risk[row].min() < entry.risk_today, "the load of all VMs has better hours"
    assert entry.risk == entry.risk_today
    others = [one for one in plan.schedule if one is not entry]
    assert summary.vms_helped == sum(one.risk < one.risk_today - 1e-6 for one in others)
    explained = explain_solution(plan, solution_of(Planned(estate, case, plan)), "never-seen")
    seen = [one.risk for one in (explained.today, explained.proposed, *explained.alternatives, *explained.forbidden)]
    assert min(seen) == entry.risk_today
    assert any(note.startswith("1 VM (never-seen) has too little load history:") for note in plan.notes)


def test_a_case_is_audited_as_it_is_planned(imported: Planned) -> None:
    """The audit of a case states today's figures as the plan does."""
    found, summary = audit_case(imported.case), imported.plan.summary
    assert found.totals.vms == summary.vms
    assert found.totals.overlaps_per_month == pytest.approx(summary.overlaps_per_month.today, abs=1e-5)
    assert found.totals.peak_concurrency == summary.peak_concurrency.today
    assert found.totals.at_risk_per_month == pytest.approx(summary.at_risk_per_month.today, abs=1e-5)
    assert found.totals.at_risk_at_best <= summary.at_risk_per_month.plan + 1e-6
    assert evaluate(imported.case.problem.instance, imported.case.problem.instance.today).total == pytest.approx(
        summary.cost.today, abs=1e-5
    )


def test_progress_is_told(imported: Planned) -> None:
    """Every stage reports up to its end."""
    told: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        assert isinstance(note, str)
        told.append((stage, done, total))

    make_plan(imported.estate, effort=1, progress=progress)
    assert {stage for stage, _, _ in told}
    assert all(0 <= done <= total for _, done, total in told)


def test_a_time_limit_is_waived_identity_not_validity(imported: Planned) -> None:
    """Where the clock cuts in, the plan says so and is valid all the same."""
    plan = make_plan_of(imported.estate, imported.case, effort=10_000, gap=0.0, time_limit_seconds=0.5)
    assert plan.summary.stopped == "time"
    assert plan.settings.time_limit_seconds == 0.5
    assert plan.summary.cost.plan <= plan.summary.cost.reference


def test_the_work_on_a_copy_of_the_folder_is_the_same(imported: Planned, tmp_path: Path) -> None:
    """Where the estate lies is in the plan, and in nothing else of it."""
    shutil.copytree(imported.estate.path, tmp_path / "copy")
    moved = make_plan(Estate(tmp_path / "copy", imported.estate.document), effort=EFFORT, path=tmp_path / "plan.json")
    assert moved.estate.path == "copy"
    assert moved.model_copy(update={"estate": imported.plan.estate}).schedule == imported.plan.schedule
    assert np.isclose(moved.summary.cost.plan, imported.plan.summary.cost.plan)
