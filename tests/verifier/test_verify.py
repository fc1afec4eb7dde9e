"""The independent verifier: silent on a valid plan, loud on every single fault that can be put into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.errors import VerificationError
from optimizer.estate.folder import Estate
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import Frequency, format_start
from optimizer.model.working_hours import WorkingHours
from optimizer.verifier.checked import Checked, Claims
from optimizer.verifier.verify import require_verified, verify
from optimizer.verifier.window_clock import WindowClock
from tests.model.timings import with_timing
from tests.plan.planned import Planned, planned

RULES = Rules(
    max_moves=30,
    policies=PolicyLimits(edit=False),
    rule=(
        Rule(name="erp in turns", where=Selector(service="erp"), max_concurrent=4),
        Rule(name="small link", where=Selector(vault="vault-b"), max_concurrent=9, per="vault"),
        Rule(name="pay stays", where=Selector(service="pay"), pin=True),
        Rule(name="hands off", where=Selector(name="single-03"), exclude=True),
        Rule(
            name="mail at night",
            where=Selector(service="mail"),
            allow=(Window(start=20 * 60, end=8 * 60, zone="Europe/Berlin"),),
        ),
        Rule(name="shop apart from mail", separate=(Selector(service="shop"), "mail-*")),
        Rule(name="web first", order=(Selector(service="web"), Selector(service="erp")), where={"vault": "vault-b"}),
        Rule(name="one by one", separate=True, where=Selector(name="single-*")),
        Rule(name="no noon", where=Selector(service="shop"), forbid=(Window(start=600, end=840, zone="UTC"),)),
    ),
)


@dataclass(frozen=True)
class Valid:
    """A plan that has passed, as the verifier sees it."""

    checked: Checked
    claims: Claims

    def row(self, name: str) -> int:
        """Row of a VM, by the end of its id."""
        return next(row for row, item in enumerate(self.checked.before.items) if item.vm_id.rpartition("/")[2] == name)


def valid(made: Planned) -> Valid:
    after = Estate(made.estate.path, apply_in_memory(made.estate.document, made.plan.changes)).inventory()
    summary = made.plan.summary
    checked = Checked(
        before=made.case.inventory,
        after=after,
        rules=made.plan.rules,
        risk=made.case.table.risk,
        credit=made.case.table.counted,
        own=made.case.table.own,
        starts=tuple(entry.start for entry in made.plan.schedule),
        changes=made.plan.changes,
    )
    pairs, peak, in_hours = summary.overlaps_per_month, summary.peak_concurrency, summary.working_hours_starts
    assert in_hours is not None
    return Valid(checked, Claims(summary.cost.plan, pairs.plan, in_hours.plan, peak.plan, summary.cost.bound))


@pytest.fixture(scope="module")
def ruled(imported: Planned) -> Valid:
    """Return a plan of the imported estate under many rules."""
    return valid(planned(imported.estate, RULES))


@pytest.fixture(scope="module")
def azure(arm: Planned) -> Valid:
    """Return the plan of the estate in Azure's shape."""
    return valid(arm)


def with_policy(inventory: Inventory, policy: Policy) -> Inventory:
    return replace(inventory, policies={**inventory.policies, policy.id.lower(): policy})


def with_items_on(inventory: Inventory, rows: list[int], policy: Policy) -> Inventory:
    items = list(inventory.items)
    for row in rows:
        items[row] = replace(items[row], policy_id=policy.id)
    return replace(with_policy(inventory, policy), items=tuple(items))


def moved(given: Valid, row: int, option: int) -> Valid:
    """One VM at another time, on a twin of its policy made for it: all else of the plan agrees."""
    policy = given.checked.before.policy(given.checked.before.items[row])
    twin = replace(policy, id=f"{policy.id}-made-up", name="made-up", start=option, items_reported=None)
    starts = list(given.checked.starts)
    starts[row] = format_start(option)
    after = with_items_on(given.checked.after, [row], twin)
    return replace(given, checked=replace(given.checked, after=after, starts=tuple(starts)))


