"""Compiled inner loops of the search: prices of options, single moves, ruin and recreate.

Everything here is plain loops over the arrays of :mod:`optimizer.solve.arrays`, compiled by Numba on first use and
kept in its cache.  The functions change :class:`~optimizer.solve.arrays.Counts` in place; each change returns what it
costs, so that nobody has to price the whole schedule anew.

Schrimpf, Schneider, Stamm-Wilbrandt, Dueck, "Record breaking optimization results using the ruin and recreate
principle", Journal of Computational Physics 159 (2000); acceptance by simulated annealing (Kirkpatrick, Gelatt,
Vecchi, Science 220, 1983).
"""

from __future__ import annotations

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.arrays import BLOCKED, FORBIDDEN, Arrays, Counts
from optimizer.solve.compiled import compiled, inlined, inner
from optimizer.solve.executable import Families, choose_writes
from optimizer.solve.instance import BoolArray, FloatArray, IntArray

IMPROVEMENT = 1e-9
"""A change has to gain more than this, so that rounding cannot make the search run in circles."""

MAX_FROM_CLOSED = 30
"""VMs taken out of a start that is closed, or of a service."""

OTHERS_WITH_CLOSED, OTHERS_ALONE = 8, 24
"""Further VMs of the key that are taken out, beside those of a closed start or without one."""

NEAR = 6
"""Half hours between a start that is closed and one that is opened for it."""

CLOSED_PRICE = 0.5
"""What going back to a closed start costs while VMs are put back."""

REGRET_NOISE = 0.05
"""Largest random part of the order in which VMs are put back."""

SHARE_OF_SERVICES = 0.15
"""How often the VMs of a service are taken out rather than some of a twin key."""

SHARE_OF_SWAPS = 0.4
"""How often, where policy writes are limited, a start of one key is closed and one of another key opened."""

CREATE_FIRST = np.bool_(False)
"""Policies are edited only where there is no room to create them."""

OUT, IN = np.int64(-1), np.int64(1)
"""For :func:`_shift`: take a VM out of an option, or put it there."""

NOWHERE = np.int64(-1)
"""An option that is none."""

SHARE_OF_POLICIES = 0.1
"""How often, where a vault could not hold a new policy for each that may be edited, all VMs of one go to one start."""

SHARE_OF_CHEAPEST = 0.7
"""How often they go to the start that is cheapest for them, rather than to any."""

_LARGEST_RUIN = MAX_FROM_CLOSED + max(OTHERS_WITH_CLOSED, OTHERS_ALONE)


@inner
def _needed(items: int, existing: int, per_policy: IntArray) -> int:
    """Policies to write for so many items at one start, where a new policy and one of today hold ``per_policy``."""
    needed: int = (items - per_policy[1] * existing + per_policy[0] - 1) // per_policy[0]
    return max(0, needed)


@inner
def _shift(a: Arrays, c: Counts, v: int, t: int, by: np.int64) -> float:
    """Take a VM out of option ``t`` (``by`` is :data:`OUT`) or put it there (:data:`IN`); return what that costs."""
    met, marginal = c.met, c.marginal
    pair_price, peak_price, fair_share, cap = a.pair_price, a.peak_price, a.fair_share, a.cap
    touched = a.touched
    cost = a.base[v, t] * by
    place = a.vm_class[v] * NUM_OPTIONS + t
    for at in range(a.touched_begin[place], a.touched_begin[place + 1]):
        r = touched[at]
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
    """Cost of putting a VM, that was taken out, at each option; ``price`` has shape (48,)."""
    base, begin, touched, marginal = a.base, a.touched_begin, a.touched, c.marginal
    place = a.vm_class[v] * NUM_OPTIONS
    for t in range(NUM_OPTIONS):
        total = base[v, t]
        if total < FORBIDDEN:
            for at in range(begin[place + t], begin[place + t + 1]):
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
def _price_openings(a: Arrays, c: Counts, v: int, price: FloatArray, free: int | np.int64) -> None:
    """Add what policies cost that have to be opened for a VM, but at the option ``free`` if that is empty."""
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
        if without_place >= 0 and without_place % a.vms_per_policy[0] == 0:
            if t == today and not a.counted_today[v]:
                continue
            if t != free or items > 0 or opening >= BLOCKED:
                price[t] += opening


