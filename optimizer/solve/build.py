"""Inventory, risk and rules -> :class:`~optimizer.solve.instance.Instance`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.inventory import Inventory, Vm
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import NUM_OPTIONS, SLOTS_PER_DAY, SLOTS_PER_WEEK, Pattern
from optimizer.risk.table import RiskTable
from optimizer.solve.instance import NO_CAP, BoolArray, ExistingPolicy, Instance, IntArray, RowKind, Rows
from optimizer.solve.windows import options_allowed

RISK_TOLERANCE = 1e-9
"""Slack of comparisons between risks, which are rounded to 1e-6."""

AZURE_GRID = "Azure's limits on hourly windows"
RISK_INCREASE = "max_risk_increase"
NO_HISTORY = "too little history to accept a higher risk"


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Why single options are forbidden.

    Parameters
    ----------
    allowed
        Shape (V, 48): options that nothing forbids.
    forbidden_by
        Name of a rule or limit -> shape (V, 48), True where it forbids; names in the order of the rules.
    movable
        Shape (V,): False for VMs that stay where they are.
    stays_because
        Row of a VM that stays -> why.
    exempt
        Rows of VMs that are never written and therefore not held to the windows of the rules, with the rule's name.
    """

    allowed: BoolArray
    forbidden_by: dict[str, BoolArray]
    movable: BoolArray
    stays_because: dict[int, str]
    exempt: tuple[tuple[int, str], ...]


def restrict_options(inventory: Inventory, rules: Rules, table: RiskTable, snapshot_minutes: int) -> Restrictions:
    """Apply every rule and limit that concerns one VM alone.

    Pinned VMs are held to the windows of other rules (a contradiction is the planner's to solve); VMs that are
    excluded, or that must not be written for their state in Azure, are not: nothing could be done about them.
    """
    items = inventory.items
    shape = (len(items), NUM_OPTIONS)
    today = np.array([inventory.policy(item).start for item in items], dtype=np.int64)
    stays_because: dict[int, str] = {}
    never_written = np.zeros(len(items), dtype=np.bool_)
    matches = {rule.name: _matching(inventory, rule) for rule in rules.rule}
    for row, item in enumerate(items):
        if item.unwritable:
            stays_because[row] = item.unwritable
            never_written[row] = True
    for rule in rules.rule:
        for row in np.flatnonzero(matches[rule.name]).tolist() if rule.pin or rule.exclude else ():
            stays_because.setdefault(row, f"{'excluded' if rule.exclude else 'pinned'} by rule {rule.name!r}")
            never_written[row] |= rule.exclude

    forbidden: dict[str, BoolArray] = {}
    exempt: list[tuple[int, str]] = []
    for rule in rules.rule:
        if rule.allow or rule.forbid:
            mask = _window_mask(inventory, rule, matches[rule.name], snapshot_minutes)
            hit = mask[np.arange(len(items)), today] & never_written
            exempt += [(row, rule.name) for row in np.flatnonzero(hit).tolist()]
            mask[never_written] = False
            forbidden[rule.name] = mask
    stays = np.zeros(shape, dtype=np.bool_)
    for row, reason in stays_because.items():
        stays[row] = np.arange(NUM_OPTIONS) != today[row]
        forbidden.setdefault(reason, np.zeros(shape, dtype=np.bool_))[row] = stays[row]

    grid = np.ones(shape, dtype=np.bool_)
    for row, item in enumerate(items):
        grid[row, list(inventory.policy(item).recurrence.options(int(today[row])))] = False
    ceiling = table.today[:, None] + rules.max_risk_increase + RISK_TOLERANCE
    forbidden[RISK_INCREASE] = table.credited[:, None] & (table.risk > ceiling)
    forbidden[NO_HISTORY] = ~table.allowed
    forbidden[AZURE_GRID] = grid
    allowed = ~np.logical_or.reduce(list(forbidden.values()), axis=0)
    movable = np.array([row not in stays_because for row in range(len(items))], dtype=np.bool_)
    return Restrictions(allowed, forbidden, movable, stays_because, tuple(exempt))


