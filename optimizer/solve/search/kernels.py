"""Compiled inner loops of the search: prices of options, single moves, ruin and recreate.

Everything here is plain loops over the arrays of :mod:`optimizer.solve.problem.arrays`. Numba compiles them on first
use and keeps the result in its cache. The functions change :class:`~optimizer.solve.problem.arrays.Counts` in place.
Each change returns what it costs, so that the whole schedule never has to be priced again.

Schrimpf, Schneider, Stamm-Wilbrandt, Dueck, "Record breaking optimization results using the ruin and recreate
principle", Journal of Computational Physics 159 (2000); acceptance by simulated annealing (Kirkpatrick, Gelatt,
Vecchi, Science 220, 1983).
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.compiled import compiled, inlined, inner
from optimizer.solve.problem.arrays import BLOCKED, FORBIDDEN, Arrays, Counts
from optimizer.solve.problem.executable import Choice, End, Families, choose_writes

IMPROVEMENT = 1e-9
"""Minimum gain of a change, in at-risk backups per 30 days, so that rounding cannot make the search run in circles."""

MAX_FROM_CLOSED = 30
"""Maximum number of VMs taken out of a start that is closed, or of a service."""

OTHERS_WITH_CLOSED, OTHERS_ALONE = 8, 24
"""Number of further VMs of the key that are taken out: with those of a closed start, and without a closed start."""

NEAR = 6
"""Maximum distance, in half hours, between a closed start and the start that is usually opened for it."""

CLOSED_PRICE = 0.5
"""Price of returning to a closed start while VMs are put back, in at-risk backups per 30 days."""

REGRET_NOISE = 0.05
"""Maximum random addition to the regret that decides in which order VMs are put back."""

SHARE_OF_SERVICES = 0.15
"""Probability of taking out the VMs of a service instead of VMs of a twin key."""

SHARE_OF_SWAPS = 0.4
"""Probability, if policy writes are limited, of closing a start of one key and opening a start of another key."""

CREATE_FIRST = np.bool_(False)
"""Value of ``prefer_edits``: policies are edited only where there is no room to create them."""

OUT, IN = np.int64(-1), np.int64(1)
"""Directions of :func:`_shift`: take a VM out of an option, or put it there."""

NOWHERE = cast("int", np.int64(-1))
"""Stands for no option; a number of a NumPy type, because a literal would be a type of its own."""

SHARE_OF_POLICIES = 0.1
"""Probability of moving all VMs of one editable policy to one start, if a vault lacks room for a new policy each."""

SHARE_OF_CHEAPEST = 0.7
"""Probability that the VMs of a policy move to the start that is cheapest for them, instead of to a random one."""

CLOSE_BELOW, OPEN_ABOVE = 0.65, 0.35
"""Random numbers below the first close a start of the key, and those above the second open one; in between, both."""

SHARE_OF_FAR_STARTS = 0.3
"""Probability of opening any start instead of one near the start that is closed."""

_Cell = tuple[int, int]
"""A key and an option; the option may be :data:`NOWHERE`."""

_LARGEST_RUIN = MAX_FROM_CLOSED + max(OTHERS_WITH_CLOSED, OTHERS_ALONE)


@inner
def _needed(items: int, existing: int, per_policy: IntArray) -> int:
    """Number of policies to write for the items at one start; ``per_policy``: capacities of new and existing ones."""
    needed: int = (items - per_policy[1] * existing + per_policy[0] - 1) // per_policy[0]
    return max(0, needed)


@inner
def _shift(a: Arrays, c: Counts, v: int, t: int, by: np.int64) -> float:
    """Take a VM out of option ``t`` (``by`` is :data:`OUT`) or put it there (:data:`IN`); return the cost."""
    met, marginal = c.met, c.marginal
    pair_price, peak_price, fair_share, cap = a.pair_price, a.peak_price, a.fair_share, a.cap
    touched = a.touched
    cost = a.base[v, t] * by
    listed = a.vm_class[v] * NUM_OPTIONS + t
    for at in range(a.touched_begin[listed], a.touched_begin[listed + 1]):
        r = touched[at]
        # The other VMs in the row: the price of a VM is that of its pairs with them, and that of the peak if the
        # others already take the fair share.
        before = met[r] if by > 0 else met[r] - 1
        cost += by * (pair_price[r] * before + (peak_price[r] if before >= fair_share[r] else 0.0))
        met[r] += by
        price = pair_price[r] * met[r]
        if met[r] >= fair_share[r]:
            price += peak_price[r]
        if met[r] >= cap[r]:
            price += BLOCKED
        marginal[r] = price
    if t != a.today[v]:
        c.moves[0] += by
    # A VM that stays in a policy over its limit takes no place that counts, so it causes no write.
    if t != a.today[v] or a.counted_today[v]:
        k, per_policy = a.key[v], a.vms_per_policy
        change = -_needed(c.policies[k, t], a.existing[k, t], per_policy)
        c.policies[k, t] += by
        change += _needed(c.policies[k, t], a.existing[k, t], per_policy)
        if change:
            c.vault_writes[a.key_vault[k]] += change
            for at in range(a.group_begin[k], a.group_begin[k + 1]):
                c.group_writes[a.group[at]] += change
            cost += change * a.policy_price[k]
    for at in range(a.vm_gate_begin[v], a.vm_gate_begin[v + 1]):
        h = a.vm_gate[at]
        for pair in range(a.gate_begin[h], a.gate_begin[h + 1]):
            opponent, matrix = a.opponent[pair], a.clash[pair]
            for u in range(NUM_OPTIONS):
                if a.clashes[matrix, t, u]:
                    c.shut[opponent, u] += by
    if by > 0:
        c.options[v] = t
    return float(cost)


@inlined
def _price_options(a: Arrays, c: Counts, v: int, price: FloatArray) -> None:
    """Set ``price``, shape (48,), to the cost of each option for a VM that was taken out."""
    base, begin, touched, marginal = a.base, a.touched_begin, a.touched, c.marginal
    listed = a.vm_class[v] * NUM_OPTIONS
    for t in range(NUM_OPTIONS):
        total = base[v, t]
        # Forbidden options stay forbidden whatever the rows cost: skip the sum.
        if total < FORBIDDEN:
            for at in range(begin[listed + t], begin[listed + t + 1]):
                total += marginal[touched[at]]
        price[t] = total
    today = a.today[v]
    if c.moves[0] >= a.max_moves[0]:
        for t in range(NUM_OPTIONS):
            if t != today:
                price[t] += BLOCKED
    for at in range(a.vm_gate_begin[v], a.vm_gate_begin[v + 1]):
        h = a.vm_gate[at]
        for t in range(NUM_OPTIONS):
            if c.shut[h, t] > 0:
                price[t] += BLOCKED


@inlined
def _price_openings(a: Arrays, c: Counts, v: int, price: FloatArray, free: int) -> None:
    """Add the price of policies that have to be opened for a VM; the option ``free`` adds nothing if it is empty."""
    k, today = a.key[v], a.today[v]
    vault = a.key_vault[k]
    opening = a.policy_price[k]
    if c.vault_writes[vault] >= a.vault_room[vault]:
        opening += BLOCKED
    for at in range(a.group_begin[k], a.group_begin[k + 1]):
        if c.group_writes[a.group[at]] >= a.group_limit[a.group[at]]:
            opening += BLOCKED
    for t in range(NUM_OPTIONS):
        items = c.policies[k, t]
        without_place = items - a.vms_per_policy[1] * a.existing[k, t]
        # One more VM needs a further policy exactly if all places of the existing and the written policies are taken.
        if without_place >= 0 and without_place % a.vms_per_policy[0] == 0:
            if t == today and not a.counted_today[v]:
                continue
            # An opened start costs nothing only while it is empty, and only if the limits allow a policy there.
            if t != free or items > 0 or opening >= BLOCKED:
                price[t] += opening


@inner
def _settle_vaults(a: Arrays, f: Families, c: Counts, vms: IntArray) -> float:
    """Update the writes that only their order requires, in the vaults of some VMs; return the change of their price.

    ``beyond`` of a vault is -1 if no order exists (:mod:`optimizer.solve.problem.executable`).
    """
    change, before = 0.0, -1
    for v in vms:
        vault = a.key_vault[a.key[v]]
        # Counting the lacking policies is enough (see executable.py) unless policies are full, creations exceed the
        # room, or the vault had extra writes or no order before. Consecutive VMs of one vault settle it once.
        if vault == before or not (
            c.beyond[vault] or f.vault_tight[vault] or c.vault_writes[vault] > f.vault_room[vault]
        ):
            continue
        before = vault
        first, last = f.vault_key_begin[vault], f.vault_key_begin[vault + 1]
        edited = np.zeros(f.vault_policy_begin[vault + 1] - f.vault_policy_begin[vault], dtype=np.int64)
        extra, rings = np.empty(last - first, dtype=np.int64), np.empty((last - first, NUM_OPTIONS), dtype=np.int64)
        choice = Choice(edited, extra, rings)
        possible = choose_writes(f, End(c.options, c.policies), vault, CREATE_FIRST, choice) >= 0
        c.beyond[vault] = 0 if possible else -1
        for n in range(last - first):
            k = f.vault_keys[first + n]
            more = (extra[n] if possible else 0) - c.extra[k]
            c.extra[k] += more
            change += more * a.policy_price[k]
            if possible:
                c.beyond[vault] += c.extra[k]
            for at in range(a.group_begin[k], a.group_begin[k + 1]):
                c.group_writes[a.group[at]] += more
    return change


@compiled
def _settle(a: Arrays, f: Families, c: Counts, vms: IntArray) -> float:
    return _settle_vaults(a, f, c, vms)


@inner
def _move_to_cheapest(a: Arrays, c: Counts, v: int, price: FloatArray) -> float:
    """Move a VM to its cheapest option and return the cost, never above 0; the order of writes is ignored."""
    here = c.options[v]
    change = _shift(a, c, v, here, OUT)
    _price_options(a, c, v, price)
    _price_openings(a, c, v, price, NOWHERE)
    cheapest = _cheapest(price)
    if price[cheapest] >= price[here] - IMPROVEMENT:
        _shift(a, c, v, here, IN)
        return 0.0
    return change + _shift(a, c, v, cheapest, IN)


@compiled
def _take_out(a: Arrays, c: Counts, vms: IntArray) -> None:
    for v in vms:
        _shift(a, c, v, c.options[v], OUT)


def take_out(a: Arrays, c: Counts, vms: IntArray) -> None:
    """Take VMs out of their options; :func:`place` puts them back."""
    _take_out(_plain(a), c, vms)


@compiled
def _move_together(a: Arrays, c: Counts, vms: IntArray, options: IntArray) -> float:
    change = 0.0
    for v in vms:
        change += _shift(a, c, v, c.options[v], OUT)
    for number, v in enumerate(vms):
        change += _shift(a, c, v, options[number], IN)
    return change


def move_together(a: Arrays, c: Counts, vms: IntArray, options: IntArray) -> float:
    """Take all the VMs out of their options, put each at its new one, and return the cost.

    The cost is at least :data:`BLOCKED` if no order of writes leads there.
    """
    change = _move_together(_plain(a), c, vms, options) + settle_writes(a, c, vms)
    return change + BLOCKED if (c.beyond[a.key_vault[a.key[vms]]] < 0).any() else change


@compiled
def _excess_price(a: Arrays, c: Counts, v: int, option: int) -> float:
    """Extra cost of a VM at an option compared with its present one."""
    here, price = c.options[v], np.empty(NUM_OPTIONS)
    _shift(a, c, v, here, OUT)
    _price_options(a, c, v, price)
    _price_openings(a, c, v, price, NOWHERE)
    _shift(a, c, v, here, IN)
    return float(price[option] - price[here])


def move_if_no_dearer(a: Arrays, c: Counts, v: int, option: int) -> bool:
    """Move a VM to an option if it costs no more there; return whether it moved."""
    here = int(c.options[v])
    if _excess_price(_plain(a), c, v, option) > IMPROVEMENT:
        return False
    vm = np.array([v])
    if move_together(a, c, vm, np.array([option])) <= IMPROVEMENT:
        return True
    move_together(a, c, vm, np.array([here]))
    return False


@compiled
def _sweep(a: Arrays, c: Counts, vms: IntArray) -> float:
    price = np.empty(NUM_OPTIONS)
    change = 0.0
    for v in vms:
        change += _move_to_cheapest(a, c, v, price)
    return change


def sweep_single_moves(a: Arrays, c: Counts, vms: IntArray) -> float:
    """Move each VM once to its cheapest option, in order, and return the cost.

    VMs of vaults in which the order of writes matters come last, one by one.
    """
    vault = a.key_vault[a.key[vms]]
    matters = _order_matters(a, c)[vault]
    change = _sweep(_plain(a), c, vms[~matters])
    for v in vms[matters].tolist():
        change += _move_in_order(a, c, v)
    return change


def _move_in_order(a: Arrays, c: Counts, v: int) -> float:
    """Move a VM to its cheapest option if that still gains with the cost of the order of writes; return the cost."""
    vm, here, vault = np.array([v]), int(c.options[v]), int(a.key_vault[a.key[v]])
    was_possible = c.beyond[vault] >= 0
    change = _sweep(_plain(a), c, vm)
    if change == 0.0:
        return 0.0
    change += settle_writes(a, c, vm)
    if c.beyond[vault] < 0 or (was_possible and change > -IMPROVEMENT):
        move_together(a, c, vm, np.array([here]))
        return 0.0
    return change


def settle_writes(a: Arrays, c: Counts, vms: IntArray) -> float:
    """Update the cost of the order of writes in the vaults of some VMs; return its change."""
    assert a.families is not None
    vms = vms[_order_matters(a, c)[a.key_vault[a.key[vms]]]]
    return _settle(_plain(a), a.families, c, vms) if len(vms) else 0.0


def _order_matters(a: Arrays, c: Counts) -> BoolArray:
    """Vaults in which policies are full, or that lack room for new ones; shape (num_vaults,)."""
    assert a.families is not None
    return np.asarray((c.beyond != 0) | a.families.vault_tight | (c.vault_writes > a.vault_room))


def _plain(a: Arrays) -> Arrays:
    """The arrays without families: every array that compiled code receives makes it slower to compile and to call."""
    return a._replace(families=None)


@compiled
def _gains(a: Arrays, c: Counts, vms: IntArray) -> FloatArray:
    price, gained = np.empty(NUM_OPTIONS), np.zeros(len(vms))
    for number, v in enumerate(vms):
        here = c.options[v]
        _shift(a, c, v, here, OUT)
        _price_options(a, c, v, price)
        _price_openings(a, c, v, price, NOWHERE)
        _shift(a, c, v, here, IN)
        gained[number] = price[here] - price[_cheapest(price)]
    return gained


def gains(a: Arrays, c: Counts, vms: IntArray) -> FloatArray:
    """Gain of moving each VM alone to its cheapest option; same shape as ``vms``."""
    gained: FloatArray = _gains(_plain(a), c, vms)
    return gained


def place(a: Arrays, c: Counts, vms: IntArray) -> None:
    """Put VMs that were taken out at their cheapest options, the VM with the largest regret first."""
    _place(_plain(a), c, vms)


@compiled
def _place(a: Arrays, c: Counts, vms: IntArray) -> None:
    price, regrets, order = np.empty(NUM_OPTIONS), np.empty(len(vms)), np.empty(len(vms), dtype=np.int64)
    for number, v in enumerate(vms):
        _price_options(a, c, v, price)
        _price_openings(a, c, v, price, NOWHERE)
        best, second = _two_cheapest(price)
        regrets[number] = best - second  # negative regret: the VM that loses most by waiting comes first
    _ascending(regrets, order)
    for at in range(len(order)):
        v = vms[order[at]]
        _price_options(a, c, v, price)
        _price_openings(a, c, v, price, NOWHERE)
        _shift(a, c, v, _cheapest(price), IN)


@inner
def _cheapest(price: FloatArray) -> int:
    """Return the cheapest option, the first one among equals."""
    cheapest, least = 0, price[0]
    for t in range(1, NUM_OPTIONS):
        if price[t] < least:
            cheapest, least = t, price[t]
    return cheapest


@inner
def _ascending(values: FloatArray, order: IntArray) -> None:
    """Set ``order`` to the positions of the values in ascending order; equal values keep their order.

    Each value is compared with all others. For a few dozen values this is faster than sorting, because nothing
    branches.
    """
    for at in range(len(values)):
        value, rank = values[at], 0
        for before in range(at):
            rank += values[before] <= value
        for after in range(at + 1, len(values)):
            rank += values[after] < value
        order[rank] = at


@inlined
def _two_cheapest(price: FloatArray) -> tuple[float, float]:
    """Cheapest and second cheapest price; a blocked option costs the same however many limits block it."""
    best, second = BLOCKED, BLOCKED
    for t in range(NUM_OPTIONS):
        if price[t] < best:
            best, second = price[t], best
        elif price[t] < second:
            second = price[t]
    return best, second


@inner
def _distinct(chosen: IntArray, count: int, v: int) -> bool:
    for at in range(count):
        if chosen[at] == v:
            return False
    return True


@inner
def _take_from_closed(
    members: IntArray, options: IntArray, closed: int, random: np.random.Generator, chosen: IntArray
) -> int:
    """Choose VMs of a key that are at the start to close, beginning at a random one; return their number."""
    size = len(members)
    first, count = int(random.random() * size), 0
    for step in range(size):
        w = members[(first + step) % size]
        if options[w] == closed and count < MAX_FROM_CLOSED:
            chosen[count] = w
            count += 1
    return count


@inner
def _take_others(
    members: IntArray,
    options: IntArray,
    closed: int,
    random: np.random.Generator,
    chosen: IntArray,
    count: int,
    most: int,
) -> int:
    """Add VMs of a key that are not at the closed start to the ``count`` chosen ones; return the new number."""
    size = len(members)
    # A draw may repeat or hit the closed start, so the number of draws is limited.
    for _ in range(2 * most):
        if count == most:
            break
        w = members[int(random.random() * size)]
        if options[w] != closed and _distinct(chosen, count, w):
            chosen[count] = w
            count += 1
    return count


@inner
def _draw(
    a: Arrays, c: Counts, movable: IntArray, random: np.random.Generator, chosen: IntArray
) -> tuple[int, _Cell, _Cell]:
    """Draw the VMs to take out; return their number (they are in ``chosen``), and the cells to close and to open.

    The option :data:`NOWHERE` means none. Mostly, some VMs of one key are drawn, and a start of that key is closed,
    opened, or one of each; sometimes, the VMs of a service are drawn. If policy writes are limited, a start of one key
    may also be closed and one of another key opened, to trade a write for a write.
    """
    v = movable[int(random.random() * len(movable))]
    k = a.key[v]
    members = _members_of_key(a, k)
    if len(a.group_limit) > 0 and random.random() < SHARE_OF_SWAPS:
        closed = c.options[v]
        count = _take_from_closed(members, c.options, closed, random, chosen)
        other = a.key[movable[int(random.random() * len(movable))]]
        opened = int(random.random() * NUM_OPTIONS)
        without = closed if other == k else NOWHERE
        others = _members_of_key(a, other)
        count = _take_others(others, c.options, without, random, chosen, count, count + OTHERS_ALONE)
        return count, (k, closed), (other, opened)
    if random.random() < SHARE_OF_SERVICES:
        return _take_service(a, a.service[v], random, chosen), (k, NOWHERE), (k, NOWHERE)
    kind = random.random()
    count, closed, opened = 0, NOWHERE, NOWHERE
    if kind < CLOSE_BELOW:
        closed = c.options[members[int(random.random() * len(members))]]
        count = _take_from_closed(members, c.options, closed, random, chosen)
    if kind > OPEN_ABOVE:
        opened = _start_to_open(closed, random)
        more = OTHERS_WITH_CLOSED if closed >= 0 else OTHERS_ALONE
        count = _take_others(members, c.options, closed, random, chosen, count, count + more)
    return count, (k, closed), (k, opened)


@inlined
def _members_of_key(a: Arrays, k: int) -> IntArray:
    return a.key_vms[a.key_begin[k] : a.key_begin[k + 1]]


@inner
def _take_service(a: Arrays, g: int, random: np.random.Generator, chosen: IntArray) -> int:
    """Choose VMs of a service, beginning at a random one; return their number."""
    begin, size = a.service_begin[g], a.service_begin[g + 1] - a.service_begin[g]
    first = int(random.random() * size)
    for step in range(min(size, MAX_FROM_CLOSED)):
        chosen[step] = a.service_vms[begin + (first + step) % size]
    return int(min(size, MAX_FROM_CLOSED))


@inner
def _start_to_open(closed: int, random: np.random.Generator) -> int:
    """A random start or, more often if a start is closed, one near that."""
    if closed < 0 or random.random() < SHARE_OF_FAR_STARTS:
        return int(random.random() * NUM_OPTIONS)
    return (closed + int(random.random() * (2 * NEAR + 1)) - NEAR) % NUM_OPTIONS


@inner
def _take_policy(a: Arrays, f: Families, random: np.random.Generator, chosen: IntArray) -> int:
    """Choose the VMs of a policy that could be edited; return their number."""
    p = a.whole[int(random.random() * len(a.whole))]
    begin, end = f.policy_vm_begin[p], f.policy_vm_begin[p + 1]
    for at in range(begin, end):
        chosen[at - begin] = f.policy_vm[at]
    return int(end - begin)


@inner
def _start_for_policy(
    a: Arrays, c: Counts, vms: IntArray, random: np.random.Generator, price: FloatArray, total: FloatArray
) -> int:
    """Start for VMs that were taken out and must stay together: the cheapest in total, or a random allowed one."""
    for t in range(NUM_OPTIONS):
        total[t] = 0.0
    together = c.options[vms[0]]
    for v in vms:
        _price_options(a, c, v, price)
        if c.options[v] != together:
            together = NOWHERE
        for t in range(NUM_OPTIONS):
            total[t] += price[t]
    if together >= 0:
        total[together] += FORBIDDEN  # they are all there already, which would change nothing
    best = _cheapest(total)
    if random.random() < SHARE_OF_CHEAPEST:
        return best
    t = int(random.random() * NUM_OPTIONS)
    return t if total[t] < FORBIDDEN else best


@inlined
def _price_while_put_back(a: Arrays, c: Counts, v: int, closed: _Cell, opened: _Cell, price: FloatArray) -> None:
    """Cost of each option while VMs are put back: the opened start is free, the closed one costs more.

    ``closed`` and ``opened`` are each a key and an option.
    """
    _price_options(a, c, v, price)
    _price_openings(a, c, v, price, opened[1] if a.key[v] == opened[0] else NOWHERE)
    if closed[1] >= 0 and a.key[v] == closed[0]:
        price[closed[1]] += CLOSED_PRICE


class Cooling(NamedTuple):
    """Temperatures of annealing, which fall geometrically.

    Parameters
    ----------
    first, last
        Temperatures at both ends, in at-risk backups per 30 days. A change for the worse by the temperature is
        accepted with probability 1/e.
    num_rounds
        Number of rounds between them.
    """

    first: float
    last: float
    num_rounds: int


@compiled
def _anneal(
    a: Arrays,
    f: Families,
    c: Counts,
    movable: IntArray,
    random: np.random.Generator,
    cooling: Cooling,
    best: IntArray,
) -> tuple[float, float]:
    # One function, because each function that receives all arrays takes half a second to compile.
    largest = _LARGEST_RUIN
    for p in a.whole:
        largest = max(largest, f.policy_vm_begin[p + 1] - f.policy_vm_begin[p])
    chosen, before = np.empty(largest, dtype=np.int64), np.empty(largest, dtype=np.int64)
    order, regrets = np.empty(_LARGEST_RUIN, dtype=np.int64), np.empty(_LARGEST_RUIN)
    price, total = np.empty(NUM_OPTIONS), np.empty(NUM_OPTIONS)
    cost, best_cost = 0.0, 0.0
    stale = False  # whether the current schedule is the best one and still has to be copied to `best`
    for number in range(cooling.num_rounds):
        change = 0.0
        if len(a.whole) > 0 and random.random() < SHARE_OF_POLICIES:
            count = _take_policy(a, f, random, chosen)
            for at in range(count):
                before[at] = c.options[chosen[at]]
                change += _shift(a, c, chosen[at], before[at], OUT)
            t = _start_for_policy(a, c, chosen[:count], random, price, total)
            for at in range(count):
                change += _shift(a, c, chosen[at], t, IN)
        else:
            count, closed, opened = _draw(a, c, movable, random, chosen)
            for at in range(count):
                before[at] = c.options[chosen[at]]
                change += _shift(a, c, chosen[at], before[at], OUT)
            for at in range(count):
                _price_while_put_back(a, c, chosen[at], closed, opened, price)
                cheapest, second = _two_cheapest(price)
                # Negated, so that the VM that would lose most by waiting comes first. The noise varies the order from
                # round to round.
                regrets[at] = -(second - cheapest + REGRET_NOISE * random.random())
            _ascending(regrets[:count], order)
            for at in order[:count]:
                _price_while_put_back(a, c, chosen[at], closed, opened, price)
                change += _shift(a, c, chosen[at], _cheapest(price), IN)
            # VMs put back early did not know where the others would go: give each up to two chances to move again. Not
            # in a vault that lacks room for its creations: single moves see every opening there as blocked, although
            # edits may take the place of creations.
            vault = a.key_vault[closed[0]]
            for _ in range(0 if c.vault_writes[vault] > f.vault_room[vault] else 2):
                moved = False
                for at in range(count):
                    gained = _move_to_cheapest(a, c, chosen[at], price)
                    change += gained
                    moved |= gained < 0.0
                if not moved:
                    break
        change += _settle_vaults(a, f, c, chosen[:count])
        possible = _keeps_limits(a, c, chosen[:count])
        temperature = cooling.first * (cooling.last / cooling.first) ** (number / cooling.num_rounds)
        # Metropolis acceptance: improvements always, changes for the worse with a probability that falls as it cools.
        if possible and (change <= 0 or random.random() < np.exp(-change / temperature)):
            # The best schedule is about to be left: copy it now, without this round's moves. It was not copied at
            # once, because a copy takes time in proportion to the number of VMs, and improvements may follow each
            # other.
            if stale and change > 0:
                _copy(c.options, best)
                for at in range(count):
                    best[chosen[at]] = before[at]
                stale = False
            cost += change
            if cost < best_cost - IMPROVEMENT:
                best_cost, stale = cost, True
        else:
            for at in range(count):
                if c.options[chosen[at]] != before[at]:
                    _shift(a, c, chosen[at], c.options[chosen[at]], OUT)
                    _shift(a, c, chosen[at], before[at], IN)
            _settle_vaults(a, f, c, chosen[:count])
    if stale:
        _copy(c.options, best)
    return best_cost, cost


@inner
def _copy(options: IntArray, best: IntArray) -> None:
    for v in range(len(options)):
        best[v] = options[v]


@inner
def _keeps_limits(a: Arrays, c: Counts, chosen: IntArray) -> bool:
    """Whether a schedule that was feasible before some VMs moved is still feasible."""
    if c.moves[0] > a.max_moves[0]:
        return False
    for group in range(len(a.group_limit)):
        if c.group_writes[group] > a.group_limit[group]:
            return False
    for v in chosen:
        t = c.options[v]
        if a.base[v, t] >= FORBIDDEN or c.beyond[a.key_vault[a.key[v]]] < 0:
            return False
        listed = a.vm_class[v] * NUM_OPTIONS + t
        for touch in range(a.touched_begin[listed], a.touched_begin[listed + 1]):
            r = a.touched[touch]
            if c.met[r] > a.cap[r]:
                return False
        for at in range(a.vm_gate_begin[v], a.vm_gate_begin[v + 1]):
            if c.shut[a.vm_gate[at], t] > 0:
                return False
    return True


def ruin_and_recreate(
    a: Arrays, c: Counts, movable: IntArray, random: np.random.Generator, cooling: Cooling, best: IntArray
) -> tuple[float, float]:
    """Anneal for some rounds.

    Single moves cannot open a policy, because the first VM to move there would have to pay for it alone. Here, a start
    is opened as if it were free, or closed, while the VMs are put back. The true cost then decides.

    Parameters
    ----------
    a, c
        The problem, and the counts of a feasible schedule, which are changed.
    movable
        VMs that may move.
    random
        Source of all random numbers.
    cooling
        Number of rounds, and their temperatures.
    best
        Shape (V,): is set to the best schedule found, if it is better than the first.

    Returns
    -------
    tuple of float
        Cost of the best schedule and of the last one, both relative to the first one.
    """
    assert a.families is not None
    costs: tuple[float, float] = _anneal(_plain(a), a.families, c, movable, random, cooling, best)
    return costs
