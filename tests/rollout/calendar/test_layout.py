"""Roll-outs over days: every state on the way keeps the rules, gates and budgets hold by counting, pilots go first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.rollout.calendar.budget import LedgerCounts
from optimizer.rollout.calendar.layout import NOTHING_MADE, build_rollout
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.calendar.timed_writes import Rollout, TimedWrite
from optimizer.rollout.rehearse.state_judge import StateJudge, check_items
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, policy_id, standard_policy, vm_id
from tests.rollout.small_rollouts import (
    FOREIGN_VAULT,
    NOW,
    SECOND_VAULT,
    World,
    inventory_of,
    is_clear,
    longest_gap_hours,
    weekly_policy,
    world,
)

STARTS = ("01:00", "04:30", "05:00", "23:30")
SPACING = {"daily": 24.0, "weekly": 168.0}
RULES = (
    Rule(name="two of a service", max_concurrent=2),
    Rule(name="small vault", max_concurrent=3, per="vault"),
    Rule(name="evens first", order=("vm-?[02]", "vm-*"), per="service"),
    Rule(name="vaults apart", separate=(Selector(vault="rsv-one"), Selector(vault="rsv-two")), where={"name": "*1"}),
    Rule(name="alone", separate=True, where=Selector(name="vm-2*")),
    Rule(name="short gaps", rpo_hours=28, where=Selector(name="vm-1*")),
    Rule(
        name="carnival",
        freeze=(DateRange(first=date(2026, 2, 18), last=date(2026, 2, 19)),),
        where=Selector(name="*2"),
    ),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to two vaults with two families of twins each, services across them, caps, freezes and tight limits."""
    policies: list[Resource] = []
    places: dict[str, str] = {}
    targets: dict[str, str] = {}
    services: dict[str, str] = {}
    for number in range(draw(st.integers(1, 6))):
        vault = draw(st.sampled_from([VAULT, VAULT, SECOND_VAULT, FOREIGN_VAULT]))
        zone = draw(st.sampled_from(["UTC", "W. Europe Standard Time"]))
        start, name = draw(st.sampled_from(STARTS)), f"p{number}"
        weekly = draw(st.integers(0, 3)) == 0
        build = weekly_policy(name, start, ["Sunday"], vault=vault, zone=zone) if weekly else None
        policies.append(build or standard_policy(name, start, vault=vault, zone=zone))
        unanimous = draw(st.none() | st.sampled_from(STARTS))
        for place in range(draw(st.integers(0, 4))):
            vm = f"vm-{number}{place}"
            places[vm] = name
            services[vm] = draw(st.sampled_from(["s1", "s2"]))
            targets[vm] = unanimous or draw(st.sampled_from(STARTS))
    limits = PolicyLimits(
        max_vms_per_policy=draw(st.integers(1, 4)),
        max_policies_per_vault=draw(st.sampled_from([3, 200])),
        max_writes_per_day=draw(st.integers(1, 4)),
        scope=draw(st.sampled_from(["vault", "subscription"])),
        edit=draw(st.booleans()),
    )
    rules = tuple(draw(st.lists(st.sampled_from(RULES), unique_by=lambda rule: rule.name)))
    return world(policies, places, targets, Rules(policies=limits, rule=rules), **services)


def rollout_of(
    given: World,
    writes: Sequence[Write] | None = None,
    made: Mapping[int, datetime] = NOTHING_MADE,
    counts: LedgerCounts = LedgerCounts(),  # noqa: B008  # frozen
    **limits: Any,
) -> Rollout:
    """Calendar of a world's writes; the other arguments are limits of the roll-out."""
    chosen = given.writes() if writes is None else writes
    baseline = Baseline(given.inventory, given.rules)
    return build_rollout(chosen, baseline, now=NOW, made=made, counts=counts, limits=RolloutLimits(**limits))


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(0, 20))
def test_every_state_on_the_way_keeps_the_rules(given: World, num_pilots: int) -> None:
    """After each write the independent judge has nothing to say; every write is laid out or says why not."""
    writes = given.writes()
    pilot = frozenset(vm for write in writes for vm in write.vms[:1] if int(vm[-2:]) < num_pilots)
    rollout = rollout_of(given, writes, pilot=pilot)
    judge = StateJudge(given.inventory, given.rules)
    for document in given.states(rollout.writes):
        assert judge.faults(inventory_of(document)) == []
        assert check_items(given.document.protected_items, document.protected_items) == []
    numbers = [one.write.number for one in rollout.writes] + [one.write.number for one in rollout.blocked]
    assert sorted(numbers) == [write.number for write in writes]
    assert all(one.reason for one in rollout.blocked)
    assert rollout == rollout_of(given, writes, pilot=pilot)