def _matching(inventory: Inventory, rule: Rule) -> BoolArray:
    return np.array(
        [rule.where.matches(inventory.vm(item), inventory.vault(item)) for item in inventory.items], dtype=np.bool_
    )


def _window_mask(inventory: Inventory, rule: Rule, matching: BoolArray, snapshot_minutes: int) -> BoolArray:
    mask = np.zeros((len(inventory.items), NUM_OPTIONS), dtype=np.bool_)
    known: dict[tuple[Pattern, str], BoolArray] = {}
    for row in np.flatnonzero(matching).tolist():
        policy = inventory.policy(inventory.items[row])
        pattern = policy.pattern(inventory.horizon)
        place = (pattern, policy.timezone)
        if place not in known:
            known[place] = ~options_allowed(rule, *place, inventory.horizon, snapshot_minutes)
        mask[row] = known[place]
    return mask


@dataclass(slots=True)
class _RowBuilder:
    """Collects rows; half hours that a group meets alike become one row."""

    pair_price: list[float] = field(default_factory=list)
    peak_price: list[float] = field(default_factory=list)
    fair_share: list[int] = field(default_factory=list)
    cap: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    slot: list[int] = field(default_factory=list)
    kind: list[RowKind] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    merged: dict[tuple[RowKind, tuple[int, ...]], tuple[IntArray, IntArray, IntArray]] = field(default_factory=dict)

    def merge_slots(self, kind: RowKind, patterns: tuple[int, ...], meets: BoolArray) -> tuple[IntArray, ...]:
        """Row of each of the 336 slots (-1: never met), slots per row, first slot per row."""
        place = (kind, patterns)
        if place not in self.merged:
            columns = meets[list(patterns)].reshape(-1, SLOTS_PER_WEEK)
            _, first, row, count = np.unique(
                columns, axis=1, return_index=True, return_inverse=True, return_counts=True
            )
            row = row.ravel()
            used = columns[:, first].any(axis=0)
            renumber = np.where(used, np.cumsum(used) - 1, -1)
            self.merged[place] = (renumber[row], count[used], first[used])
        return self.merged[place]

    def add(
        self,
        kind: RowKind,
        group: int,
        size: int,
        slots: tuple[IntArray, ...],
        *,
        pair_price: float = 0.0,
        peak_price: float = 0.0,
        fair_share: int = 0,
        cap: int = NO_CAP,
    ) -> int:
        """Add the rows of one group; returns the index of the first."""
        begin = len(self.size)
        weights = slots[1] / 7
        self.pair_price += (pair_price * weights).tolist()
        self.peak_price += (peak_price * weights).tolist()
        self.weight += weights.tolist()
        self.slot += slots[2].tolist()
        count = len(weights)
        self.fair_share += [fair_share] * count
        self.cap += [cap] * count
        self.size += [size] * count
        self.kind += [kind] * count
        self.group += [group] * count
        return begin

    def rows(self) -> Rows:
        """The rows, frozen."""
        return Rows(
            np.array(self.pair_price, dtype=np.float64),
            np.array(self.peak_price, dtype=np.float64),
            np.array(self.fair_share, dtype=np.int64),
            np.array(self.cap, dtype=np.int64),
            np.array(self.size, dtype=np.int64),
            np.array(self.weight, dtype=np.float64),
            np.array(self.slot, dtype=np.int64),
            tuple(self.kind),
            np.array(self.group, dtype=np.int64),
        )