@inner
def _settle_vaults(a: Arrays, f: Families, c: Counts, vms: IntArray) -> float:
    """Bring up to date which writes in the vaults of some VMs only their order needs; by how much their price changes.

    ``beyond`` of a vault is -1 where there is no order (:mod:`optimizer.solve.executable`).
    """
    change, before = 0.0, -1
    for v in vms:
        vault = a.key_vault[a.key[v]]
        if vault == before or not (
            c.beyond[vault] or f.vault_tight[vault] or c.vault_writes[vault] > f.vault_room[vault]
        ):
            continue
        before = vault
        first, last = f.vault_key_begin[vault], f.vault_key_begin[vault + 1]
        edited = np.zeros(f.vault_policy_begin[vault + 1] - f.vault_policy_begin[vault], dtype=np.int64)
        extra, rings = np.empty(last - first, dtype=np.int64), np.empty((last - first, NUM_OPTIONS), dtype=np.int64)
        possible = choose_writes(f, c.options, c.policies, vault, CREATE_FIRST, edited, extra, rings) >= 0
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
    """Move a VM to its cheapest option; what that costs, never above 0.  The order of writes is not looked at."""
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
    """Take VMs out of their options.  :func:`place` puts them back."""
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
    """Take all the VMs out of their options, then put each at its new one; return what that costs.

    It costs :data:`BLOCKED` and more where no order of writes leads there.
    """
    change = _move_together(_plain(a), c, vms, options) + settle_writes(a, c, vms)
    return change + BLOCKED if (c.beyond[a.key_vault[a.key[vms]]] < 0).any() else change


@compiled
def _excess_price(a: Arrays, c: Counts, v: int, option: int) -> float:
    """What a VM costs more at an option than where it is."""
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
    """Move each VM once to its cheapest option, in order; what that costs.

    VMs of vaults in which the order of writes matters come last, one by one.
    """
    vault = a.key_vault[a.key[vms]]
    matters = _order_matters(a, c)[vault]
    change = _sweep(_plain(a), c, vms[~matters])
    for v in vms[matters].tolist():
        change += _move_in_order(a, c, v)
    return change


def _move_in_order(a: Arrays, c: Counts, v: int) -> float:
    """Move a VM to its cheapest option if it gains there with what the order of writes costs; what that costs."""
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
    """Bring up to date what the order of writes costs in the vaults of some VMs; by how much that changes."""
    assert a.families is not None
    vms = vms[_order_matters(a, c)[a.key_vault[a.key[vms]]]]
    return _settle(_plain(a), a.families, c, vms) if len(vms) else 0.0


def _order_matters(a: Arrays, c: Counts) -> BoolArray:
    """Vaults in which policies are full, or that lack room for new ones; shape (num_vaults,)."""
    assert a.families is not None
    return np.asarray((c.beyond != 0) | a.families.vault_tight | (c.vault_writes > a.vault_room))


def _plain(a: Arrays) -> Arrays:
    """The arrays without families: compiled code takes longer to compile and to call the more arrays it is given."""
    return a._replace(families=None)


@compiled
def _gains(a: Arrays, c: Counts, vms: IntArray) -> FloatArray:
    price, found = np.empty(NUM_OPTIONS), np.zeros(len(vms))
    for number, v in enumerate(vms):
        here = c.options[v]
        _shift(a, c, v, here, OUT)
        _price_options(a, c, v, price)
        _price_openings(a, c, v, price, NOWHERE)
        _shift(a, c, v, here, IN)
        found[number] = price[here] - price[_cheapest(price)]
    return found


def gains(a: Arrays, c: Counts, vms: IntArray) -> FloatArray:
    """What moving each VM alone to its cheapest option gains; shape of ``vms``."""
    found: FloatArray = _gains(_plain(a), c, vms)
    return found


def place(a: Arrays, c: Counts, vms: IntArray) -> None:
    """Put VMs that were taken out at their cheapest options, those with most to lose first."""
    _place(_plain(a), c, vms)


@compiled
def _place(a: Arrays, c: Counts, vms: IntArray) -> None:
    price, regrets, order = np.empty(NUM_OPTIONS), np.empty(len(vms)), np.empty(len(vms), dtype=np.int64)
    for number, v in enumerate(vms):
        _price_options(a, c, v, price)
        _price_openings(a, c, v, price, NOWHERE)
        best, second = _two_cheapest(price)
        regrets[number] = best - second
    _ascending(regrets, order)
    for at in range(len(order)):
        v = vms[order[at]]
        _price_options(a, c, v, price)
        _price_openings(a, c, v, price, NOWHERE)
        _shift(a, c, v, _cheapest(price), IN)


@inner
def _cheapest(price: FloatArray) -> int:
    """Return the cheapest option, the first among equals."""
    cheapest, least = 0, price[0]
    for t in range(1, NUM_OPTIONS):
        if price[t] < least:
            cheapest, least = t, price[t]
    return cheapest