def stated(given: Valid, row: int, text: str) -> Valid:
    """A schedule that says another time than the policy."""
    starts = list(given.checked.starts)
    starts[row] = text
    return replace(given, checked=replace(given.checked, starts=tuple(starts)))


def ruled_by(given: Valid, **changes: object) -> Valid:
    return replace(given, checked=replace(given.checked, rules=given.checked.rules.model_copy(update=changes)))


def limited(given: Valid, **changes: object) -> Valid:
    limits = given.checked.rules.policies.model_copy(update=changes)
    return ruled_by(given, policies=limits)


def claiming(given: Valid, **changes: float) -> Valid:
    return replace(given, claims=replace(given.claims, **changes))  # type: ignore[arg-type]  # numbers all


def start_of(given: Valid, name: str) -> int:
    text = given.checked.starts[given.row(name)]
    return int(text[:2]) * 2 + int(text[3:]) // 30


def priced_nights(given: Valid) -> Valid:
    """A price for backups from midnight to 06:00, where the plan has more than today."""
    prices = given.checked.rules.prices.model_copy(update={"working_hours": 0.3})
    return ruled_by(given, prices=prices, working_hours=WorkingHours(start=0, end=6 * 60, days=tuple(range(7))))


def crowded(given: Valid) -> Valid:
    """Everybody of erp back at one time, each on a twin."""
    for name in [f"erp-{number:02d}" for number in range(12)]:
        given = moved(given, given.row(name), 46)
    return given


def crowd_in_vault(given: Valid) -> Valid:
    """More of the vault than its link takes, of services that differ."""
    for row, item in enumerate(given.checked.before.items):
        if item.vault_id.endswith("vault-b"):
            given = moved(given, row, 30)
    return given


def not_a_twin(given: Valid) -> Valid:
    """A VM on a policy of its vault that keeps backups for another time, at the same start."""
    row = given.row("erp-05")
    own = given.checked.after.policy(given.checked.after.items[row])
    other = replace(own, id=f"{own.id}-longer", name="longer", twin_key="another")
    return replace(given, checked=replace(given.checked, after=with_items_on(given.checked.after, [row], other)))


def other_vault(given: Valid) -> Valid:
    """A VM on a policy that is a twin in all but the vault."""
    row = given.row("erp-05")
    own = given.checked.after.policy(given.checked.after.items[row])
    vault = next(v for v in given.checked.after.vaults.values() if v.id != own.vault_id)
    other = replace(own, id=f"{vault.id}/backupPolicies/x", vault_id=vault.id)
    return replace(given, checked=replace(given.checked, after=with_items_on(given.checked.after, [row], other)))


def one_too_many(given: Valid) -> Valid:
    """A limit of VMs per policy that one of the policies exceeds by somebody's arrival."""
    before, after = given.checked.before, given.checked.after
    grown = [
        len(rows)
        for key, rows in after.items_by_policy.items()
        if len(rows) > len(before.items_by_policy.get(key, ()))
    ]
    return limited(given, max_vms_per_policy=max(grown) - 1)


def strangers_fill_it(given: Valid) -> Valid:
    """A newcomer on a twin whose places are all taken by items that nobody knows."""
    row, before = given.row("shop-03"), given.checked.before
    policy = next(policy for policy in before.policies.values() if policy.name == "early")
    after = with_items_on(given.checked.after, [row], policy)
    strangers = 101 - len(after.items_by_policy[policy.id.lower()])
    full = replace(policy, items_reported=strangers + len(before.items_by_policy[policy.id.lower()]))
    crowded_policy = replace(given.checked, before=with_policy(before, full), after=after)
    return limited(stated(replace(given, checked=crowded_policy), row, "02:00"), max_vms_per_policy=100)


