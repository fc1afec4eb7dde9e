"""Check of the figures that a plan states: the objective, term by term, overlaps, starts in working hours and peak."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Prices
from optimizer.verifier.checked import TOLERANCE, Checked, Claims
from optimizer.verifier.overlap import exact_probabilities, priced_probabilities
from optimizer.verifier.single_vms import usable_options
from optimizer.verifier.window_clock import HALF_HOURS_PER_WEEK, WindowClock


def check_figures(checked: Checked, clock: WindowClock, claims: Claims) -> Iterator[str]:
    """Compare the objective and the other figures with those that the plan states."""
    weights = _weights(checked)
    overlaps, in_hours = _overlaps(checked, clock, weights), _working_hours(checked, clock)
    counted, weighted, exact = (
        sum(getattr(service, figure) for service in overlaps) for figure in ("count", "weighted", "exact")
    )
    yield from _compare("cost", claims.cost, _cost(checked, clock, weights, overlaps, in_hours))
    yield from _compare("expected overlaps", claims.overlaps, counted)
    if claims.exact_overlaps is not None:
        yield from _compare("exact overlaps", claims.exact_overlaps, exact)
    stated = counted if claims.weighted_overlaps is None else claims.weighted_overlaps
    yield from _compare("weighted overlaps", stated, weighted)
    yield from _compare("expected starts in working hours", claims.working_hours_starts, sum(in_hours.starting))
    yield from _compare("peak concurrency", claims.peak, _peak(checked, clock))
    yield from _check_bound(claims)


def _compare(name: str, stated: float, found: float) -> Iterator[str]:
    if not abs(stated - found) <= TOLERANCE * (1 + abs(found)):  # in this form, NaN is a fault as well
        yield f"the plan states {name} {stated:.6f}, it is {found:.6f}"


def _check_bound(claims: Claims) -> Iterator[str]:
    if not claims.spreading_costs >= 0:
        yield f"the plan states spreading costs {claims.spreading_costs:.6f}, below 0"
    if not claims.bound <= claims.cost - claims.spreading_costs + TOLERANCE:
        less = f" without {claims.spreading_costs:.6f} for spread services" if claims.spreading_costs else ""
        yield f"the bound {claims.bound:.6f} is above the cost {claims.cost:.6f}{less}"


@dataclass(frozen=True, slots=True)
class _WorkingHours:
    """Expected backups of each VM per 30 days that start in working hours, today and in the plan; length V."""

    started: list[float]
    starting: list[float]


def _working_hours(checked: Checked, clock: WindowClock) -> _WorkingHours:
    hours, policies = checked.rules.working_hours, [checked.before.policy(item) for item in checked.before.items]
    started, starting = (
        [clock.starts_within(hours, policy, t) * 30 / 7 for policy, t in zip(policies, starts, strict=True)]
        for starts in (checked.today, checked.options)
    )
    return _WorkingHours(started, starting)


def _cost(
    checked: Checked,
    clock: WindowClock,
    weights: Sequence[float],
    overlaps: Sequence[_ServiceOverlaps],
    in_hours: _WorkingHours,
) -> float:
    """The objective."""
    prices = checked.rules.prices
    added = (max(0.0, after - before) for before, after in zip(in_hours.started, in_hours.starting, strict=True))
    return (
        _cost_of_risk(checked, clock, weights)
        + sum(checked.move_price(row) for row in range(len(checked.starts)) if checked.moves(row))
        + prices.working_hours * sum(added)
        + sum(service.weighted * _price_of_overlap(prices, service.num_vms, service.together) for service in overlaps)
        + prices.vault_peak * _starts_above_share(checked, clock) / 7
        + prices.policy_write * _policy_writes(checked)
    )


def _cost_of_risk(checked: Checked, clock: WindowClock, weights: Sequence[float]) -> float:
    """At-risk backups, each times the weight of its VM and the days until the next backup."""
    total = 0.0
    for row, item in enumerate(checked.before.items):
        policy = checked.before.policy(item)
        days = 7 / len({day for day, _ in clock.wall_times(policy, policy.start)})
        total += weights[row] * days * checked.counted_risk(row)
    return total


def _policy_writes(checked: Checked) -> int:
    """Number of policies that are created or edited."""
    before, after = checked.before.policies, checked.after.policies
    edited = sum(after[policy_id].start != policy.start for policy_id, policy in before.items())
    return len(after) - len(before) + edited


def _peak(checked: Checked, clock: WindowClock) -> int:
    """Largest number of windows of one service in one half hour."""
    met: Counter[tuple[str, int]] = Counter()
    for row, item in enumerate(checked.before.items):
        vm = checked.before.vm(item)
        moments = clock.half_hours(checked.before.policy(item), checked.options[row])
        met.update((vm.service or str(vm.id), moment) for moment in moments)
    return max(met.values(), default=0)


def _weights(checked: Checked) -> list[float]:
    """Weight of each VM's risk and overlaps: the largest weight that a rule gives it."""
    return [
        max((rule.weight for rule in rules if rule.weight is not None), default=1.0) for rules in checked.rules_by_row
    ]


