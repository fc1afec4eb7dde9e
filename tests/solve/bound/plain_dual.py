"""The dual function by its definition: every subset of VMs in each cell, every number of VMs in each row."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from optimizer.solve.bound.ascent import evaluate
from optimizer.solve.bound.dual import Answer, DualArrays, Multipliers, dual_arrays, empty_answer
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.small_instances import Row, Shape, apart, small_instance

STARTS = (4, 9, 20)
"""Starts of random instances. No VM overlaps another at 20, so no service has to be placed together."""


def random_instance(random: np.random.Generator, with_order: bool = False) -> Instance:
    """Two to four VMs in two twin keys, with all kinds of rows and limits; ``with_order`` makes VM 0 precede VM 1."""
    num_vms = int(random.integers(2, 5))
    vms = range(num_vms)
    today = random.choice(STARTS[:2], num_vms).tolist()
    key, service = random.integers(0, 2, num_vms).tolist(), random.integers(0, 2, num_vms).tolist()
    rows = [Row(vms, (4, 9), peak_price=0.8, fair_share=1), Row((0, num_vms - 1), (4, 20), cap=1)]
    for number in range(2):
        members = [v for v in vms if service[v] == number]
        rows += [Row(members, (4, 9), pair_price=0.5, group=number), Row(members, (9,), pair_price=0.9, group=number)]
    overfull = (int(random.integers(0, 2)), STARTS[0])
    shape = Shape(
        key=key,
        key_vault=(0, 0),
        service=service,
        uncounted=[v for v in vms if (key[v], today[v]) == overfull],
        unknown={(0, 9): 1},
        room=(int(random.integers(1, 5)),),
        per_new=int(random.integers(1, 3)),
        per_old=int(random.integers(1, 4)),
        write_price=0.3,
        move_price=0.1,
        max_moves=None if random.random() < 0.3 else int(random.integers(0, 3)),
        write_limits=(WriteLimit("all", (0, 1), 2), WriteLimit("second", (1,), 1)),
        gates=apart(0, 1, num_vms, starts_in_order()) if with_order else None,
    )
    allowed = {v: (20, *({today[v]} if random.random() < 0.3 else STARTS[:2])) for v in vms}
    return small_instance(today, random.uniform(0, 3, (num_vms, 48)).round(2), rows, shape, allowed)


def starts_in_order() -> np.ndarray:
    """Clashes of two VMs of which the second has to start at least five half hours after the first."""
    start = np.arange(48)
    return start[None, :] < start[:, None] + 5


def random_multipliers(random: np.random.Generator, instance: Instance) -> Multipliers:
    """Multipliers of the right sign."""
    d = dual_arrays(instance)
    return Multipliers(
        lam=random.uniform(-0.5, 5, d.today.shape),
        mu=random.uniform(0, 1.5, d.pair_price.shape),
        alpha=random.uniform(0, 1, d.pair_price.shape),
        sigma=0.0 if instance.max_moves is None else float(random.uniform(0, 1)),
        tau=random.uniform(0, 0.8, d.group_limit.shape),
        kappa=random.normal(0, 0.5, d.cuts.level.shape),
    )


def answer_at(instance: Instance, at: Multipliers) -> tuple[float, Answer, DualArrays]:
    """Value of the dual function, its answer, and the arrays of the instance."""
    d = dual_arrays(instance)
    answer = empty_answer(d)
    return evaluate(d, at, answer), answer, d


def rows_of(instance: Instance, v: int, t: int) -> list[int]:
    """Rows that a VM touches at a start."""
    return [r for r in instance.touched[instance.vm_class[v], t].tolist() if r < len(instance.rows)]


def plain_reduced(instance: Instance, at: Multipliers, v: int, t: int) -> float:
    """What it costs to give VM ``v`` the allowed start ``t``, without what VMs cost each other."""
    copies = [copy for copy, vm in enumerate(dual_arrays(instance).cuts.vm.tolist()) if vm == v]
    cost = float(instance.linear[v, t]) - at.lam[v] + at.sigma * (t != instance.today[v])
    cost += sum(at.mu[r] for r in rows_of(instance, v, t)) - sum(at.kappa[copy, t] for copy in copies)
    return float(cost)


def plain_limits(instance: Instance) -> list[tuple[Sequence[int], int]]:
    """Keys and maximum number of writes of each limit, with the room of the only vault, if it can be reached."""
    limits: list[tuple[Sequence[int], int]] = [(limit.keys, limit.limit) for limit in instance.write_limits]
    room = int(instance.vault_room[0])
    return limits + ([((0, 1), room)] if room < instance.num_vms else [])


def subsets(vms: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All subsets of some VMs, with the empty one."""
    return itertools.chain.from_iterable(itertools.combinations(vms, size) for size in range(len(vms) + 1))