@settings(max_examples=50, deadline=None)
@given(worlds())
def test_gates_hold_for_every_write(given: World) -> None:
    """Clear of old and new runs, within the RPO, never on a frozen day, in its interval, after what it needs."""
    rollout = rollout_of(given)
    inventory = given.inventory
    policy_of = {one.vm_id: inventory.policy(one) for one in inventory.items}
    at = {one.write.number: one.at for one in rollout.writes}
    for one in rollout.writes:
        write = one.write
        assert one.opens <= one.at < one.closes
        assert all(at[number] < one.at for number in write.needs)
        for vm in write.vms:
            policy = policy_of[vm]
            name = vm.rpartition("/")[2]
            by_rule = [rule for rule in given.rules.rule if rule.name == "short gaps" and name.startswith("vm-1")]
            spacing = SPACING[policy.recurrence.frequency.value.lower()]
            limit = max(28, spacing + 2) if by_rule else spacing + 12
            for moment in (one.opens, one.at, one.closes - timedelta(minutes=1)):
                assert is_clear(policy, write.start_before, write.start_after, moment)
                assert longest_gap_hours(policy, write.start_before, write.start_after, moment) <= limit
                if name.endswith("2") and any(rule.name == "carnival" for rule in given.rules.rule):
                    assert moment >= datetime.fromisoformat("2026-02-19T23:00+00:00")


@settings(max_examples=50, deadline=None)
@given(worlds(), st.integers(0, 3))
def test_the_budget_holds_in_any_day(given: World, earlier: int) -> None:
    """In no 24 hours are more policies written than allowed where that is counted, earlier writes included."""
    before = [(NOW - timedelta(hours=3 * n + 1), VAULT.upper()) for n in range(earlier)]
    rollout = rollout_of(given, counts=LedgerCounts(policy_writes=before))
    made = [(one.at, one.write.vault_id) for one in rollout.writes if one.write.counts_as_policy_write]

    def place(vault_id: str) -> str:
        depth = 3 if given.rules.policies.scope == "subscription" else 99
        return "/".join(vault_id.lower().split("/")[:depth])

    most = given.rules.policies.max_writes_per_day
    for at, vault_id in made:
        same_day = [
            other
            for other, where in [*made, *before]
            if place(where) == place(vault_id) and at - timedelta(hours=24) < other <= at
        ]
        assert len(same_day) <= most


@settings(max_examples=50, deadline=None)
@given(worlds())
def test_lanes_are_serial_and_apart(given: World) -> None:
    """Writes of a lane are a minute apart; a vault lies in one lane, and so do vaults that share a capped service."""
    rollout = rollout_of(given)
    lanes: dict[int, list[TimedWrite]] = {}
    for one in rollout.writes:
        lanes.setdefault(one.lane, []).append(one)
    lane_of: dict[str, int] = {}
    for lane, writes in lanes.items():
        times = [one.at for one in writes]
        assert times == sorted(times)
        assert all(later - earlier >= timedelta(seconds=60) for earlier, later in pairwise(times))
        for one in writes:
            assert lane_of.setdefault(one.write.vault_id.lower(), lane) == lane
    if any(rule.name == "two of a service" for rule in given.rules.rule):
        inventory = given.inventory
        by_service: dict[str, set[int]] = {}
        for item in inventory.items:
            if item.vault_id.lower() in lane_of:
                by_service.setdefault(inventory.vm(item).service, set()).add(lane_of[item.vault_id.lower()])
        assert all(len(lanes) <= 1 for lanes in by_service.values())