@dataclass(frozen=True, slots=True)
class _ServiceOverlaps:
    """Expected overlapping snapshots of a service in 30 days.

    ``count`` is by the probability that has a price, ``weighted`` is this times the smaller weight of both VMs, and
    ``exact`` is by the exact probability. ``together`` is the probability with a price for two VMs that start at the
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
    return [_overlaps_of(checked, clock, weights, name, rows) for name, rows in members.items()]


def _overlaps_of(
    checked: Checked, clock: WindowClock, weights: Sequence[float], name: str, rows: Sequence[int]
) -> _ServiceOverlaps:
    """Expected overlapping snapshots of one service, given by its name and the rows of its VMs."""
    timing = checked.before.service_timing[name]
    priced, unpriced = priced_probabilities(timing), exact_probabilities(timing)
    plain = weighted = exact = 0.0
    for clock_changed in (False, True):
        runs = _runs_by_weight(checked, clock, weights, rows, clock_changed=clock_changed)
        for weight, other in combinations_with_replacement(runs, 2):
            alike = weight == other
            pairs = _expected_pairs(runs[weight], runs[other], priced, alike=alike)
            exact += _expected_pairs(runs[weight], runs[other], unpriced, alike=alike)
            plain += pairs
            weighted += min(weight, other) * pairs
    plain, weighted, exact = (pairs / 2 * 30 / 7 for pairs in (plain, weighted, exact))
    return _ServiceOverlaps(plain, weighted, exact, priced[0], len(rows))


def _runs_by_weight(
    checked: Checked, clock: WindowClock, weights: Sequence[float], rows: Sequence[int], *, clock_changed: bool
) -> dict[float, Counter[int]]:
    """Number of runs that start in each half hour of the week, by the weight of their VM."""
    runs: dict[float, Counter[int]] = {}
    for row in rows:
        policy = checked.before.policy(checked.before.items[row])
        starts = clock.starts(policy, checked.options[row], clock_changed=clock_changed)
        runs.setdefault(weights[row], Counter()).update(starts)
    return runs


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


def _starts_above_share(checked: Checked, clock: WindowClock) -> int:
    """Starts above a vault's fair share, summed over the half hours of a week."""
    usable: dict[ArmId, set[int]] = defaultdict(set)
    weekly: Counter[ArmId] = Counter()
    starts: defaultdict[ArmId, Counter[int]] = defaultdict(Counter)
    for row, item in enumerate(checked.before.items):
        policy = checked.before.policy(item)
        weekly[item.vault_id] += len(clock.starts(policy, policy.start))
        starts[item.vault_id].update(clock.starts(policy, checked.options[row]))
        for option in usable_options(checked, clock, row):
            usable[item.vault_id].update(moment % 48 for moment in clock.starts(policy, option))
    excess = 0
    for vault, count in weekly.items():
        share = math.ceil(count / 7 / max(1, len(usable[vault])) - 1e-12)
        excess += sum(max(0, number - share) for number in starts[vault].values())
    return excess
