"""Small random problems of every kind, from a seeded generator: fast enough for thousands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.inventory import Policy
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.model.timegrid import NUM_OPTIONS, Frequency
from optimizer.solve.problem.cost import is_feasible, policy_counts, policy_writes, row_costs
from optimizer.solve.problem.executable import extra_writes
from optimizer.solve.problem.instance import NO_CAP, Instance, WriteLimit
from tests.solve.examples import DAILY, HOURLY, SUNDAYS, WORKDAYS, Problem, inventory, policy

ZONES = ("UTC", "UTC", "India Standard Time", "W. Europe Standard Time")
"""Whole hours, half hours, and a clock that changes."""

TOO_RISKY = 9.0
"""Risk of starts that ``max_risk_increase`` rules out."""

Random = np.random.Generator


def tiny_problem(random: Random) -> Problem:
    """Two to six VMs, up to three vaults, all kinds of policies, at most four starts for each VM, some rules."""
    policies = _policies(random)
    num_vms = int(random.integers(2, 7))
    services = ["web", "db", "mail"][: int(random.integers(1, 4))]
    vms = [(str(random.choice(services)), policies[int(random.integers(len(policies)))].name) for _ in range(num_vms)]
    items: dict[str, dict[str, object]] = {}
    if random.random() < 0.1:
        items["vm1"] = {"unwritable": "initial backup pending"}
    found = inventory(_with_strangers(random, policies, [of for _, of in vms]), vms, **items)
    # A pool that all share: where VMs want the same starts they meet, and share policies.
    pool = random.choice(40, int(random.integers(2, 6)), replace=False)
    risk = np.full((num_vms, NUM_OPTIONS), TOO_RISKY)
    most = 3 if num_vms <= 5 else 2
    for v, item in enumerate(found.items):
        of = found.policy(item)
        usable = np.intersect1d(pool, of.recurrence.options(of.start))
        chosen = random.permutation(usable)[: int(random.integers(1, most + 1))]
        risk[v, of.start] = random.choice([0.0, 0.3, 2.0])
        risk[v, chosen] = np.minimum(random.choice([0.0, 0.05, 0.2, 1.0], len(chosen)), risk[v, of.start] + 0.1)
    return Problem(found, _rules(random), risk, random.random(num_vms) < 0.8)


def _policies(random: Random) -> list[Policy]:
    made: list[Policy] = []
    for number in range(int(random.integers(2, 6))):
        start = int(random.choice([46, 46, 4, 44, 0, 20]))
        if made and random.random() < 0.4:
            twin = made[int(random.integers(len(made)))]
            if twin.recurrence.frequency is not Frequency.HOURLY:
                made.append(replace(twin, id=f"p{number}", name=f"p{number}", start=start))
                continue
        vault = str(random.choice(["east", "west", "north"]))
        recurrence = (DAILY, DAILY, SUNDAYS, WORKDAYS, HOURLY)[int(random.integers(5))]
        if recurrence is HOURLY:
            start = int(random.choice(recurrence.options(16)))
        made.append(policy(f"p{number}", vault, start, recurrence, str(random.choice(ZONES))))
    return made


def _with_strangers(random: Random, policies: list[Policy], of: list[str]) -> list[Policy]:
    """Some policies hold items that the estate does not know."""
    return [
        replace(p, items_reported=of.count(p.name) + int(random.integers(1, 3))) if random.random() < 0.1 else p
        for p in policies
    ]


def _rules(random: Random) -> Rules:
    rules = []
    for number, chance in enumerate((0.4, 0.15)):
        if random.random() < chance:
            where = {"service": "web"} if random.random() < 0.3 else {}
            per = str(random.choice(["service", "vault"]))
            rules.append(
                Rule.model_validate(
                    {"name": f"cap {number}", "where": where, "max_concurrent": int(random.integers(1, 4)), "per": per}
                )
            )
    if random.random() < 0.2:
        rules.append(Rule.model_validate({"name": "pinned", "where": {"name": "vm0"}, "pin": True}))
    if random.random() < 0.1:
        rules.append(Rule.model_validate({"name": "hands off", "where": {"name": "vm1"}, "exclude": True}))
    return Rules.model_validate(
        {
            "rule": rules,
            "max_moves": [None, None, None, 0, 1, 2, 3][int(random.integers(7))],
            "prices": {
                "snapshot_overlap": float(random.choice([0.0, 0.0145, 0.0145, 0.07])),
                "all_at_once": float(random.choice([0.0, 0.3, 1.0])),
                "vault_peak": float(random.choice([0.01, 0.01, 0.3])),
                "policy_write": float(random.choice([0.02, 0.1, 0.1, 0.5])),
                "move": float(random.choice([0.0, 0.02, 0.02, 0.2])),
                "working_hours": 0.011,
            },
            "policies": {
                "max_vms_per_policy": int(random.choice([1, 2, 3, 100])),
                "max_policies_per_vault": int(random.choice([200, 200, 2, 3, 4])),
                "edit": bool(random.random() < 0.5),
            },
            "working_hours": {"days": ["Monday", "Sunday"], "from": "21:00", "to": "04:30"},
        }
    )


def with_weights(random: Random, problem: Problem) -> Problem:
    """Give some VMs weights, also more than one weight to a VM."""
    given = [
        {"where": {"service": "web"}, "weight": float(random.choice([0.1, 3.0, 20.0]))},
        {"where": {"name": "vm0"}, "weight": float(random.choice([0.5, 5.0]))},
        {"where": {"name": "vm1"}, "weight": 100.0},
    ]
    chosen = [one for one in given if random.random() < 0.5]
    rules = [Rule.model_validate({"name": f"weight {number}", **one}) for number, one in enumerate(chosen)]
    return replace(problem, rules=problem.rules.model_copy(update={"rule": (*problem.rules.rule, *rules)}))


def with_move_prices(random: Random, instance: Instance) -> Instance:
    """Some VMs are dear to move, as those that moved lately are."""
    price = np.where(random.random(instance.num_vms) < 0.4, 0.2, instance.move_price)
    moved = np.arange(NUM_OPTIONS)[None, :] != instance.today[:, None]
    linear = instance.linear + (price - instance.move_price)[:, None] * moved
    return replace(instance, move_price=price, linear=linear)


def with_write_limits(random: Random, instance: Instance) -> Instance:
    """At most so many policies are written, in all or in some twin keys."""
    keys = np.flatnonzero(random.random(instance.num_keys) < 0.7)
    limits = [WriteLimit("writes of all", tuple(range(instance.num_keys)), int(random.integers(0, 4)))]
    if len(keys) and random.random() < 0.5:
        limits.append(WriteLimit("writes of some", tuple(keys.tolist()), int(random.integers(0, 2))))
    return replace(instance, write_limits=tuple(limits))


def with_gates(random: Random, instance: Instance) -> Instance:
    """Two sets of VMs, one behind each of two opposing gates, some of whose options clash at random."""
    clashes = np.zeros((2, NUM_OPTIONS, NUM_OPTIONS), dtype=np.bool_)
    clashes[0] = random.random((NUM_OPTIONS, NUM_OPTIONS)) < random.choice([0.2, 0.5])
    clashes[1] = clashes[0].T
    side = random.integers(-1, 2, instance.num_vms)
    behind = side >= 0
    return replace(
        instance,
        gates=SetConstraints(
            vm_begin=np.append(0, np.cumsum(behind)).astype(np.int64),
            vm_gate=side[behind].astype(np.int64),
            gate_begin=np.array([0, 1, 2]),
            opponent=np.array([1, 0]),
            clash=np.array([0, 1]),
            clashes=clashes,
            name=("apart", "apart"),
        ),
    )


def kinds_of(problem: Problem, instance: Instance) -> list[str]:
    """What an instance has that could make bound or plan go wrong."""
    inventory, rules = problem.inventory, problem.rules
    policies = [inventory.policy(item) for item in inventory.items]
    vaults_of: dict[str, set[str]] = {}
    for item in inventory.items:
        vaults_of.setdefault(inventory.vm(item).service or "", set()).add(item.vault_id)
    rows = instance.rows
    frequencies = {policy.recurrence.frequency for policy in policies}
    has = {
        "every kind": True,
        "weekly": Frequency.WEEKLY in frequencies,
        "hourly": Frequency.HOURLY in frequencies,
        "clock that changes": any(len(inventory.pattern(policy).offsets) > 1 for policy in policies),
        "service in several vaults": any(len(vaults) > 1 for vaults in vaults_of.values()),
        "cap": bool((rows.cap < np.minimum(rows.size, NO_CAP)).any()),
        "VM that stays": not bool(instance.movable.all()),
        "limit of moves": rules.max_moves is not None,
        "small policies": rules.policies.max_vms_per_policy < instance.num_vms,
        "policy over its limit": not bool(instance.counted_today.all()),
        "unknown items": any(inventory.unknown_items.values()),
        "small vaults": rules.policies.max_policies_per_vault < 200,
        "weights": bool((instance.weight != 1).any()),
        "vault peak that costs": bool((rows.fair_share < rows.size)[rows.peak_price > 0].any()),
    }
    return [name for name, there in has.items() if there]


def brute_force(
    instance: Instance, judge: Callable[[IntArray], float | None] | None = None
) -> tuple[float, IntArray] | None:
    """Cheapest feasible schedule by pricing every one at once; None where there is none.

    Parameters
    ----------
    instance
        With so few options for each VM that all schedules fit into memory.
    judge
        Price to add to the cost of a schedule, or None where the schedule is not feasible; by default what the
        product's own check says.

    Returns
    -------
    tuple
        Its cost and its options, shape (V,).
    """

    def by_product(options: IntArray) -> float | None:
        extra = extra_writes(instance, options, policy_counts(instance, options))[0]
        return None if not is_feasible(instance, options) else instance.policy_write_price * int(extra.sum())

    best: tuple[float, IntArray] | None = None
    for cost, options in cheapest_first(instance):
        if best is not None and cost >= best[0]:
            break
        extra = (judge or by_product)(options)
        if extra is not None and (best is None or cost + extra < best[0]):
            best = cost + extra, options
    return best


def cheapest_first(instance: Instance) -> Iterator[tuple[float, IntArray]]:
    """Cost and options of every schedule that keeps caps and the limit of moves, in ascending order of cost.

    Schedules that need more writes than any edits could leave room for are left out.
    """
    choices = [np.flatnonzero(allowed).tolist() for allowed in instance.allowed]
    schedules = np.array(list(itertools.product(*choices)), dtype=np.int64).reshape(-1, instance.num_vms)
    costs, open_to = _price_all(instance, schedules)
    candidates = np.flatnonzero(open_to)
    for number in candidates[np.argsort(costs[candidates], kind="stable")].tolist():
        yield float(costs[number]), schedules[number]


def _price_all(instance: Instance, schedules: IntArray) -> tuple[FloatArray, BoolArray]:
    """Cost of every schedule, and whether it keeps caps and the limit of moves; each of shape (num_schedules,)."""
    count, num_rows = len(schedules), len(instance.rows)
    met = np.zeros((count, num_rows + 1), dtype=np.int64)
    held = np.tile(instance.unknown.ravel(), (count, 1))
    costs, every = np.zeros(count), np.arange(count)
    for v in range(instance.num_vms):
        at = schedules[:, v]
        for rows in instance.touched[instance.vm_class[v], at].T:
            met[every, rows] += 1  # the padding may be met twice, a row never
        held[every, instance.key[v] * NUM_OPTIONS + at] += instance.counted(v, at)
        costs += instance.linear[v, at]
    met = met[:, :num_rows]
    held = held.reshape(count, instance.num_keys, NUM_OPTIONS)
    costs += row_costs(instance, met).sum(axis=1)
    writes = policy_writes(instance, held).sum(axis=2)
    costs += instance.policy_write_price * writes.sum(axis=1)
    open_to = (met <= instance.rows.cap).all(axis=1)
    for vault, room in enumerate(instance.vault_room.tolist()):
        of_vault = instance.key_vault == vault
        editable = sum(policy.editable for policy in instance.policies if of_vault[policy.key])
        open_to &= writes[:, of_vault].sum(axis=1) <= room + editable
    if instance.max_moves is not None:
        open_to &= (schedules != instance.today).sum(axis=1) <= instance.max_moves
    return costs, open_to


def medium_problem(random: Random, num_vms: int, num_starts: int) -> Problem:
    """An estate in small: services of a few VMs, two vaults, most VMs at 23:00, half of them never at risk.

    Parameters
    ----------
    random
        Of everything drawn.
    num_vms
        VMs.
    num_starts
        Starts that a VM may choose beside today's, evenly spread over the day: with all 48 no solver proves an optimum
        of 12 VMs within ten seconds.
    """
    policies = [
        policy("east-23", "east", 46),
        policy("east-02", "east", 4),
        policy("east-sunday", "east", 46, SUNDAYS),
        policy("west-23", "west", 46),
        policy("west-berlin", "west", 46, DAILY, "W. Europe Standard Time"),
    ]
    usual = (0.4, 0.1, 0.1, 0.3, 0.1)
    vms: list[tuple[str, str]] = []
    while len(vms) < num_vms:
        home = int(random.choice(len(policies), p=usual))
        for _ in range(min(int(random.integers(1, 8)), num_vms - len(vms))):
            of = home if random.random() < 0.8 else int(random.choice(len(policies), p=usual))
            vms.append((f"service-{len(vms)}" if not vms or random.random() < 0.2 else vms[-1][0], policies[of].name))
    found = inventory(policies, vms)
    risk = np.zeros((num_vms, NUM_OPTIONS))
    for v, item in enumerate(found.items):
        if random.random() < 0.5:
            distance = np.abs((np.arange(NUM_OPTIONS) - random.normal(44, 8) + 24) % NUM_OPTIONS - 24)
            risk[v] = random.exponential(2.0) * np.exp(-((distance / random.uniform(2, 8)) ** 2))
        shut = np.ones(NUM_OPTIONS, dtype=np.bool_)
        shut[np.linspace(2, NUM_OPTIONS + 2, num_starts, endpoint=False).astype(np.int64) % NUM_OPTIONS] = False
        shut[found.policy(item).start] = False
        risk[v, shut] = TOO_RISKY + risk[v].max()
    return Problem(found, Rules(), risk.round(6))
