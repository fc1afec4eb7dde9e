"""Small services in the dual function whose VMs always overlap: placed together instead of row by row.

A row of a service holds a whole number of VMs, but each row chooses its own number. Taken together, these numbers need
not be the result of any starts. For example, three VMs that are backed up every four hours overlap wherever they
start. Thirds of them fill every half hour evenly and cost nothing, and that is what the rows see. For such services,
this module chooses the starts of all VMs at once.

VMs of a service that touch the same of its rows at every option are of one *kind*. The relaxed constraint is that the
``x[i, t]`` VMs of kind ``i`` that this module puts at ``t`` are those that the cells put there; ``mu[i, t]`` is the
price of a difference. With ``K`` the price of a pair by kinds and starts, the service costs the sum of ``K`` over all
pairs. The cells are charged with the share ``alpha[i, t]`` of the pairs that they form themselves. These are pairs of
one kind and one start, and at most ``x (x - 1) / 2`` of them. What remains is

    ``min over the starts of all VMs: sum over pairs of K * (1 - alpha if of one kind and start) - sum of mu``

and is found by trying all starts. The price and the share of a kind at a start are those of an extra row that only
this kind touches, and only at this start. So the rest of the dual function does not need to know about this.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.compiled import compiled, inner
from optimizer.solve.problem.arrays import FORBIDDEN
from optimizer.solve.problem.instance import Instance, RowKind

FEWEST_VMS, MOST_VMS = 3, 4
"""Sizes of services that are placed together.