def build_instance(
    inventory: Inventory, table: RiskTable, rules: Rules, restrictions: Restrictions, snapshot_minutes: int
) -> Instance:
    """Write the problem down.

    Parameters
    ----------
    inventory
        What is protected.
    table
        Risk of each option of each item.
    rules
        Prices, limits and caps.
    restrictions
        Options left by rules on single VMs, of :func:`restrict_options`.
    snapshot_minutes
        Length of the snapshot at the end of a start window.
    """
    items = inventory.items
    num_vms = len(items)
    policies = [inventory.policy(item) for item in items]
    today = np.array([policy.start for policy in policies], dtype=np.int64)
    vaults = {vault_id: n for n, vault_id in enumerate(inventory.vaults)}
    keys: dict[tuple[str, str], int] = {}
    patterns: dict[Pattern, int] = {}
    key_pattern: list[int] = []
    for policy in inventory.policies.values():
        place = (policy.vault_id.lower(), policy.twin_key)
        if place not in keys:
            keys[place] = len(keys)
            pattern = policy.pattern(inventory.horizon)
            key_pattern.append(patterns.setdefault(pattern, len(patterns)))
    key = np.array([keys[policy.vault_id.lower(), policy.twin_key] for policy in policies], dtype=np.int64)
    key_vault = np.array([vaults[vault_id] for vault_id, _ in keys], dtype=np.int64)
    services: dict[str, int] = {}
    service = np.array([services.setdefault(_service(inventory.vm(item)), len(services)) for item in items], np.int64)
    vm_pattern = np.array(key_pattern, dtype=np.int64)[key]

    windows = np.stack([pattern.occupancy(snapshot_minutes) for pattern in patterns])
    starts = np.zeros_like(windows)
    for n, pattern in enumerate(patterns):
        for option in range(NUM_OPTIONS):
            starts[n, option, pattern.start_slots(option)] = True

    builder = _RowBuilder()
    caps = _cap_groups(inventory, rules)
    # Of each VM: the groups it belongs to, as (first row, patterns of the group, which of the two tables).
    member_of: list[list[tuple[int, RowKind, tuple[int, ...]]]] = [[] for _ in range(num_vms)]

    def add_group(kind: RowKind, group: int, members: IntArray, **prices: float) -> None:
        present = tuple(np.unique(vm_pattern[members]).tolist())
        slots = builder.merge_slots(kind, present, starts if kind is RowKind.VAULT_STARTS else windows)
        begin = builder.add(kind, group, len(members), slots, **prices)  # type: ignore[arg-type]  # ints are floats
        for v in members.tolist():
            member_of[v].append((begin, kind, present))

    for group, members in enumerate(_members(service, len(services))):
        if len(members) > 1:
            add_group(RowKind.SERVICE, group, members, pair_price=rules.prices.overlap)
    vault = key_vault[key]
    for group, members in enumerate(_members(vault, len(vaults))):
        if len(members):
            share = _fair_share(members, vm_pattern, restrictions.allowed, starts)
            add_group(RowKind.VAULT_STARTS, group, members, peak_price=rules.prices.vault_peak, fair_share=share)
    for group, (_, limit, members) in enumerate(caps):
        if len(members) > limit:
            add_group(RowKind.CAP, group, members, cap=limit)

    rows = builder.rows()
    vm_class, touched = _classes(key, vm_pattern, member_of, builder, windows, starts, len(rows))
    existing, unknown, counted_today, editable = _policies(inventory, rules, keys, restrictions)
    moved = np.arange(NUM_OPTIONS)[None, :] != today[:, None]
    room = [rules.policies.max_policies_per_vault - inventory.policies_in_vault(vault_id) for vault_id in vaults]
    return Instance(
        linear=table.cost + rules.prices.move * moved,
        risk=table.risk,
        allowed=restrictions.allowed,
        today=today,
        movable=restrictions.movable,
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
        vault_room=np.maximum(np.array(room, dtype=np.int64), 0),
        move_price=rules.prices.move,
        policy_write_price=rules.prices.policy_write,
        max_moves=rules.max_moves,
        max_vms_per_policy=rules.policies.max_vms_per_policy,
        service_names=tuple(services),
        cap_names=tuple(name for name, _, _ in caps),
    )


def _service(vm: Vm) -> str:
    return vm.service or vm.id


def _members(group_of: IntArray, num_groups: int) -> list[IntArray]:
    order = np.argsort(group_of, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group_of, minlength=num_groups))[:-1])


def _cap_groups(inventory: Inventory, rules: Rules) -> list[tuple[str, int, IntArray]]:
    """Groups of VMs with a ``max_concurrent``: name of the rule, limit, rows."""
    groups: list[tuple[str, int, IntArray]] = []
    for rule in rules.rule:
        if rule.max_concurrent is None:
            continue
        by_value: dict[str, list[int]] = {}
        for row in np.flatnonzero(_matching(inventory, rule)).tolist():
            item = inventory.items[row]
            value = _service(inventory.vm(item)) if rule.per == "service" else item.vault_id.lower()
            by_value.setdefault(value, []).append(row)
        groups += [(rule.name, rule.max_concurrent, np.array(members)) for members in by_value.values()]
    return groups


