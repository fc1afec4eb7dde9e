"""Builds the :class:`~optimizer.solve.problem.instance.Instance` from inventory, risk and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.pattern import Pattern
from optimizer.model.policy_limits import VmLimit, vm_limit
from optimizer.model.rule_matches import matching_items
from optimizer.model.rules import Prices, Rule, Rules
from optimizer.model.set_constraints import gates_between
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import NUM_OPTIONS, SLOT_MINUTES, SLOTS_PER_DAY
from optimizer.model.weights import item_weights, risk_weights
from optimizer.risk import RiskTable
from optimizer.solve.problem.instance import ExistingPolicy, Instance, OverlapRows, WriteLimit
from optimizer.solve.problem.restrict import Restrictions
from optimizer.solve.problem.rows import RowBuilder

MAX_POLICY_WRITES = "max_policy_writes"
BUDGET_DAYS = "budget_days"


def build_instance(
    inventory: Inventory,
    table: RiskTable,
    rules: Rules,
    restrictions: Restrictions,
    recently_moved: Mapping[ArmId, date] | None = None,
) -> Instance:
    """Build the constraint problem.

    Parameters
    ----------
    inventory
        What is protected.
    table
        Risk of each option of each item.
    rules
        Prices, limits and caps.
    restrictions
        Options that the rules on single VMs leave, from :func:`~optimizer.solve.problem.restrict.restrict_options`.
    recently_moved
        Day of the last move of each VM that was moved before, by VM id.
    """
    policies = [inventory.policy(item) for item in inventory.items]
    today = np.array([policy.start for policy in policies], dtype=np.int64)
    vaults = {vault_id: n for n, vault_id in enumerate(inventory.vaults)}
    keys, patterns, key_pattern = _twin_keys(inventory)
    key = np.array([keys[policy.vault_id, policy.twin_key] for policy in policies], dtype=np.int64)
    key_vault = np.array([vaults[vault_id] for vault_id, _ in keys], dtype=np.int64)
    services, service = _services(inventory)
    vm_pattern = key_pattern[key]

    builder = RowBuilder(patterns, vm_pattern)
    caps = _cap_groups(inventory, rules)
    weight = item_weights(inventory, rules)
    risk_weight = risk_weights(inventory, weight)
    _add_services(builder, service, [inventory.service_timing[name] for name in services], weight, rules.prices)
    _add_vaults(builder, key_vault[key], restrictions.allowed, rules.prices.vault_peak)
    _add_caps(builder, caps)
    vm_class, touched = builder.classes()
    stays = ~restrictions.movable
    rows = _with_standing(builder.rows(), touched[vm_class[stays], today[stays]])
    limit = vm_limit(rules.policies, inventory)
    existing, unknown, counted_today, editable = policies_of_keys(inventory, rules, limit, keys, restrictions.movable)
    moved = np.arange(NUM_OPTIONS)[None, :] != today[:, None]
    move_price = _move_prices(inventory, rules, recently_moved or {})
    working_hours = _working_hours_prices(inventory, rules)
    return Instance(
        linear=risk_weight[:, None] * table.cost + move_price[:, None] * moved + working_hours,
        working_hours=working_hours,
        tie_rank=_tie_ranks(inventory, rules) * moved,
        risk=table.reported,
        allowed=restrictions.allowed,
        today=today,
        movable=restrictions.movable,
        weight=weight,
        risk_weight=risk_weight,
        key=key,
        service=service,
        vm_class=vm_class,
        key_vault=key_vault,
        existing=existing,
        unknown=unknown,
        counted_today=counted_today,
        touched=touched,
        rows=rows,
        policies=editable,
        vault_room=room_of_vaults(inventory, rules),
        move_price=move_price,
        policy_write_price=rules.prices.policy_write,
        max_moves=rules.max_moves,
        vms_per_new_policy=limit.new,
        vms_per_existing_policy=limit.existing,
        cap_names=tuple(rule.name for rule, _ in caps),
        write_limits=_write_limits(inventory, rules, key, key_vault),
        gates=gates_between(inventory, rules, ~restrictions.movable),
    )


def _services(inventory: Inventory) -> tuple[list[str], IntArray]:
    """Names of the services, and the index of each VM's service; shape (V,)."""
    numbers: dict[str, int] = {}
    names = [inventory.vm(item).service_name for item in inventory.items]
    return list(dict.fromkeys(names)), np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def room_of_vaults(inventory: Inventory, rules: Rules) -> IntArray:
    """Number of policies that may still be created in each vault; shape (num_vaults,)."""
    most = rules.policies.max_policies_per_vault
    room = [max(0, most - inventory.policies_in_vault(vault_id)) for vault_id in inventory.vaults]
    return np.array(room, dtype=np.int64)


