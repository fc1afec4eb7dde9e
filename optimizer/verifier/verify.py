"""Independent verifier: checks a plan against inventory, rules and risk by plain loops over clock times.

It shares no code with the model in :mod:`optimizer.solve`.  It compares windows as instants, not as slots of merged
rows, and counts policies in the inventory that the changes lead to.  It computes every figure again.  It makes the
changes one by one in their order, and checks every state on the way.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from optimizer.documents import Change
from optimizer.errors import VerificationError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.policy_limits import vm_limit
from optimizer.model.rules import Prices, Rule, Rules
from optimizer.verifier.overlap import exact_probabilities, priced_probabilities
from optimizer.verifier.rule_counts import Counting, check_left
from optimizer.verifier.set_rules import SetRules, is_under
from optimizer.verifier.window_clock import HALF_HOURS_PER_WEEK, WindowClock
from optimizer.verifier.write_order import CappedGroup, check_order

TOLERANCE = 1e-5
"""Relative difference between two figures that counts as rounding."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Figures that a plan states.

    Parameters
    ----------
    cost
        Value of the whole objective.
    overlaps
        Expected number of overlapping snapshots within services, per 30 days, by the probability that has a price.
    exact_overlaps
        The same by the exact probability; None if the plan does not state it.
    working_hours_starts
        Expected number of backups that start in working hours, per 30 days.
    peak
        Largest number of overlapping windows of one service in one half hour.
    bound
        Lower bound, which must not exceed the cost without the spreading costs.
    weighted_overlaps
        Overlaps, each multiplied by the smaller weight of its two VMs; None if no VM has a weight.
    spreading_costs
        Part of the cost that spreads services; never below 0.
    """

    cost: float
    overlaps: float
    working_hours_starts: float
    peak: int
    bound: float = -math.inf
    weighted_overlaps: float | None = None
    spreading_costs: float = 0.0
    exact_overlaps: float | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """State before and after a plan, with everything that the verifier needs.

    Parameters
    ----------
    before, after
        Inventory today and after every change of the plan.  Both have the same items in the same order.
    rules
        Rules of the plan.
    risk, credit
        Risk table of shape (V, 48), and the share of a gain in risk that counts for each VM, of shape (V,).
    own
        Shape (V,): whether a VM's own history is the evidence.  If it is not, its risk must not grow.
    starts
        Length V: starts as ``HH:MM`` that the schedule states.
    changes
        Changes of the plan, in their order.
    moved_on
        Day of the last move of VMs that were moved before, by VM id.
    left
        For a plan that keeps the rules only in part: the number of VMs that, according to the plan, break each rule
        that is broken today.  None: every rule must hold.
    """

    before: Inventory
    after: Inventory
    rules: Rules
    risk: npt.NDArray[np.float64]
    credit: npt.NDArray[np.float64]
    own: npt.NDArray[np.bool_]
    starts: Sequence[str]
    changes: Sequence[Change]
    moved_on: Mapping[ArmId, date] = field(default_factory=dict)
    left: Mapping[str, int] | None = None


def verify(checked: Checked, claims: Claims) -> list[str]:
    """All faults of a plan, in words; empty for a plan without faults."""
    faults = _check_items(checked)
    if faults:
        return faults
    clock = WindowClock(checked.before)
    faults += _check_policies(checked)
    faults += _check_single_vms(checked, clock)
    faults += _check_caps(checked, clock)
    sets = SetRules(checked.before, checked.rules, clock)
    starts, today = [_option(text) for text in checked.starts], _starts_today(checked)
    faults += sets.broken(starts, None if checked.left is None else today, settled=True)
    if checked.left is not None:
        counting = Counting(
            checked.before,
            clock,
            sets,
            lambda item: rules_of(checked.before, checked.rules, item),
            lambda item: capped_groups(checked.before, checked.rules, item),
            stays,
        )
        faults += check_left(counting.breaking(today), counting.breaking(starts), checked.left)
    faults += check_order(
        checked.before,
        checked.rules,
        checked.changes,
        clock,
        sets,
        lambda item: capped_groups(checked.before, checked.rules, item),
    )
    moved = sum(_moved(checked, row) for row in range(len(checked.starts)))
    if checked.rules.max_moves is not None and moved > checked.rules.max_moves:
        faults.append(f"{moved} VMs move, allowed are {checked.rules.max_moves}")
    faults += _check_policy_writes(checked)
    return faults + _check_figures(checked, clock, claims)


def require_verified(checked: Checked, claims: Claims) -> None:
    """Refuse a plan in which the verifier finds faults.

    Raises
    ------
    VerificationError
        The plan has faults and must not be shown; the message contains the first ones.
    """
    faults = verify(checked, claims)
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise VerificationError(
            "the plan did not pass its verification and is not written; please report this as a bug: "
            + "; ".join(faults[:5])
            + more
        )


def _option(text: str) -> int:
    return int(text[:2]) * 2 + int(text[3:]) // 30


def _starts_today(checked: Checked) -> list[int]:
    return [checked.before.policy(item).start for item in checked.before.items]


def _moved(checked: Checked, row: int) -> bool:
    before = checked.before.policy(checked.before.items[row])
    return _option(checked.starts[row]) != before.start


def _counted_risk(checked: Checked, row: int, today: int, option: int) -> float:
    """Risk at an option: an increase over today counts in full, a decrease only in the share that is credited."""
    before, after = float(checked.risk[row, today]), float(checked.risk[row, option])
    return after if after >= before else before - float(checked.credit[row]) * (before - after)


def _move_price(checked: Checked, row: int) -> float:
    prices, before = checked.rules.prices, checked.before
    moved_on = checked.moved_on.get(before.items[row].vm_id)
    if moved_on is not None and (before.as_of.astimezone(UTC).date() - moved_on).days <= prices.recent_days:
        return max(prices.move, prices.move_recent)
    return prices.move


def _check_items(checked: Checked) -> list[str]:
    before = [(item.vm_id, item.vault_id) for item in checked.before.items]
    after = [(item.vm_id, item.vault_id) for item in checked.after.items]
    if before != after or len(before) != len(checked.starts):
        return ["the plan loses, adds or swaps items"]
    gone = checked.before.policies.keys() - checked.after.policies.keys()
    return [f"the plan loses policy {policy_id}" for policy_id in sorted(gone)]


def _check_policies(checked: Checked) -> list[str]:
    """Check that starts match the policies, that policies are twins, that limits hold, and that no excess grows."""
    faults = []
    limits = checked.rules.policies
    for row, (old_item, item) in enumerate(zip(checked.before.items, checked.after.items, strict=True)):
        old, new = checked.before.policy(old_item), checked.after.policy(item)
        if new.start != _option(checked.starts[row]):
            faults.append(f"{item.vm_id}: the schedule says {checked.starts[row]}, policy {new.name!r} another time")
        if new.twin_key != old.twin_key or new.vault_id != old.vault_id:
            faults.append(f"{item.vm_id}: policy {new.name!r} is not a twin of {old.name!r}")
        if old_item.unwritable and (new.id != old.id or new.start != old.start):
            faults.append(f"{item.vm_id}: is written although {old_item.unwritable}")
        rules = rules_of(checked.before, checked.rules, old_item)
        if new.id != old.id and any(rule.exclude or rule.pin for rule in rules):
            why = "excluded" if any(rule.exclude for rule in rules) else "pinned"
            faults.append(f"{item.vm_id}: is written although it is {why}")
    members_before, members_after = (_members(inventory) for inventory in (checked.before, checked.after))
    most = vm_limit(limits, checked.before)
    for policy_id, members in members_after.items():
        size = len(members) + checked.before.unknown_items.get(policy_id, 0)
        limit = most.existing if policy_id in checked.before.policies else most.new
        if size > limit and not members <= members_before[policy_id]:
            faults.append(f"policy {policy_id} holds {size} VMs, and not only those of today")
    for vault_id in checked.after.vaults:
        count, was = checked.after.policies_in_vault(vault_id), checked.before.policies_in_vault(vault_id)
        if count > max(limits.max_policies_per_vault, was):
            faults.append(f"vault {vault_id} holds {count} policies")
    return faults + _check_edits(checked)


def _check_edits(checked: Checked) -> list[str]:
    """Check that only policies that may be edited get another time, and none with unplanned items."""
    faults = []
    for policy_id, policy in checked.before.policies.items():
        if checked.after.policies[policy_id].start == policy.start:
            continue
        strangers = checked.before.unknown_items.get(policy_id, 0)
        if not checked.rules.policies.edit:
            faults.append(f"policy {policy.name!r} is edited although policies.edit is false")
        if policy.is_default:
            faults.append(f"policy {policy.name!r} is edited although Azure manages default policies itself")
        if policy.one_way:
            faults.append(f"policy {policy.name!r} is edited although Azure would refuse its present body")
        if strangers:
            faults.append(f"policy {policy.name!r} is edited although it holds {strangers} items that nobody knows")
    return faults


def _check_policy_writes(checked: Checked) -> list[str]:
    """Check that no more policies are created or edited than the rules allow, in total and per place of the budget."""
    rules, limits = checked.rules, checked.rules.policies
    written: Counter[Caseless] = Counter()
    for policy_id, policy in checked.after.policies.items():
        old = checked.before.policies.get(policy_id)
        if old is None or old.start != policy.start:
            vault = checked.before.vault(policy)
            in_vault = limits.scope == "vault" or not vault.subscription
            written[vault.id if in_vault else vault.subscription] += 1
    faults = []
    if rules.max_policy_writes is not None and written.total() > rules.max_policy_writes:
        faults.append(f"{written.total()} policies are written, allowed are {rules.max_policy_writes}")
    if rules.budget_days is not None:
        most = rules.budget_days * limits.max_writes_per_day
        faults += [
            f"{count} policies are written in {place}, allowed are {most} in {rules.budget_days} days"
            for place, count in written.items()
            if count > most
        ]
    return faults


def _members(inventory: Inventory) -> defaultdict[ArmId, set[ArmId]]:
    members: defaultdict[ArmId, set[ArmId]] = defaultdict(set)
    for item in inventory.items:
        members[item.policy_id].add(item.vm_id)
    return members


def rules_of(inventory: Inventory, rules: Rules, item: ProtectedItem) -> list[Rule]:
    """Rules that apply to the VM of an item."""
    vm, vault = inventory.vm(item), inventory.vault(item)
    frequency = inventory.policy(item).recurrence.frequency
    return [rule for rule in rules.rule if is_under(rule, vm, vault, frequency)]


def _check_single_vms(checked: Checked, clock: WindowClock) -> list[str]:
    """Check pins, exclusions, windows, Azure's grid and the limit on risk."""
    faults = []
    for row, item in enumerate(checked.before.items):
        policy, option = checked.before.policy(item), _option(checked.starts[row])
        rules = rules_of(checked.before, checked.rules, item)
        left_alone = stays(item, rules)
        if _moved(checked, row) and left_alone:
            faults.append(f"{item.vm_id}: moves although it must stay")
        tolerated = left_alone or (checked.left is not None and not _moved(checked, row))
        broken = [rule for rule in rules if not tolerated and not clock.fits(rule, policy, option)]
        faults += [f"{item.vm_id}: {checked.starts[row]} breaks rule {rule.name!r}" for rule in broken]
        if option not in policy.recurrence.options(policy.start):
            faults.append(f"{item.vm_id}: Azure does not accept {checked.starts[row]}")
        if option != policy.start:
            most = _most_risk(checked, row, _open_starts(checked, clock, row))
            if checked.risk[row, option] > most + TOLERANCE:
                increase = round(most - checked.risk[row, policy.start], 6)
                faults.append(f"{item.vm_id}: its risk grows by more than {increase:g}")
    return faults