@inner
def _ascending(values: FloatArray, order: IntArray) -> None:
    """Set ``order`` to the places of a few values from the least on, equal values in their order.

    Each value is compared with all others.  For some dozens this is faster than sorting: nothing branches.
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
    """Cheapest and second cheapest price; what is blocked costs the same however often."""
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
    """Choose VMs of a key that are at a start to close, from a random one on; return how many."""
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
    """Add VMs of a key that are not at the closed start to the ``count`` chosen; return how many there are then."""
    size = len(members)
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
) -> tuple[int, int, int, int, int]:
    """What to take out: number of VMs in ``chosen``; key and option that are closed, and that are opened (-1: none).

    Mostly some VMs of one key, of which a start is closed, opened, or both; else the VMs of a service.  Where policy
    writes are limited, also a start of one key is closed and one of another key opened: a write for a write.
    """
    v = movable[int(random.random() * len(movable))]
    k = a.key[v]
    members = a.key_vms[a.key_begin[k] : a.key_begin[k + 1]]
    if len(a.group_limit) > 0 and random.random() < SHARE_OF_SWAPS:
        closed = c.options[v]
        count = _take_from_closed(members, c.options, closed, random, chosen)
        other = a.key[movable[int(random.random() * len(movable))]]
        opened = int(random.random() * NUM_OPTIONS)
        without = closed if other == k else -1
        others = a.key_vms[a.key_begin[other] : a.key_begin[other + 1]]
        count = _take_others(others, c.options, without, random, chosen, count, count + OTHERS_ALONE)
        return count, k, closed, other, opened
    if random.random() < SHARE_OF_SERVICES:
        g = a.service[v]
        begin, size = a.service_begin[g], a.service_begin[g + 1] - a.service_begin[g]
        first = int(random.random() * size)
        for step in range(min(size, MAX_FROM_CLOSED)):
            chosen[step] = a.service_vms[begin + (first + step) % size]
        return min(size, MAX_FROM_CLOSED), k, -1, k, -1
    count, closed, opened, kind = 0, -1, -1, random.random()
    if kind < 0.65:
        closed = c.options[members[int(random.random() * len(members))]]
        count = _take_from_closed(members, c.options, closed, random, chosen)
    if kind > 0.35:
        if closed < 0 or random.random() < 0.3:
            opened = int(random.random() * NUM_OPTIONS)
        else:
            opened = (closed + int(random.random() * (2 * NEAR + 1)) - NEAR) % NUM_OPTIONS
        more = OTHERS_WITH_CLOSED if closed >= 0 else OTHERS_ALONE
        count = _take_others(members, c.options, closed, random, chosen, count, count + more)
    return count, k, closed, k, opened


@inner
def _take_policy(a: Arrays, f: Families, random: np.random.Generator, chosen: IntArray) -> int:
    """Choose the VMs of a policy that could be edited; return how many."""
    p = a.whole[int(random.random() * len(a.whole))]
    begin, end = f.policy_vm_begin[p], f.policy_vm_begin[p + 1]
    for at in range(begin, end):
        chosen[at - begin] = f.policy_vm[at]
    return int(end - begin)


@inner
def _start_for_policy(
    a: Arrays, c: Counts, vms: IntArray, random: np.random.Generator, price: FloatArray, total: FloatArray
) -> int:
    """A start for VMs that were taken out and have to stay together: the cheapest in sum, or any that all may have."""
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
        total[together] += FORBIDDEN  # they are there already
    best = _cheapest(total)
    if random.random() < SHARE_OF_CHEAPEST:
        return best
    t = int(random.random() * NUM_OPTIONS)
    return t if total[t] < FORBIDDEN else best


@inlined
def _price_while_put_back(
    a: Arrays, c: Counts, v: int, closed: tuple[int, int], opened: tuple[int, int], price: FloatArray
) -> None:
    """Cost of each option with the opened start free and the closed one dear; starts are a key and an option."""
    _price_options(a, c, v, price)
    _price_openings(a, c, v, price, opened[1] if a.key[v] == opened[0] else NOWHERE)
    if closed[1] >= 0 and a.key[v] == closed[0]:
        price[closed[1]] += CLOSED_PRICE


@compiled
def _anneal(
    a: Arrays,
    f: Families,
    c: Counts,
    movable: IntArray,
    random: np.random.Generator,
    first_temperature: float,
    last_temperature: float,
    num_rounds: int,
    best: IntArray,
) -> tuple[float, float]:
    largest = _LARGEST_RUIN
    for p in a.whole:
        largest = max(largest, f.policy_vm_begin[p + 1] - f.policy_vm_begin[p])
    chosen, was = np.empty(largest, dtype=np.int64), np.empty(largest, dtype=np.int64)
    order, regrets = np.empty(_LARGEST_RUIN, dtype=np.int64), np.empty(_LARGEST_RUIN)
    price, total = np.empty(NUM_OPTIONS), np.empty(NUM_OPTIONS)
    cost, best_cost = 0.0, 0.0
    stale = False  # whether the best assignment is the present one and has still to be copied
    for number in range(num_rounds):
        change = 0.0
        if len(a.whole) > 0 and random.random() < SHARE_OF_POLICIES:
            count = _take_policy(a, f, random, chosen)
            for at in range(count):
                was[at] = c.options[chosen[at]]
                change += _shift(a, c, chosen[at], was[at], OUT)
            t = _start_for_policy(a, c, chosen[:count], random, price, total)
            for at in range(count):
                change += _shift(a, c, chosen[at], t, IN)
        else:
            count, k, option, other, free = _draw(a, c, movable, random, chosen)
            closed, opened = (k, option), (other, free)
            for at in range(count):
                was[at] = c.options[chosen[at]]
                change += _shift(a, c, chosen[at], was[at], OUT)
            for at in range(count):
                _price_while_put_back(a, c, chosen[at], closed, opened, price)
                cheapest, second = _two_cheapest(price)
                regrets[at] = -(second - cheapest + REGRET_NOISE * random.random())
            _ascending(regrets[:count], order)
            for at in order[:count]:
                _price_while_put_back(a, c, chosen[at], closed, opened, price)
                change += _shift(a, c, chosen[at], _cheapest(price), IN)
            for _ in range(0 if c.vault_writes[a.key_vault[k]] > f.vault_room[a.key_vault[k]] else 2):
                moved = False
                for at in range(count):
                    gained = _move_to_cheapest(a, c, chosen[at], price)
                    change += gained
                    moved |= gained < 0.0
                if not moved:
                    break
        change += _settle_vaults(a, f, c, chosen[:count])
        possible = _keeps_limits(a, c, chosen[:count])
        temperature = first_temperature * (last_temperature / first_temperature) ** (number / num_rounds)
        if possible and (change <= 0 or random.random() < np.exp(-change / temperature)):
            if stale and change > 0:
                _copy(c.options, best)
                for at in range(count):
                    best[chosen[at]] = was[at]
                stale = False
            cost += change
            if cost < best_cost - IMPROVEMENT:
                best_cost, stale = cost, True
        else:
            for at in range(count):
                if c.options[chosen[at]] != was[at]:
                    _shift(a, c, chosen[at], c.options[chosen[at]], OUT)
                    _shift(a, c, chosen[at], was[at], IN)
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
    """Whether an assignment, feasible before, is so after some VMs were put elsewhere."""
    if c.moves[0] > a.max_moves[0]:
        return False
    for group in range(len(a.group_limit)):
        if c.group_writes[group] > a.group_limit[group]:
            return False
    for v in chosen:
        t = c.options[v]
        if a.base[v, t] >= FORBIDDEN or c.beyond[a.key_vault[a.key[v]]] < 0:
            return False
        place = a.vm_class[v] * NUM_OPTIONS + t
        for touch in range(a.touched_begin[place], a.touched_begin[place + 1]):
            r = a.touched[touch]
            if c.met[r] > a.cap[r]:
                return False
        for at_gate in range(a.vm_gate_begin[v], a.vm_gate_begin[v + 1]):
            if c.shut[a.vm_gate[at_gate], t] > 0:
                return False
    return True


def ruin_and_recreate(
    a: Arrays,
    c: Counts,
    movable: IntArray,
    random: np.random.Generator,
    first_temperature: float,
    last_temperature: float,
    num_rounds: int,
    best: IntArray,
) -> tuple[float, float]:
    """Anneal for some rounds, at temperatures that fall geometrically.

    Single moves cannot open a policy: the first VM to come would pay for it alone.  Here a start is opened as if it
    were free, or closed, for as long as the VMs are put back; the true cost decides.

    Parameters
    ----------
    a, c
        The problem and a feasible assignment, which is changed.
    movable
        VMs that may move.
    random
        Source of everything random.
    first_temperature, last_temperature
        A change for the worse by this much is accepted with probability 1/e.
    num_rounds
        Work.
    best
        Shape (V,): gets the best assignment that was met, where one is better than the first.

    Returns
    -------
    tuple of float
        Cost of the best assignment, and of the one at the end, less that of the first.
    """
    assert a.families is not None
    found: tuple[float, float] = _anneal(
        _plain(a), a.families, c, movable, random, first_temperature, last_temperature, num_rounds, best
    )
    return found