def _fair_share(members: IntArray, vm_pattern: IntArray, allowed: BoolArray, starts: BoolArray) -> int:
    """Starts of a vault in one half hour that cost nothing.

    ``ceil(starts per day / half hours of the day in which any of its VMs may start)``.
    """
    usable = np.zeros(SLOTS_PER_DAY, dtype=np.bool_)
    weekly_starts = 0
    for pattern in np.unique(vm_pattern[members]).tolist():
        mine = members[vm_pattern[members] == pattern]
        options = allowed[mine].any(axis=0)
        usable |= starts[pattern, options].any(axis=0).reshape(7, SLOTS_PER_DAY).any(axis=0)
        weekly_starts += len(mine) * int(starts[pattern, 0].sum())
    return -(-weekly_starts // (7 * max(1, int(usable.sum()))))


def _classes(
    key: IntArray,
    vm_pattern: IntArray,
    member_of: Sequence[Sequence[tuple[int, RowKind, tuple[int, ...]]]],
    builder: _RowBuilder,
    windows: BoolArray,
    starts: BoolArray,
    num_rows: int,
) -> tuple[IntArray, IntArray]:
    """Class of each VM, and the rows that each class touches at each option, padded with ``num_rows``."""
    classes: dict[tuple[int, tuple[tuple[int, RowKind, tuple[int, ...]], ...]], int] = {}
    vm_class = np.empty(len(key), dtype=np.int64)
    for v, groups in enumerate(member_of):
        vm_class[v] = classes.setdefault((int(vm_pattern[v]), tuple(groups)), len(classes))
    lists: list[list[list[int]]] = []
    for pattern, groups in classes:
        per_option: list[list[int]] = [[] for _ in range(NUM_OPTIONS)]
        for begin, kind, present in groups:
            table = starts if kind is RowKind.VAULT_STARTS else windows
            row_of_slot = builder.merged[kind, present][0]
            for option in range(NUM_OPTIONS):
                met = np.unique(row_of_slot[table[pattern, option]])
                per_option[option] += (begin + met[met >= 0]).tolist()
        lists.append(per_option)
    width = max((len(rows) for per_option in lists for rows in per_option), default=0)
    touched = np.full((len(lists), NUM_OPTIONS, max(width, 1)), num_rows, dtype=np.int64)
    for n, per_option in enumerate(lists):
        for option, rows in enumerate(per_option):
            touched[n, option, : len(rows)] = rows
    return vm_class, touched


def _policies(
    inventory: Inventory, rules: Rules, keys: dict[tuple[str, str], int], restrictions: Restrictions
) -> tuple[IntArray, IntArray, BoolArray, tuple[ExistingPolicy, ...]]:
    """Policies that can take VMs, their unknown items, VMs that count where they are, policies of today.

    A policy that is over its limit today takes nobody: its VMs may stay without counting, and it is not among those
    that exist for others.
    """
    existing = np.zeros((len(keys), NUM_OPTIONS), dtype=np.int64)
    unknown = np.zeros_like(existing)
    counted = np.ones(len(inventory.items), dtype=np.bool_)
    policies = []
    for policy_id, policy in inventory.policies.items():
        k = keys[policy.vault_id.lower(), policy.twin_key]
        rows = inventory.items_by_policy[policy_id]
        strangers = inventory.unknown_items[policy_id]
        if len(rows) + strangers > rules.policies.max_vms_per_policy:
            counted[list(rows)] = False
        else:
            existing[k, policy.start] += 1
            unknown[k, policy.start] += strangers
        editable = (
            rules.policies.edit and bool(rows) and strangers == 0 and bool(restrictions.movable[list(rows)].all())
        )
        policies.append(ExistingPolicy(k, policy.start, rows, editable))
    return existing, unknown, counted, tuple(policies)