def stays(item: ProtectedItem, rules: Sequence[Rule]) -> bool:
    """Whether a VM is immovable: pinned, excluded, or unwritable because of its state in Azure.

    Parameters
    ----------
    item
        Item of the VM.
    rules
        Rules that apply to the VM.
    """
    return bool(item.unwritable) or any(rule.pin or rule.exclude for rule in rules)


def _most_risk(checked: Checked, row: int, open_starts: Sequence[int]) -> float:
    """Highest risk that one VM may have at a start, in at-risk backups per 30 days.

    If the planner did not write a limit and every open start exceeds the default one, the limit counts from the
    smallest risk among the open starts.
    """
    allowance = checked.rules.max_risk_increase if checked.own[row] else 0.0
    ceiling = float(checked.risk[row, checked.before.policy(checked.before.items[row]).start]) + allowance + 1e-9
    least = min((float(checked.risk[row, t]) for t in open_starts), default=ceiling)
    written = "max_risk_increase" in checked.rules.model_fields_set
    return ceiling if written or least <= ceiling else least + allowance + 1e-9


def _check_caps(checked: Checked, clock: WindowClock) -> list[str]:
    """Check ``max_concurrent`` and ``separate = true``; immovable VMs may overlap as today, but without other VMs."""
    faults = []
    for rule in checked.rules.rule:
        if rule.max_concurrent is None and rule.separate is not True:
            continue
        met: Counter[tuple[str, int]] = Counter()
        standing: Counter[tuple[str, int]] = Counter()
        met_today: Counter[tuple[str, int]] = Counter()
        for row, item in enumerate(checked.before.items):
            rules = rules_of(checked.before, checked.rules, item)
            if rule in rules:
                group = counted_within(rule, checked.before, item)
                left_alone = stays(item, rules)
                for moment in clock.half_hours(checked.before.policy(item), _option(checked.starts[row])):
                    met[group, moment] += 1
                    standing[group, moment] += left_alone
                for moment in _half_hours_tolerated(checked, clock, item):
                    met_today[group, moment] += 1
        most = 1 if rule.max_concurrent is None else rule.max_concurrent
        too_many = [count for place, count in met.items() if count > max(most, standing[place], met_today[place])]
        if too_many:
            allowed = "against 'separate'" if rule.separate is True else f"allowed are {most}"
            faults.append(f"rule {rule.name!r}: {max(too_many)} windows meet, {allowed}")
    return faults