@settings(max_examples=50, deadline=None)
@given(worlds(), st.data())
def test_what_is_made_is_not_laid_out_again(given: World, data: st.DataObject) -> None:
    """Resumed after any number of writes, the others are laid out, and lead to where they would have led."""
    writes = given.writes()
    whole = rollout_of(given, writes)
    done = whole.writes[: data.draw(st.integers(0, len(whole.writes)))]
    made = {one.write.number: one.at for one in done}
    rest = rollout_of(given, writes, made=made)
    assert not made.keys() & {one.write.number for one in rest.writes}
    blocked = {one.write.number for one in whole.blocked}
    assert {one.write.number for one in rest.blocked} <= blocked
    states = given.states([*done, *rest.writes])
    judge = StateJudge(given.inventory, given.rules)
    assert all(judge.faults(inventory_of(state)) == [] for state in states)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_without_rules_nothing_is_blocked(given: World) -> None:
    """Where only Azure's limits count and vaults have room, there is a time for every write."""
    free = replace(
        given, rules=Rules(policies=given.rules.policies.model_copy(update={"max_policies_per_vault": 200}))
    )
    blocked = rollout_of(free).blocked
    assert [one for one in blocked if "between two recovery points" not in one.reason] == []


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(0, 1))
def test_what_has_an_order_is_laid_out_whole(given: World, room: int) -> None:
    """In vaults without room, or with room for one policy, there is a time for every write of a plan with an order."""
    inventory = given.inventory
    most = max(map(inventory.policies_in_vault, inventory.vaults)) + room
    limits = given.rules.policies.model_copy(update={"max_policies_per_vault": most, "max_vms_per_policy": 2})
    tight = replace(given, rules=Rules(policies=limits))
    created = Counter(change.vault_id.lower() for change in tight.diff().changes if change.kind == "create_policy")
    assume(not tight.diff().stuck)
    assume(all(inventory.policies_in_vault(vault) + count <= most for vault, count in created.items()))
    blocked = rollout_of(tight).blocked
    assert [one for one in blocked if "between two recovery points" not in one.reason] == []


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_the_way_back_is_open(given: World) -> None:
    """What was made can be undone in reverse order, whatever rules the state before broke, up to RPO and freezes."""
    rollout = rollout_of(given)
    inventory, states = given.inventory, given.states(rollout.writes)
    after = inventory_of(states[-1]) if states else inventory
    back = [
        replace(
            one.write,
            number=number,
            start_before=one.write.start_after,
            start_after=one.write.start_before,
            policy_before=one.write.policy_after,
            policy_after=one.write.policy_before,
            needs=(),
        )
        for number, one in enumerate(reversed(rollout.writes), start=1)
        if one.write.kind != "create_policy"
    ]
    undone = build_rollout(back, Baseline(after, given.rules, inventory), now=NOW + timedelta(days=30))
    reasons = [one.reason for one in undone.blocked if "between two recovery points" not in one.reason]
    assert reasons == [] or len(undone.blocked) > len(reasons)  # what waits for a blocked one is blocked as well


def policies_of(count: int, vault: str = VAULT, first: int = 0) -> list[Resource]:
    return [standard_policy(f"p{first + n}", "23:00", vault=vault) for n in range(count)]


def many_policy_writes(vaults: Sequence[str], creations: int, edits: int) -> list[Write]:
    """Creations, then edits of policies of no VM, spread over vaults."""
    writes = []
    for number in range(1, creations + edits + 1):
        vault = vaults[number % len(vaults)]
        if number <= creations:
            body = standard_policy("new", "20:00")["properties"]
            name = f"new-{number}"
            writes.append(Write(number, "create_policy", vault, policy_id(name, vault), name, body, None))
        else:
            name = f"p{number - creations - 1}"
            vm = (vm_id(f"vm{number - creations - 1}"),)
            writes.append(
                Write(number, "edit_policy", vault, policy_id(name, vault), name, {}, None, vm, "23:00", "22:00")
            )
    return writes


@pytest.mark.parametrize("scope", ["vault", "subscription"])
def test_230_policy_writes_take_five_days(scope: str) -> None:
    """140 creations and 90 edits of one vault at 50 a day: five days, the creations first, then what is left of 50."""
    limits = PolicyLimits(max_policies_per_vault=300, scope=scope)  # type: ignore[arg-type]  # one of the two
    places = {f"vm{n}": f"p{n}" for n in range(90)}
    given = world(policies_of(90), places, {}, Rules(policies=limits))
    rollout = rollout_of(given, many_policy_writes([VAULT], 140, 90))
    assert rollout.num_days == 5
    assert rollout.blocked == ()
    assert Counter(one.day for one in rollout.writes) == {1: 50, 2: 50, 3: 50, 4: 50, 5: 30}
    assert [one.write.number for one in rollout.writes] == list(range(1, 231))