For two VMs, the rows are as good. Five VMs have a hundred times as many combinations of starts as three.
"""


class ServiceArrays(NamedTuple):
    """Services that are placed together, as flat arrays.

    Parameters
    ----------
    vm_begin, vm_kind
        Kinds of the VMs of service ``s``, ascending and counted from 0 within the service:
        ``vm_kind[vm_begin[s]:vm_begin[s + 1]]``.
    kind_begin
        Shape (num_services + 1,): first kind of each service.
    usable
        Shape (num_kinds, 48): whether any VM of the kind may start there.
    pair_begin, pair_price
        ``pair_price[pair_begin[s]:]`` begins with a flattened array of shape (kinds, kinds, 48, 48): the price of a
        pair.
    first_row
        Shape (1,): the extra row of kind ``i`` and start ``t`` is ``first_row + 48 i + t``.
    size
        Shape (num_extra_rows,): number of VMs that could be in each extra row.
    """

    vm_begin: IntArray
    vm_kind: IntArray
    kind_begin: IntArray
    usable: BoolArray
    pair_begin: IntArray
    pair_price: FloatArray
    first_row: IntArray
    size: IntArray


class Placed(NamedTuple):
    """Services that are placed together, and how the rest of the dual function sees them.

    Parameters
    ----------
    services
        Input of :func:`evaluate_services`.
    touched
        Shape (C, 48, W): rows that each class touches, padded with the total number of rows. Extra rows replace the
        rows of these services.
    pair_price
        Shape (num_extra_rows,): price of a pair in each extra row.
    """

    services: ServiceArrays
    touched: IntArray
    pair_price: FloatArray


class _Service(NamedTuple):
    """A service.

    Parameters
    ----------
    classes, kind_of_class, kind_of_vm
        Classes of its VMs, the kind of each class, and the kind of each VM.
    usable
        Shape (kinds, 48): whether any VM of the kind may start there.
    met, price
        Shape (kinds, 48, rows): whether the kind touches the row. Shape (rows,): price of a pair in it.
    """

    classes: IntArray
    kind_of_class: IntArray
    kind_of_vm: IntArray
    usable: BoolArray
    met: FloatArray
    price: FloatArray

    def pair_prices(self) -> FloatArray:
        """Price of a pair by kinds and starts; shape (kinds, kinds, 48, 48)."""
        num_kinds, flat = len(self.met), self.met.reshape(-1, len(self.price))
        prices = ((flat * self.price) @ flat.T).reshape(num_kinds, NUM_OPTIONS, num_kinds, NUM_OPTIONS)
        return np.ascontiguousarray(prices.transpose(0, 2, 1, 3))


def place_services(instance: Instance) -> Placed:
    """Find the services whose VMs overlap at any starts, and replace their rows."""
    num_rows = len(instance.rows)
    is_service = np.array([kind is RowKind.SERVICE for kind in instance.rows.kind] + [False], dtype=np.bool_)
    services = _overlapping(instance, is_service)
    begin, total = num_rows, num_rows + sum(len(service.usable) for service in services) * NUM_OPTIONS
    touched = np.where(instance.touched == num_rows, total, instance.touched)
    for service in services:
        for c, kind in zip(service.classes.tolist(), service.kind_of_class.tolist(), strict=True):
            own = is_service[instance.touched[c]]
            assert own.any(axis=1).all(), "a VM meets others of its service wherever it starts"
            touched[c][own] = total
            touched[c, np.arange(NUM_OPTIONS), own.argmax(axis=1)] = (
                begin + kind * NUM_OPTIONS + np.arange(NUM_OPTIONS)
            )
        begin += len(service.usable) * NUM_OPTIONS
    each = [service.price @ service.met.reshape(-1, len(service.price)).T for service in services]
    return Placed(_flatten(services, num_rows), touched, np.concatenate([np.zeros(0), *each]))


def _overlapping(instance: Instance, is_service: BoolArray) -> list[_Service]:
    """Services of the right size that pay for overlaps at any starts of their VMs."""
    sizes = np.bincount(instance.service)
    members = np.split(np.argsort(instance.service, kind="stable"), np.cumsum(sizes)[:-1])
    services, known = [], {}  # most services differ only in their prices
    for vms in members:
        if FEWEST_VMS <= len(vms) <= MOST_VMS:
            service = _describe(instance, vms, is_service)
            priced, usable, kinds = service.price > 0, service.usable, service.kind_of_vm
            alike = (service.met.tobytes(), priced.tobytes(), usable.tobytes(), kinds.tobytes())
            if alike not in known:
                known[alike] = not _spreads(service) and _always_overlaps(service)
            if known[alike]:
                services.append(service)
    return services


def _describe(instance: Instance, vms: IntArray, is_service: BoolArray) -> _Service:
    classes, class_of_vm = np.unique(instance.vm_class[vms], return_inverse=True)
    rows = instance.touched[classes]
    own = is_service[rows]
    present = np.unique(rows[own])
    of_class, option, _ = np.nonzero(own)
    met = np.zeros((len(classes), NUM_OPTIONS, len(present)))
    met[of_class, option, np.searchsorted(present, rows[own])] = 1.0
    numbers: dict[bytes, int] = {}
    kind_of_class = np.array([numbers.setdefault(touches.tobytes(), len(numbers)) for touches in met])
    first = [int(np.flatnonzero(kind_of_class == kind)[0]) for kind in range(len(numbers))]
    kind_of_vm = kind_of_class[class_of_vm.reshape(-1)]
    usable = np.stack([instance.allowed[vms[kind_of_vm == kind]].any(axis=0) for kind in range(len(first))])
    return _Service(classes, kind_of_class, kind_of_vm, usable, met[first], instance.rows.pair_price[present])


def _spreads(service: _Service) -> bool:
    """Whether no VMs overlap if each takes its first free start: a quick test that may miss some services."""
    taken = np.zeros(len(service.price))
    for kind in service.kind_of_vm.tolist():
        free = service.usable[kind] & (service.met[kind] @ taken == 0)
        if not free.any():
            return False
        taken += service.met[kind, int(free.argmax())]
    return True


def _always_overlaps(service: _Service) -> bool:
    """Whether a service pays for overlaps at any starts of its VMs."""
    arrays, none = _flatten([service], 0), np.zeros(service.usable.size)
    starts = np.zeros(len(service.kind_of_vm), dtype=np.int64)
    placement = Placement(none.copy(), none.copy(), np.empty(1), starts)
    return bool(evaluate_services(arrays, none, none, placement, True) > 0)


def _flatten(services: list[_Service], num_rows: int) -> ServiceArrays:
    none, no_prices = np.zeros(0, dtype=np.int64), np.zeros(0)
    return ServiceArrays(
        vm_begin=np.cumsum([0] + [len(service.kind_of_vm) for service in services], dtype=np.int64),
        vm_kind=np.concatenate([none, *(np.sort(service.kind_of_vm) for service in services)]),
        kind_begin=np.cumsum([0] + [len(service.usable) for service in services], dtype=np.int64),
        usable=np.concatenate([np.zeros((0, NUM_OPTIONS), np.bool_), *(service.usable for service in services)]),
        pair_begin=np.cumsum([0] + [service.usable.size**2 for service in services], dtype=np.int64),
        pair_price=np.concatenate([no_prices, *(service.pair_prices().ravel() for service in services)]),
        first_row=np.array([num_rows]),
        size=np.repeat(
            np.concatenate([none, *(np.bincount(service.kind_of_vm) for service in services)]), NUM_OPTIONS
        ),
    )


class Placement(NamedTuple):
    """Placement of the VMs of services, and its effect on the extra rows; compiled code fills the arrays in.

    Parameters
    ----------
    met, pairs
        Shape (num_rows,): the number of VMs at the starts found, and the price of their pairs of one kind and start,
        are subtracted here.
    values
        Shape (num_services,): is set to the value of each service.
    starts
        Shape (num_vms of all services,): starts to begin with, such as those of the step before; is set to the
        cheapest.
    """

    met: FloatArray
    pairs: FloatArray
    values: FloatArray
    starts: IntArray


@compiled
def evaluate_services(s: ServiceArrays, mu: FloatArray, alpha: FloatArray, out: Placement, search: bool) -> float:
    """Find the cheapest starts of the VMs of each service.

    Parameters
    ----------
    s
        The services.
    mu, alpha
        Shape (num_rows,), extra rows included: price of each kind at a start, and share of pairs that the cells pay.
    out
        Receives the starts.
    search
        False keeps the starts to begin with. The values are then too high.

    Returns
    -------
    float
        Sum of the values.
    """
    values = out.values
    prices = np.empty((MOST_VMS, MOST_VMS, NUM_OPTIONS + 1))  # the last place holds the minimum
    nothing = np.zeros(NUM_OPTIONS)
    total = 0.0
    for number in range(len(values)):
        begin, size = s.vm_begin[number], s.vm_begin[number + 1] - s.vm_begin[number]
        kinds = s.vm_kind[begin : begin + size]
        first = s.first_row[0] + s.kind_begin[number] * NUM_OPTIONS
        for p in range(size):
            for t in range(NUM_OPTIONS):
                usable = s.usable[s.kind_begin[number] + kinds[p], t]
                prices[0, p, t] = -mu[first + kinds[p] * NUM_OPTIONS + t] if usable else FORBIDDEN
            _add_pairs(prices[0, p], nothing, 0, 0.0, prices[0, p])
        num_kinds = s.kind_begin[number + 1] - s.kind_begin[number]
        pair = s.pair_price[s.pair_begin[number] : s.pair_begin[number + 1]]
        starts = out.starts[begin : begin + size]
        values[number] = _cost_of(kinds, num_kinds, pair, alpha[first:], prices, starts)
        if search:
            values[number] = _cheapest_starts(kinds, num_kinds, pair, alpha[first:], prices, starts, values[number])
        total += values[number]
        for p in range(size):
            r = first + kinds[p] * NUM_OPTIONS + starts[p]
            for q in range(p):
                if kinds[q] == kinds[p] and starts[q] == starts[p]:
                    out.pairs[r] -= pair[_place(kinds[p], kinds[p], num_kinds, starts[p]) + starts[p]]
            out.met[r] -= 1.0
    return total


@inner
def _place(kind: int, other: int, num_kinds: int, start: int) -> int:
    """Position where the prices of pairs of a VM at a start with VMs of another kind begin."""
    return ((kind * num_kinds + other) * NUM_OPTIONS + start) * NUM_OPTIONS


@inner
def _cheapest_starts(
    kinds: IntArray,
    num_kinds: int,
    pair: FloatArray,
    alpha: FloatArray,
    prices: FloatArray,
    starts: IntArray,
    best: float,
) -> float:
    """Cost of the cheapest starts of the VMs of a service, by branch and bound.

    All starts are tried, except where the VMs placed so far plus the minimum of each other VM on its own already cost
    too much. VMs of one kind are interchangeable, so their starts ascend.

    Parameters
    ----------
    kinds
        Shape (size,): kind of each VM, ascending.
    num_kinds, pair, alpha
        Number of kinds, prices of pairs, and shares of the service.
    prices
        ``prices[0, p]``: price of each start of VM ``p``; ``prices[level]`` is scratch space for partial choices.
    starts
        Starts to begin with; is set to the cheapest.
    best
        Cost of the starts to begin with.
    """
    last = len(kinds) - 1
    at, spent = np.zeros(len(kinds), dtype=np.int64), np.zeros(len(kinds))
    at[0], level = -1, 0
    while level >= 0:
        at[level] += 1
        t = at[level]
        if t == NUM_OPTIONS:
            level -= 1
            continue
        cost = spent[level] + prices[level, level, t]
        others = 0.0
        for p in range(level + 1, last + 1):
            others += prices[level, p, NUM_OPTIONS]
        if cost + others >= best:
            continue
        others = 0.0
        for p in range(level + 1, last + 1):
            saved = 0.0
            if kinds[p] == kinds[level]:
                saved = alpha[kinds[p] * NUM_OPTIONS + t]
            first_pair = _place(kinds[level], kinds[p], num_kinds, t)
            others += _add_pairs(
                prices[level, p], pair[first_pair : first_pair + NUM_OPTIONS], t, saved, prices[level + 1, p]
            )
        if cost + others >= best:
            continue
        if level == last - 1:
            best = cost + others
            for p in range(last):
                starts[p] = at[p]
            starts[last] = _first_of(prices[last, last], prices[last, last, NUM_OPTIONS])
            continue
        level += 1
        spent[level] = cost
        at[level] = t - 1 if kinds[level] == kinds[level - 1] else -1
    return best


@inner
def _cost_of(
    kinds: IntArray, num_kinds: int, pair: FloatArray, alpha: FloatArray, prices: FloatArray, starts: IntArray
) -> float:
    """Cost of the given starts of the VMs of a service."""
    total = 0.0
    for p in range(len(kinds)):
        total += prices[0, p, starts[p]]
        for q in range(p):
            price = pair[_place(kinds[p], kinds[q], num_kinds, starts[p]) + starts[q]]
            if kinds[p] == kinds[q] and starts[p] == starts[q]:
                price *= 1.0 - alpha[kinds[p] * NUM_OPTIONS + starts[p]]
            total += price
    return total


@inner
def _add_pairs(prices: FloatArray, pair: FloatArray, own: int, saved: float, to: FloatArray) -> float:
    """Price of each start of a VM beside one more VM, reduced by a share at start ``own``; return the minimum.

    The minimum is also the last entry of ``to``. Four minima in parallel take less time than one after the other.
    """
    for u in range(NUM_OPTIONS):
        to[u] = prices[u] + pair[u]
    to[own] -= saved * pair[own]
    a, b, c, d = to[0], to[1], to[2], to[3]
    for u in range(4, NUM_OPTIONS, 4):
        a, b, c, d = min(a, to[u]), min(b, to[u + 1]), min(c, to[u + 2]), min(d, to[u + 3])
    least: float = min(a, b, c, d)
    to[NUM_OPTIONS] = least
    return least


@inner
def _first_of(values: FloatArray, value: float) -> int:
    for at in range(NUM_OPTIONS):
        if values[at] == value:
            return at
    return 0