def _half_hours_tolerated(checked: Checked, clock: WindowClock, item: ProtectedItem) -> Iterable[int]:
    """Half hours of an item's windows today in which an excess over a cap may remain."""
    policy = checked.before.policy(item)
    return () if checked.left is None else clock.half_hours(policy, policy.start)


def capped_groups(inventory: Inventory, rules: Rules, item: ProtectedItem) -> list[CappedGroup]:
    """Rules that count the windows of an item, each with the service or vault within which it counts them."""
    counting = [rule for rule in rules.rule if rule.max_concurrent is not None or rule.separate is True]
    if not counting:
        return []
    vm, vault, frequency = inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
    return [
        CappedGroup(rule, counted_within(rule, inventory, item))
        for rule in counting
        if is_under(rule, vm, vault, frequency)
    ]


def counted_within(rule: Rule, inventory: Inventory, item: ProtectedItem) -> str:
    """Service or vault within which a rule counts an item; empty if the rule counts all its VMs together."""
    if rule.per is None and rule.separate is True:
        return ""
    vm = inventory.vm(item)
    return item.vault_id.key if rule.per == "vault" else vm.service or str(vm.id)


def _check_figures(checked: Checked, clock: WindowClock, claims: Claims) -> list[str]:
    """Compare the objective, term by term, with the figures that the plan states."""
    prices, hours, weights = checked.rules.prices, checked.rules.working_hours, _weights(checked)
    met: Counter[tuple[str, int]] = Counter()
    starts: Counter[tuple[ArmId, int]] = Counter()
    total = in_hours = 0.0
    for row, item in enumerate(checked.before.items):
        policy, option, vm = checked.before.policy(item), _option(checked.starts[row]), checked.before.vm(item)
        days = 7 / len({day for day, _ in clock.wall_times(policy, policy.start)})
        total += weights[row] * days * _counted_risk(checked, row, policy.start, option)
        total += _move_price(checked, row) * _moved(checked, row)
        started, starting = (clock.starts_within(hours, policy, t) * 30 / 7 for t in (policy.start, option))
        total += prices.working_hours * max(0.0, starting - started)
        in_hours += starting
        for moment in clock.half_hours(policy, option):
            met[vm.service or str(vm.id), moment] += 1
        for moment in clock.starts(policy, option):
            starts[item.vault_id, moment] += 1
    overlaps = _overlaps(checked, clock, weights)
    total += sum(one.weighted * _price_of_overlap(prices, one.num_vms, one.together) for one in overlaps)
    total += prices.vault_peak * _starts_above_share(checked, clock, starts) / 7
    created = len(checked.after.policies) - len(checked.before.policies)
    edited = sum(
        checked.after.policies[policy_id].start != policy.start
        for policy_id, policy in checked.before.policies.items()
    )
    total += prices.policy_write * (created + edited)
    peak = max(met.values(), default=0)
    faults = []
    counted = sum(one.count for one in overlaps)
    exact = sum(one.exact for one in overlaps)
    weighted = counted if claims.weighted_overlaps is None else claims.weighted_overlaps
    for name, stated, found in (
        ("cost", claims.cost, total),
        ("expected overlaps", claims.overlaps, counted),
        ("exact overlaps", exact if claims.exact_overlaps is None else claims.exact_overlaps, exact),
        ("weighted overlaps", weighted, sum(one.weighted for one in overlaps)),
        ("expected starts in working hours", claims.working_hours_starts, in_hours),
        ("peak concurrency", claims.peak, peak),
    ):
        if not abs(stated - found) <= TOLERANCE * (1 + abs(found)):  # in this form, NaN is a fault as well
            faults.append(f"the plan states {name} {stated:.6f}, it is {found:.6f}")
    if not claims.spreading_costs >= 0:
        faults.append(f"the plan states spreading costs {claims.spreading_costs:.6f}, below 0")
    if not claims.bound <= claims.cost - claims.spreading_costs + TOLERANCE:
        less = f" without {claims.spreading_costs:.6f} for spread services" if claims.spreading_costs else ""
        faults.append(f"the bound {claims.bound:.6f} is above the cost {claims.cost:.6f}{less}")
    return faults