def edited(given: Valid) -> Valid:
    """The policy of the whole of a service at a new time, with edits forbidden."""
    after = given.checked.after
    rows = [row for row, item in enumerate(after.items) if after.policy(item).name == "weekend"]
    policy = after.policy(after.items[rows[0]])
    starts = list(given.checked.starts)
    for row in rows:
        starts[row] = "09:00"
    changed = replace(given.checked, after=with_policy(after, replace(policy, start=18)), starts=tuple(starts))
    return replace(given, checked=changed)


def strangers_moved(given: Valid) -> Valid:
    """The policy of the whole of a service at a new time, with edits allowed, and items on it that nobody knows."""
    moved_together = limited(edited(given), edit=True)
    before = moved_together.checked.before
    policy = next(policy for policy in before.policies.values() if policy.name == "weekend")
    members = len(before.items_by_policy[policy.id.lower()])
    with_strangers = with_policy(before, replace(policy, items_reported=members + 2))
    return replace(moved_together, checked=replace(moved_together.checked, before=with_strangers))


def edited_in_more_than_time(given: Valid) -> Valid:
    """A policy that comes back from its edit with another retention, at the same time."""
    after = given.checked.after
    policy = next(policy for policy in after.policies.values() if policy.name == "weekend")
    spoilt = with_policy(after, replace(policy, twin_key="another retention"))
    return replace(given, checked=replace(given.checked, after=spoilt))


def policy_gone(given: Valid) -> Valid:
    """A policy of today that the plan does without: its VMs are on a twin at the same time."""
    after = given.checked.after
    policy = next(policy for policy in after.policies.values() if policy.name == "weekend")
    rows = list(after.items_by_policy[policy.id.lower()])
    replaced = with_items_on(after, rows, replace(policy, id=f"{policy.id}-made-up", name="made-up"))
    left = {key: other for key, other in replaced.policies.items() if key != policy.id.lower()}
    return replace(given, checked=replace(given.checked, after=replace(replaced, policies=left)))


def needless_policy(given: Valid) -> Valid:
    """A policy that is created and protects nobody."""
    after = given.checked.after
    some = next(iter(after.policies.values()))
    made = replace(some, id=f"{some.id}-needless", name="needless", start=30, items_reported=None)
    return replace(given, checked=replace(given.checked, after=with_policy(after, made)))


def excluded_reassigned(given: Valid) -> Valid:
    """A VM that must never be written on a twin of its policy, at the same time."""
    row = given.row("single-03")
    own = given.checked.after.policy(given.checked.after.items[row])
    twin = replace(own, id=f"{own.id}-made-up", name="made-up", items_reported=None)
    return replace(given, checked=replace(given.checked, after=with_items_on(given.checked.after, [row], twin)))


def lost(given: Valid) -> Valid:
    return replace(
        given, checked=replace(given.checked, after=replace(given.checked.after, items=given.checked.after.items[1:]))
    )


def swapped(given: Valid) -> Valid:
    items = given.checked.after.items
    return replace(
        given,
        checked=replace(given.checked, after=replace(given.checked.after, items=(items[1], items[0], *items[2:]))),
    )


