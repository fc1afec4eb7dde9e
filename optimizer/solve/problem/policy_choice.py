"""Chooses the policies to write for a schedule: those that are edited, and detours for cycles of full policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.policy_limits import VmLimit
from optimizer.model.rules import Rules
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.build import number_twin_keys, policies_of_keys, room_of_vaults
from optimizer.solve.problem.executable import Families, Holdings, make_families, vault_writes


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """Policies that are written for a schedule; each is named by one of its VMs.

    Parameters
    ----------
    edited
        Indices of VMs whose policies are edited.
    detours
        Indices of VMs, each with a start at which one more policy is created for its twin key, because full policies
        have to trade places.
    """

    edited: tuple[int, ...]
    detours: tuple[tuple[int, int], ...]


def choose_policies(
    inventory: Inventory, rules: Rules, limit: VmLimit, options: IntArray, movable: BoolArray
) -> PolicyChoice:
    """Choose the policies to edit and the detours of a schedule, with the fewest policy writes.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    limit
        Maximum number of VMs in a policy.
    options
        Shape (V,): start option of each VM.
    movable
        Shape (V,): False for VMs that must not be touched.
    """
    options = np.ascontiguousarray(options, dtype=np.int64)
    vaults = {vault_id: n for n, vault_id in enumerate(inventory.vaults)}
    ids = list(number_twin_keys(inventory))
    families, items = _families(inventory, rules, limit, options, movable)
    moving = np.unique(families.key[options != families.today])
    edited: list[int] = []
    detours: list[tuple[int, int]] = []
    for vault in sorted({vaults[ids[k][0]] for k in moving.tolist()}):
        writes = vault_writes(families, options, items, vault, prefer_edits=True)
        edited += [int(families.policy_vm[families.policy_vm_begin[p]]) for p in writes.edited.tolist()]
        if writes.possible:
            detours += _detours(families, writes.keys, writes.rings)
    return PolicyChoice(tuple(edited), tuple(detours))


def _families(
    inventory: Inventory, rules: Rules, limit: VmLimit, options: IntArray, movable: BoolArray
) -> tuple[Families, IntArray]:
    """Data to decide whether the schedule can be carried out, and the number of items at each cell; shape (K, 48)."""
    keys = number_twin_keys(inventory)
    vaults = {vault_id: n for n, vault_id in enumerate(inventory.vaults)}
    policies = [inventory.policy(item) for item in inventory.items]
    existing, unknown, counted, of_keys = policies_of_keys(inventory, rules, limit, keys, movable)
    key = np.array([keys[policy.vault_id, policy.twin_key] for policy in policies], dtype=np.int64)
    today = np.array([policy.start for policy in policies], dtype=np.int64)
    holdings = Holdings(
        today=today,
        key=key,
        key_vault=np.array([vaults[vault_id] for vault_id, _ in keys], dtype=np.int64),
        counted_today=counted,
        existing=existing,
        unknown=unknown,
        policies=of_keys,
        vault_room=room_of_vaults(inventory, rules),
        vms_per_new_policy=limit.new,
        vms_per_existing_policy=limit.existing,
    )
    takes_place = counted | (options != today)
    cells = np.bincount(key[takes_place] * NUM_OPTIONS + options[takes_place], minlength=len(keys) * NUM_OPTIONS)
    return make_families(holdings), cells.reshape(len(keys), NUM_OPTIONS) + unknown


def _detours(families: Families, keys: IntArray, rings: IntArray) -> Iterator[tuple[int, int]]:
    for k, of_key in zip(keys.tolist(), rings, strict=True):
        for start in np.unique(of_key[of_key >= 0]).tolist():
            yield int(families.key_item[families.key_item_begin[k]]), start