@pytest.mark.parametrize(("scope", "days"), [("vault", 2), ("subscription", 4)])
def test_two_vaults_of_one_subscription_share_its_budget(scope: str, days: int) -> None:
    """200 creations in two vaults take two days where each vault has its budget, four where they share one."""
    limits = PolicyLimits(max_policies_per_vault=300, scope=scope)  # type: ignore[arg-type]  # one of the two
    policies = [*policies_of(1), *policies_of(1, SECOND_VAULT, 1)]
    given = world(policies, {"a": "p0", "b": "p1"}, {}, Rules(policies=limits))
    rollout = rollout_of(given, many_policy_writes([VAULT, SECOND_VAULT], 200, 0))
    assert rollout.num_days == days
    apart = many_policy_writes([VAULT, FOREIGN_VAULT], 200, 0)
    foreign = world(
        [*policies_of(1), *policies_of(1, FOREIGN_VAULT, 1)], {"a": "p0", "b": "p1"}, {}, Rules(policies=limits)
    )
    assert rollout_of(foreign, apart).num_days == 2


def test_a_pilot_goes_first_and_is_waited_for() -> None:
    """The second wave begins when the pilot's first backup at its new start has had 2 h, the snapshot and an hour."""
    given = world(
        policies_of(1),
        dict.fromkeys("abc", "p0"),
        dict.fromkeys("abc", "22:00"),
        Rules(policies=PolicyLimits(edit=False)),
    )
    rollout = rollout_of(given, pilot=frozenset({vm_id("B").upper()}))
    waves = [(one.write.kind, one.write.name, one.wave) for one in rollout.writes]
    assert waves == [
        ("create_policy", "p0-2200", 1),
        ("reassign_item", "b", 1),
        ("reassign_item", "a", 2),
        ("reassign_item", "c", 2),
    ]
    over = datetime.fromisoformat("2026-02-19T01:15+00:00")
    assert all(one.opens >= over for one in rollout.writes if one.wave == 2)
    assert rollout.writes[2].at == datetime.fromisoformat("2026-02-19T01:30+00:00")
    assert "2026-02-19 01:15 UTC" in rollout.notes[0]


def test_a_resumed_roll_out_remembers_when_its_pilot_was_moved() -> None:
    """Where the time of the pilot's move is known, the second wave follows its first backup, not one from now."""
    given = world(
        policies_of(1),
        dict.fromkeys("ab", "p0"),
        dict.fromkeys("ab", "22:00"),
        Rules(policies=PolicyLimits(edit=False)),
    )
    writes = given.writes()
    pilot = frozenset({vm_id("a")})
    made = {1: NOW - timedelta(days=2), 2: NOW - timedelta(days=2)}
    assert [one.at for one in rollout_of(given, writes, made=made, pilot=pilot).writes] == [NOW]
    (waiting,) = rollout_of(given, writes, made=dict.fromkeys(made, NOW), pilot=pilot).writes
    assert waiting.at > NOW + timedelta(hours=13)


def test_a_pilot_that_depends_on_others_goes_with_them() -> None:
    """A VM of the pilot that needs a place which only the second wave makes is moved then."""
    policies = [standard_policy("one", "23:00"), standard_policy("two", "22:00"), standard_policy("far", "12:00")]
    limits = PolicyLimits(edit=False, max_vms_per_policy=1, max_policies_per_vault=3)
    given = world(policies, {"a": "one", "b": "two"}, {"a": "22:00", "b": "12:00"}, Rules(policies=limits))
    rollout = rollout_of(given, pilot=frozenset({vm_id("a")}))
    assert [(one.write.name, one.wave) for one in rollout.writes] == [("b", 2), ("a", 2)]
    assert rollout.notes[1] == "1 write of the pilot has to wait for others, so the second wave makes it"


def test_a_swap_under_a_cap_is_blocked_and_the_rule_named() -> None:
    """Two VMs that change places where one may be at a time: no order does it, and it is said which rule."""
    policies = [standard_policy("one", "23:00"), standard_policy("two", "12:00")]
    rules = Rules(rule=(Rule(name="one at a time", max_concurrent=1),), policies=PolicyLimits(edit=False))
    given = world(policies, {"a": "one", "b": "two"}, {"a": "12:00", "b": "23:00"}, rules, a="shop", b="shop")
    rollout = rollout_of(given)
    assert rollout.writes == ()
    assert {one.reason for one in rollout.blocked} == {
        "rule 'one at a time' has no room in 'shop' at Monday 12:00 UTC",
        "rule 'one at a time' has no room in 'shop' at Monday 00:00 UTC",
    }