def number_twin_keys(inventory: Inventory) -> dict[tuple[ArmId, str], int]:
    """Index of each twin key, by vault id and key."""
    places = ((policy.vault_id, policy.twin_key) for policy in inventory.policies.values())
    return {identity: number for number, identity in enumerate(dict.fromkeys(places))}


def _twin_keys(inventory: Inventory) -> tuple[dict[tuple[ArmId, str], int], list[Pattern], IntArray]:
    """Index of each twin key, the patterns of the week, and the index of each key's pattern, shape (K,)."""
    keys: dict[tuple[ArmId, str], int] = {}
    patterns: dict[Pattern, int] = {}
    key_pattern: list[int] = []
    for policy in inventory.policies.values():
        identity = (policy.vault_id, policy.twin_key)
        if identity not in keys:
            keys[identity] = len(keys)
            key_pattern.append(patterns.setdefault(inventory.pattern(policy), len(patterns)))
    return keys, list(patterns), np.array(key_pattern, dtype=np.int64)


def _move_prices(inventory: Inventory, rules: Rules, recently_moved: Mapping[ArmId, date]) -> FloatArray:
    """Price of moving each VM; shape (V,)."""
    prices = np.full(len(inventory.items), rules.prices.move)
    for row, item in enumerate(inventory.items):
        moved_on = recently_moved.get(item.vm_id)
        if moved_on is not None and rules.prices.is_recent(moved_on, inventory.as_of):
            prices[row] = rules.prices.move_again
    return prices


def _working_hours_prices(inventory: Inventory, rules: Rules) -> FloatArray:
    """Price of the expected starts in working hours beyond those at today's start, at each option; shape (V, 48)."""
    prices = np.zeros((len(inventory.items), NUM_OPTIONS))
    for row, item in enumerate(inventory.items):
        policy = inventory.policy(item)
        starts = rules.working_hours.starts(policy.recurrence, inventory.timing(policy))
        prices[row] = rules.prices.working_hours * np.maximum(starts - starts[policy.start], 0.0)
    return prices


def _tie_ranks(inventory: Inventory, rules: Rules) -> IntArray:
    """Rank of each VM's starts, from 1 for the one farthest from working hours, in steps of 30 min; shape (V, 48)."""
    ranks = np.ones((len(inventory.items), NUM_OPTIONS), dtype=np.int64)
    for row, item in enumerate(inventory.items):
        distance = rules.working_hours.distance(inventory.policy(item).recurrence)
        ranks[row] += (distance.max() - distance) // SLOT_MINUTES
    return ranks


def _write_limits(inventory: Inventory, rules: Rules, key: IntArray, key_vault: IntArray) -> tuple[WriteLimit, ...]:
    """Limits from ``max_policy_writes`` and from ``budget_days`` times the daily writes of each vault or subscription.

    A limit that cannot bind is left out: every write serves at least one VM of its twin key, so a limit of at least
    the number of VMs never binds.
    """
    limits = []
    if rules.max_policy_writes is not None:
        limits.append(WriteLimit(MAX_POLICY_WRITES, tuple(range(len(key_vault))), rules.max_policy_writes))
    if rules.budget_days is not None:
        limit = rules.budget_days * rules.policies.max_writes_per_day
        limits += [WriteLimit(name, keys, limit) for name, keys in _budgets(inventory, rules, key_vault)]
    vms_of_key = np.bincount(key, minlength=len(key_vault))
    return tuple(limit for limit in limits if limit.limit < vms_of_key[list(limit.keys)].sum())


