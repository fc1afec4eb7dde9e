"""Simple schedules: for comparison, as warm starts, and as the reference if today's schedule breaks the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.solve.problem.arrays import count, pack
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.kernels import place, take_out


def todays(instance: Instance) -> IntArray:
    """Schedule in which every VM stays."""
    return instance.today.copy()


def stable_hash(instance: Instance, vm_ids: Sequence[str]) -> IntArray:
    """Schedule that puts every VM at an allowed option drawn by the hash of its id.

    It is the same each time, and ignores load and services.

    Parameters
    ----------
    instance
        The problem.
    vm_ids
        Ids of the V VMs.
    """
    options = instance.today.copy()
    for v, vm_id in enumerate(vm_ids):
        allowed = np.flatnonzero(instance.allowed[v])
        digest = hashlib.sha256(ArmId(vm_id).key.encode()).digest()
        if len(allowed):
            options[v] = allowed[int.from_bytes(digest[:8], "big") % len(allowed)]
    return options


def greedy(instance: Instance) -> IntArray:
    """Place services from the largest to the smallest, and in each service the VM with the largest regret first.

    Every VM goes to its cheapest option given the VMs already placed. Caps and limits are kept where possible, but no
    VM is moved again, so the result has to be checked.
    """
    a, c = pack(instance), count(instance, instance.today)
    movable = np.flatnonzero(instance.movable)
    take_out(a, c, movable)
    size = np.bincount(instance.service)
    for service in sorted(np.unique(instance.service[movable]), key=lambda g: (-size[g], g)):
        place(a, c, a.service_vms[a.service_begin[service] : a.service_begin[service + 1]])
    return c.options