def plain_cell(instance: Instance, at: Multipliers, k: int, t: int) -> float:
    """Cost of the cheapest subset of the VMs of a key that may start at ``t``."""
    candidates = [v for v in range(instance.num_vms) if instance.key[v] == k and instance.allowed[v, t]]
    return min(_subset_cost(instance, at, (k, t), taken) for taken in subsets(candidates))


def _subset_cost(instance: Instance, at: Multipliers, cell: tuple[int, int], taken: Sequence[int]) -> float:
    k, t = cell
    rows, in_row = instance.rows, Counter[tuple[int, int, float, bool]]()
    counted = [v for v in taken if instance.counted_today[v] or t != instance.today[v]]
    peaks = Counter(r for v in counted for r in rows_of(instance, v, t))
    for v in taken:
        for r in rows_of(instance, v, t):
            in_row[r, int(instance.service[v]), float(instance.weight[v]), v in counted] += 1
    total = sum(plain_reduced(instance, at, v, t) for v in taken)
    total += sum(at.alpha[r] * rows.pair_price[r] * n * (n - 1) / 2 for (r, *_), n in in_row.items())
    total += sum(at.alpha[r] * rows.peak_price[r] * max(0, n - rows.fair_share[r]) for r, n in peaks.items())
    room = max(0, int(instance.existing[k, t]) * instance.vms_per_existing_policy - int(instance.unknown[k, t]))
    policies = math.ceil(max(0, len(counted) - room) / instance.vms_per_new_policy)
    price = instance.policy_write_price
    price += sum(tau for tau, (keys, _) in zip(at.tau.tolist(), plain_limits(instance), strict=True) if k in keys)
    return float(total + price * policies)


def plain_row(instance: Instance, at: Multipliers, r: int) -> float:
    """Cost of the cheapest number of VMs in a row: of those that are in it at some start, and at most its cap."""
    rows, price = instance.rows, 1 - at.alpha[r]
    costs = (
        price * (rows.pair_price[r] * n * (n - 1) / 2 + rows.peak_price[r] * max(0, n - rows.fair_share[r]))
        - at.mu[r] * n
        for n in range(min(int(rows.size[r]), int(rows.cap[r])) + 1)
    )
    return float(min(costs))


def plain_cut(instance: Instance, kappa: np.ndarray) -> float:
    """What the copies of VM 0 and of VM 1, which follows it, pay at the cheapest two starts that are in order."""
    apart_from = starts_in_order()
    choices = itertools.product(*(np.flatnonzero(instance.allowed[v]).tolist() for v in (0, 1)))
    of_vm = dual_arrays(instance).cuts.vm.tolist()
    first, second = of_vm.index(0), of_vm.index(1)
    return min(float(kappa[first, t] + kappa[second, u]) for t, u in choices if not apart_from[t, u])


def plain_value(instance: Instance, at: Multipliers) -> float:
    """Value of the dual function of an instance in which no service is placed together."""
    total = float(at.lam.sum()) - at.sigma * (instance.max_moves or 0)
    total += sum(plain_cell(instance, at, k, t) for k in range(instance.num_keys) for t in range(48))
    total += sum(plain_row(instance, at, r) for r in range(len(instance.rows)))
    total -= sum(tau * most for tau, (_, most) in zip(at.tau.tolist(), plain_limits(instance), strict=True))
    return float(total) + (plain_cut(instance, at.kappa) if len(at.kappa) else 0.0)