def test_who_overtakes_leaves_room_for_who_comes_first() -> None:
    """A VM whose gates open first does not take the place that another must have before anything else can go on.

    Two VMs of policies that are full change places by way of the one free place, which a third is going to as well.
    """
    starts = {"one": "01:00", "two": "13:00", "three": "23:00"}
    policies = [standard_policy(name, start) for name, start in starts.items()]
    limits = PolicyLimits(edit=False, max_vms_per_policy=2, max_policies_per_vault=3)
    places = {"a": "one", "b": "two", "c": "two", "z": "three"}
    given = world(policies, places, {"a": "13:00", "b": "01:00", "z": "01:00"}, Rules(policies=limits))
    assert [write.name for write in given.writes()] == ["b", "a", "z"]
    rollout = rollout_of(given)
    assert [one.write.name for one in rollout.writes] == ["b", "a", "z"]
    assert rollout.blocked == ()
    assert rollout.writes[2].opens > rollout.writes[0].at


def test_freezes_and_gaps_without_end_are_said() -> None:
    """A freeze beyond the horizon and a gap beyond the RPO are reasons of their own; what needs them says so."""
    freeze = Rule(
        name="no changes", where=Selector(name="a"), freeze=(DateRange(first=date(2026, 1, 1), last=date(2027, 1, 1)),)
    )
    short = Rule(name="short", where=Selector(name="b"), rpo_hours=26)
    given = world(
        policies_of(1),
        dict.fromkeys("ab", "p0"),
        {"a": "22:00", "b": "01:00"},
        Rules(rule=(freeze, short), policies=PolicyLimits(edit=False)),
    )
    reasons = {one.write.name: one.reason for one in rollout_of(given).blocked}
    assert reasons["a"] == "every possible time until 2026-04-19 is frozen by rule 'no changes'"
    assert reasons["b"].startswith(
        "it would leave up to 28 h between two recovery points; the limit is 26 h by rule 'short'"
    )


def test_items_are_assigned_in_batches() -> None:
    """However fast writes are, a vault gets fewer than 200 in an hour and at most 1000 in a day."""
    count = 1300
    policies = [*policies_of(13), *(standard_policy(f"new{n}", "12:00") for n in range(13))]
    places = {f"vm{n}": f"p{n % 13}" for n in range(count)}
    given = world(policies, places, dict.fromkeys(places, "12:00"), Rules())
    times = [one.at for one in rollout_of(given, seconds_per_write=1).writes]
    assert len(times) == count
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in zip(times, times[199:], strict=False))
    assert all(later - earlier >= timedelta(hours=24) for earlier, later in zip(times, times[1000:], strict=False))


def test_what_finds_no_time_in_the_horizon_is_said() -> None:
    """At one policy a day, a horizon of three days has room for three."""
    given = world(policies_of(1), {"a": "p0"}, {}, Rules(policies=PolicyLimits(max_writes_per_day=1)))
    rollout = rollout_of(given, many_policy_writes([VAULT], 5, 0), horizon_days=3)
    assert [one.day for one in rollout.writes] == [1, 2, 3]
    assert {one.reason for one in rollout.blocked} == {
        "there are not enough hours or writes per day for it until 2026-02-21"
    }


@pytest.mark.thorough
def test_thousands_of_writes_are_laid_out_quickly() -> None:
    """A caps rule, a budget and 3,000 VMs in one vault: every write has a time or a reason."""
    count = 3000
    policies = [standard_policy(f"p{n}", format_start(n * 5 % 48)) for n in range(60)]
    places = {f"vm{n}": f"p{n % 60}" for n in range(count)}
    targets = {f"vm{n}": format_start((n * 7 + n // 60) % 48) for n in range(count)}
    rules = Rules(rule=(Rule(name="four at once", max_concurrent=4),))
    given = world(policies, places, targets, rules, **{vm: f"s{n // 8}" for n, vm in enumerate(places)})
    writes = given.writes()
    rollout = rollout_of(given, writes)
    assert len(rollout.writes) + len(rollout.blocked) == len(writes)
    assert len(rollout.writes) > 0.9 * len(writes)