def riskier(given: Valid, *, credited: bool, increase: float) -> Valid:
    """A risk table in which the place of a VM that moves is worse than today by ``increase``."""
    checked = given.checked
    row = next(r for r in range(len(checked.starts)) if checked.starts[r] != format_start(today(checked, r)))
    risk, credit = checked.risk.copy(), checked.own.copy()
    risk[row, today(checked, row)] = 1.0
    risk[row, int(checked.starts[row][:2]) * 2 + int(checked.starts[row][3:]) // 30] = 1.0 + increase
    credit[row] = credited
    return replace(given, checked=replace(checked, risk=risk, own=credit))


def moved_lately(given: Valid) -> Valid:
    """A VM that moves turns out to have been moved a week before; the cost was stated without that."""
    checked = given.checked
    row = next(r for r in range(len(checked.starts)) if checked.starts[r] != format_start(today(checked, r)))
    day = checked.before.as_of.date() - timedelta(days=7)
    return replace(given, checked=replace(checked, moved_on={checked.before.items[row].vm_id.lower(): day}))


def today(checked: Checked, row: int) -> int:
    return checked.before.policy(checked.before.items[row]).start


FAULTS: dict[str, tuple[str, Callable[[Valid], Valid]]] = {
    "schedule says another time than the policy": (
        "another time",
        lambda v: stated(v, v.row("erp-05"), format_start((start_of(v, "erp-05") + 1) % 48)),
    ),
    "pinned VM moved": ("pay-00: moves although it must stay", lambda v: moved(v, v.row("pay-00"), 30)),
    "excluded VM moved": ("single-03: moves although it must stay", lambda v: moved(v, v.row("single-03"), 30)),
    "allowed window left by half an hour": (
        "mail-01: 06:00 breaks rule 'mail at night'",
        lambda v: moved(v, v.row("mail-01"), 12),  # 06:00 + 2 h 15 min is past 08:00, 05:30 is not
    ),
    "allowed window entered half an hour early": (
        "mail-01: 19:30 breaks rule 'mail at night'",
        lambda v: moved(v, v.row("mail-01"), 39),
    ),
    "allowed window left where the clock is read in summer": (
        "mail-01: 20:00 breaks rule 'mail at night'",
        lambda v: moved(v, v.row("mail-01"), 40),  # an hour earlier, should Azure not follow the change
    ),
    "forbidden window touched by a snapshot": (
        "shop-00: 08:00 breaks rule 'no noon'",
        lambda v: moved(v, v.row("shop-00"), 16),  # ends 10:15
    ),
    "more of a service at once than allowed": ("rule 'erp in turns': 12 windows meet", crowded),
    "more of a vault at once than allowed": ("rule 'small link': ", crowd_in_vault),
    "sets that meet": (
        "rule 'shop apart from mail': shop-00 at 22:00 meets",
        lambda v: moved(moved(v, v.row("shop-00"), 44), v.row("mail-01"), 47),
    ),
    "a set that comes too late": (
        "web-02 at 11:30 has ended, against 'order'",  # the end of the night, past which nobody of erp runs
        lambda v: moved(v, v.row("web-02"), 23),
    ),
    "a weekly VM that comes too late on its days": (
        "web-04 at 11:30 has ended, against 'order'",  # of the nights before its days
        lambda v: moved(v, v.row("web-04"), 23),
    ),
    "VMs that should be alone": (
        "rule 'one by one': 2 windows meet, against 'separate'",
        lambda v: moved(moved(v, v.row("single-01"), 8), v.row("single-04"), 10),
    ),
    "policy that is no twin": ("policy 'longer' is not a twin", not_a_twin),
    "policy of another vault": ("is not a twin", other_vault),
    "policy over its limit": ("holds", one_too_many),
    "policy over its limit by unknown items": ("early holds 101 VMs", strangers_fill_it),
    "vault over its limit": ("vault-a holds", lambda v: limited(v, max_policies_per_vault=4)),
    "edit although edits are off": ("'weekend' is edited although policies.edit is false", edited),
    "edit that moves items that nobody knows": ("'weekend' is edited although it holds 2 items", strangers_moved),
    "edit of more than the time": ("is not a twin of 'weekend'", edited_in_more_than_time),
    "policy gone": ("the plan loses policy", policy_gone),
    "policy created that nobody needs": ("states cost", needless_policy),
    "excluded VM reassigned at its time": ("single-03: is written although it is excluded", excluded_reassigned),
    "item lost": ("loses, adds or swaps items", lost),
    "items swapped": ("loses, adds or swaps items", swapped),
    "start lost": (
        "loses, adds or swaps items",
        lambda v: replace(v, checked=replace(v.checked, starts=v.checked.starts[1:])),
    ),
    "more policies written than allowed": (
        "policies are written, allowed are 1",
        lambda v: ruled_by(v, max_policy_writes=1),
    ),
    "more policies written than a vault's days allow": (
        "allowed are 2 in 2 days",
        lambda v: ruled_by(v, budget_days=2, policies=PolicyLimits(edit=False, max_writes_per_day=1)),
    ),
    "recent move at the price of any": ("the plan states cost", moved_lately),
    "more moves than allowed": ("VMs move, allowed are 2", lambda v: ruled_by(v, max_moves=2)),
    "risk grows by more than allowed": (
        "its risk grows by more than 0.1",
        lambda v: riskier(v, credited=True, increase=0.11),
    ),
    "risk grows without evidence": (
        "its risk grows by more than 0",
        lambda v: riskier(v, credited=False, increase=0.01),
    ),
    "cost understated": ("states cost", lambda v: claiming(v, cost=v.claims.cost - 0.01, bound=0.0)),
    "cost overstated": ("states cost", lambda v: claiming(v, cost=v.claims.cost + 0.01)),
    "overlaps misstated": ("states expected overlaps", lambda v: claiming(v, overlaps=v.claims.overlaps - 0.1)),
    "exact overlaps misstated": ("states exact overlaps", lambda v: claiming(v, exact_overlaps=-0.1)),
    "starts in working hours misstated": (
        "states expected starts in working hours",
        lambda v: claiming(v, working_hours_starts=v.claims.working_hours_starts + 1),
    ),
    "other working hours": (
        "states expected starts in working hours",
        lambda v: ruled_by(v, working_hours=WorkingHours(start=0, end=6 * 60)),
    ),
    "working hours priced otherwise": (
        "states cost",
        lambda v: claiming(priced_nights(v), cost=v.claims.cost),
    ),
    "peak misstated": ("states peak concurrency", lambda v: claiming(v, peak=v.claims.peak - 1)),
    "bound above the cost": ("is above the cost", lambda v: claiming(v, bound=v.claims.cost + 0.001)),
    "bound above what the search found": ("is above the cost", lambda v: claiming(v, spreading_costs=v.claims.cost)),
    "spreading costs below 0": ("states spreading costs", lambda v: claiming(v, spreading_costs=-0.1, bound=0.0)),
    "bound that is no number": ("is above the cost", lambda v: claiming(v, bound=float("nan"))),
    "cost that is no number": ("states cost", lambda v: claiming(v, cost=float("nan"))),
    "overlap priced otherwise": (
        "states cost",
        lambda v: ruled_by(v, prices=v.checked.rules.prices.model_copy(update={"snapshot_overlap": 0.03})),
    ),
    "vault peaks priced otherwise": (
        "states cost",
        lambda v: ruled_by(v, prices=v.checked.rules.prices.model_copy(update={"vault_peak": 0.5})),
    ),
    "writes priced otherwise": (
        "states cost",
        lambda v: ruled_by(v, prices=v.checked.rules.prices.model_copy(update={"policy_write": 0.2})),
    ),
    "moves priced otherwise": (
        "states cost",
        lambda v: ruled_by(v, prices=v.checked.rules.prices.model_copy(update={"move": 0.03})),
    ),
    "another length of snapshot": (
        "breaks rule",
        lambda v: replace(v, checked=replace(v.checked, before=with_timing(v.checked.before, SnapshotTiming(45)))),
    ),
}


def test_a_valid_plan_passes(ruled: Valid, azure: Valid) -> None:
    """Without a fault the verifier is silent, so that what the others report is theirs."""
    assert verify(ruled.checked, ruled.claims) == []
    assert verify(azure.checked, azure.claims) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_single_fault_is_found(ruled: Valid, fault: str) -> None:
    """Each fault is reported in words that name it."""
    expected, spoil = FAULTS[fault]
    spoilt = spoil(ruled)
    found = verify(spoilt.checked, spoilt.claims)
    assert any(expected in text for text in found), found


def test_an_unwritable_item_may_not_be_reassigned(azure: Valid) -> None:
    """An item whose first backup is pending stays on its policy, even at the same time."""
    row = azure.row("new-vm")
    own = azure.checked.after.policy(azure.checked.after.items[row])
    twin = replace(own, id=f"{own.id}-made-up", name="made-up", items_reported=None)
    after = with_items_on(azure.checked.after, [row], twin)
    found = verify(replace(azure.checked, after=after), azure.claims)
    assert any("new-vm: is written although initial backup pending" in text for text in found), found


def test_an_unwritable_item_may_not_be_moved(azure: Valid) -> None:
    """Nor may its time change."""
    spoilt = moved(azure, azure.row("new-vm"), 30)
    found = verify(spoilt.checked, spoilt.claims)
    assert any("new-vm: moves although it must stay" in text for text in found), found


@pytest.mark.parametrize("option", [40, 47])
def test_an_hourly_window_off_azures_grid_is_found(azure: Valid, option: int) -> None:
    """No hourly window may start after 19:30."""
    row = azure.row("db-0")
    assert azure.checked.before.policy(azure.checked.before.items[row]).recurrence.frequency is Frequency.HOURLY
    spoilt = moved(azure, row, option)
    found = verify(spoilt.checked, spoilt.claims)
    assert any(f"db-0: Azure does not accept {format_start(option)}" in text for text in found), found


def test_what_is_over_a_limit_today_may_stay(ruled: Valid) -> None:
    """A policy or vault that holds too much already is no fault of the plan as long as it does not grow."""
    starts = tuple(format_start(today(ruled.checked, row)) for row in range(len(ruled.checked.starts)))
    rules = RULES.model_copy(
        update={"policies": PolicyLimits(max_vms_per_policy=2, max_policies_per_vault=1, edit=False), "rule": ()}
    )
    still = replace(ruled.checked, after=ruled.checked.before, starts=starts, rules=rules, changes=())
    found = verify(still, ruled.claims)
    assert all("states" in text for text in found), found  # the figures are of another plan


def test_a_plan_with_a_fault_is_refused(ruled: Valid) -> None:
    """A plan that does not pass raises, with the fault; one that passes does not."""
    require_verified(ruled.checked, ruled.claims)
    with pytest.raises(VerificationError, match=r"did not pass its verification and is not written.*states peak"):
        require_verified(ruled.checked, replace(ruled.claims, peak=99))


def test_many_faults_are_counted(ruled: Valid) -> None:
    """Five faults are spelled out, the rest is a number."""
    spoilt = crowd_in_vault(crowded(ruled))
    with pytest.raises(VerificationError, match=r"\(and \d+ more\)"):
        require_verified(
            replace(spoilt.checked, risk=np.tile(np.arange(48.0), (len(spoilt.checked.starts), 1))), spoilt.claims
        )


@pytest.mark.parametrize(
    "hours",
    [
        WorkingHours(),
        WorkingHours(start=22 * 60, end=6 * 60, days=(6,)),
        WorkingHours(start=0, end=1440, days=tuple(range(7))),
        WorkingHours(start=23 * 60, end=45, days=(0, 6)),
    ],
)
def test_the_clock_counts_the_delays_that_lead_into_working_hours(ruled: Valid, hours: WorkingHours) -> None:
    """The verifier's own count is that of all 120 minutes of delay, for every policy of the estate and every start."""
    checked = ruled.checked
    clock = WindowClock(checked.before)
    length = (hours.end - hours.start) % 1440 or 1440
    at_work = {(day * 1440 + hours.start + minute) % 10080 for day in hours.days for minute in range(length)}
    for policy in checked.before.policies.values():
        for option in range(48):
            runs = policy.recurrence.run_minutes(option, 0).tolist()
            delayed = [(run + delay) % 10080 in at_work for run in runs for delay in range(120)]
            assert clock.starts_within(hours, policy, option) == pytest.approx(sum(delayed) / 120)