def _budgets(inventory: Inventory, rules: Rules, key_vault: IntArray) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each vault or subscription that has a budget of writes: the name of the limit, and its keys."""
    scope, vaults = rules.policies.scope, inventory.vaults.values()
    owners = [vault.id if scope == "vault" else vault.subscription or vault.id for vault in vaults]
    names = {owner: vault.name if scope == "vault" else owner for owner, vault in zip(owners, vaults, strict=True)}
    for owner, name in names.items():
        keys = tuple(k for k, vault in enumerate(key_vault.tolist()) if owners[vault] == owner)
        yield f"{BUDGET_DAYS} of {scope} {name!r}", keys


def _add_services(
    builder: RowBuilder, service: IntArray, timings: Sequence[SnapshotTiming], weight: FloatArray, prices: Prices
) -> None:
    """Add the rows of services with several VMs."""
    for group, members in enumerate(_members(service)):
        if len(members) > 1:
            timing = timings[group]
            price = timing.price_per_overlap(prices.snapshot_overlap, prices.all_at_once, len(members))
            builder.add_service(group, members, price, weight[members], timing.boxes)


def _add_vaults(builder: RowBuilder, vault: IntArray, allowed: BoolArray, peak_price: float) -> None:
    """Add the rows of starts in each vault."""
    for group, members in enumerate(_members(vault)):
        if len(members):
            share = _fair_share(members, builder.vm_pattern, allowed, builder.starts)
            builder.add_vault(group, members, peak_price, share)


def _add_caps(builder: RowBuilder, caps: Sequence[tuple[Rule, IntArray]]) -> None:
    """Add the rows of caps that can bind."""
    for group, (rule, members) in enumerate(caps):
        if rule.cap is not None and len(members) > rule.cap:
            builder.add_cap(group, members, rule.cap)


def _members(group_of: IntArray) -> list[IntArray]:
    """VMs of each group, by the group's index."""
    order = np.argsort(group_of, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group_of))[:-1])


def _cap_groups(inventory: Inventory, rules: Rules) -> list[tuple[Rule, IntArray]]:
    """Groups of VMs whose windows are counted or kept apart, each with its rule and the VMs' indices."""
    groups: list[tuple[Rule, IntArray]] = []
    for rule in rules.rule:
        if rule.cap is None:
            continue
        by_value: dict[str, list[int]] = {}
        for row in np.flatnonzero(matching_items(inventory, rule)).tolist():
            item = inventory.items[row]
            value = rule.group_of(inventory.vm(item), inventory.vault(item))
            by_value.setdefault(value, []).append(row)
        groups += [(rule, np.array(members)) for members in by_value.values()]
    return groups


def _with_standing(rows: OverlapRows, touched: IntArray) -> OverlapRows:
    """Raise caps that immovable VMs exceed today: these VMs may stay, but no other VM may join them.

    Parameters
    ----------
    rows
        Rows with the caps of the rules.
    touched
        Shape (num_immovable, W): rows that each immovable VM touches today.
    """
    standing = np.bincount(touched.ravel(), minlength=len(rows) + 1)[: len(rows)]
    return replace(rows, cap=np.maximum(rows.cap, standing))


def _fair_share(members: IntArray, vm_pattern: IntArray, allowed: BoolArray, starts: BoolArray) -> int:
    """Number of starts of a vault in one half hour that cost nothing.

    It is ``ceil(starts per day / half hours of the day in which any of its VMs may start)``.
    """
    usable = np.zeros(SLOTS_PER_DAY, dtype=np.bool_)
    weekly_starts = 0
    for pattern in np.unique(vm_pattern[members]).tolist():
        mine = members[vm_pattern[members] == pattern]
        options = allowed[mine].any(axis=0)
        usable |= starts[pattern, options].any(axis=0).reshape(7, SLOTS_PER_DAY).any(axis=0)
        weekly_starts += len(mine) * int(starts[pattern, 0].sum())
    return -(-weekly_starts // (7 * max(1, int(usable.sum()))))


def policies_of_keys(
    inventory: Inventory,
    rules: Rules,
    limit: VmLimit,
    keys: Mapping[tuple[ArmId, str], int],
    movable: BoolArray,
) -> tuple[IntArray, IntArray, BoolArray, tuple[ExistingPolicy, ...]]:
    """Policies that can take VMs, their unplanned items, VMs that are counted today, and all of today's policies.

    A policy that exceeds its limit today takes no further VM: its VMs may stay without being counted, and it does not
    count as existing for other VMs. A policy with more VMs than a new policy may have is not edited; its VMs are moved
    one by one.
    """
    existing = np.zeros((len(keys), NUM_OPTIONS), dtype=np.int64)
    unknown = np.zeros_like(existing)
    counted = np.ones(len(inventory.items), dtype=np.bool_)
    policies = []
    for policy_id, policy in inventory.policies.items():
        k = keys[policy.vault_id, policy.twin_key]
        rows = inventory.items_by_policy[policy_id]
        strangers = inventory.unknown_items[policy_id]
        over = inventory.policy_sizes[policy_id] > limit.existing
        if over:
            counted[list(rows)] = False
        else:
            existing[k, policy.start] += 1
            unknown[k, policy.start] += strangers
        all_ours = bool(rows) and strangers == 0
        unpinned = rules.policies.edit and all_ours and len(rows) <= limit.new and policy.may_be_edited
        editable = unpinned and bool(movable[list(rows)].all())
        policies.append(ExistingPolicy(k, policy.start, rows, editable, unpinned))
    return existing, unknown, counted, tuple(policies)