def _weights(checked: Checked) -> list[float]:
    """Weight of each VM's risk and overlaps: the largest weight that a rule gives it."""
    given = [rules_of(checked.before, checked.rules, item) for item in checked.before.items]
    return [max((rule.weight for rule in rules if rule.weight is not None), default=1.0) for rules in given]


@dataclass(frozen=True, slots=True)
class _ServiceOverlaps:
    """Expected overlapping snapshots of a service in 30 days.

    ``count`` is by the probability that has a price, ``weighted`` is this times the smaller weight of both VMs, and
    ``exact`` is by the exact probability.  ``together`` is the probability with a price for two VMs that start at the
    same time.
    """

    count: float
    weighted: float
    exact: float
    together: float
    num_vms: int


def _overlaps(checked: Checked, clock: WindowClock, weights: Sequence[float]) -> list[_ServiceOverlaps]:
    """Expected overlapping snapshots of each service."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(checked.before.items):
        vm = checked.before.vm(item)
        members[vm.service or str(vm.id)].append(row)
    found = []
    for name, rows in members.items():
        timing = checked.before.service_timing[name]
        priced, unpriced = priced_probabilities(timing), exact_probabilities(timing)
        plain = weighted = exact = 0.0
        for clock_changed in (False, True):
            runs: defaultdict[float, Counter[int]] = defaultdict(Counter)
            for row in rows:
                policy = checked.before.policy(checked.before.items[row])
                runs[weights[row]].update(
                    clock.starts(policy, _option(checked.starts[row]), clock_changed=clock_changed)
                )
            for weight, other in combinations_with_replacement(runs, 2):
                alike = weight == other
                pairs = _expected_pairs(runs[weight], runs[other], priced, alike=alike)
                exact += _expected_pairs(runs[weight], runs[other], unpriced, alike=alike)
                plain += pairs
                weighted += min(weight, other) * pairs
        plain, weighted, exact = (pairs / 2 * 30 / 7 for pairs in (plain, weighted, exact))
        found.append(_ServiceOverlaps(plain, weighted, exact, priced[0], len(rows)))
    return found


def _expected_pairs(runs: Counter[int], others: Counter[int], probabilities: Sequence[float], *, alike: bool) -> float:
    """Expected overlaps of two kinds of runs in a week; ``alike``: both arguments are the same runs."""
    expected = 0.0
    for moment, count in runs.items():
        expected += probabilities[0] * (count * (count - 1) / 2 if alike else count * others[moment])
        for apart, probability in enumerate(probabilities[1:], start=1):
            expected += probability * count * others[(moment + apart) % HALF_HOURS_PER_WEEK]
            if not alike:
                expected += probability * count * others[(moment - apart) % HALF_HOURS_PER_WEEK]
    return expected


def _price_of_overlap(prices: Prices, num_vms: int, probability: float) -> float:
    """Price of an overlap in a service; higher in a small one, so that all its VMs at once cost ``all_at_once``."""
    pairs = num_vms * (num_vms - 1) / 2
    together = 30 * probability * pairs
    return max(prices.snapshot_overlap, prices.all_at_once / together) if pairs else 0.0


def _starts_above_share(checked: Checked, clock: WindowClock, starts: Counter[tuple[ArmId, int]]) -> float:
    """Starts above a vault's fair share, summed over the half hours of a week."""
    usable: dict[ArmId, set[int]] = defaultdict(set)
    weekly: Counter[ArmId] = Counter()
    for row, item in enumerate(checked.before.items):
        vault = item.vault_id
        policy = checked.before.policy(item)
        weekly[vault] += len(clock.starts(policy, policy.start))
        for option in _usable_options(checked, clock, row):
            usable[vault].update(moment % 48 for moment in clock.starts(policy, option))
    excess = 0
    for vault, count in weekly.items():
        share = math.ceil(count / 7 / max(1, len(usable[vault])) - 1e-12)
        excess += sum(max(0, n - share) for (where, _), n in starts.items() if where == vault)
    return excess


def _usable_options(checked: Checked, clock: WindowClock, row: int) -> list[int]:
    """Options that the rules and limits allow one VM."""
    options = _open_starts(checked, clock, row)
    most = _most_risk(checked, row, options)
    return [t for t in options if checked.risk[row, t] <= most]


def _open_starts(checked: Checked, clock: WindowClock, row: int) -> list[int]:
    """Options that pins, windows and Azure allow one VM, regardless of its risk there."""
    item = checked.before.items[row]
    policy, rules = checked.before.policy(item), rules_of(checked.before, checked.rules, item)
    if stays(item, rules):
        return [policy.start]
    return [t for t in policy.recurrence.options(policy.start) if all(clock.fits(rule, policy, t) for rule in rules)]
