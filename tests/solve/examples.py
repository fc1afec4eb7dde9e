"""Small inventories with made-up risks, and the obvious way to price a schedule."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache

import numpy as np
from hypothesis import strategies as st

from optimizer.model.inventory import Inventory, Policy, ProtectedItem, SubType, Vault, Vm
from optimizer.model.pattern import Pattern
from optimizer.model.policy_limits import VmLimit, vm_limit
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.snapshot_timing import USUAL_TIMING
from optimizer.model.timegrid import Frequency, Horizon, Recurrence
from optimizer.risk.table import RiskTable
from optimizer.solve.problem.build import build_instance
from optimizer.solve.problem.instance import Instance, WriteLimit
from optimizer.solve.problem.restrict import Restrictions, restrict_options
from tests.prices import fixed_prices
from tests.solve.orders import writes_of_schedule

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
DAILY = Recurrence(Frequency.DAILY)
SUNDAYS = Recurrence(Frequency.WEEKLY, (6,))
WORKDAYS = Recurrence(Frequency.WEEKLY, (0, 2, 4))
HOURLY = Recurrence(Frequency.HOURLY, (), 6, 12)


def policy(
    name: str, vault: str, start: int, recurrence: Recurrence = DAILY, zone: str = "UTC", **more: object
) -> Policy:
    """A policy; policies of a vault with the same recurrence and zone are twins."""
    enhanced = recurrence.frequency is Frequency.HOURLY
    twin_key = f"{recurrence}/{zone}"
    made = Policy(
        name, name, vault, SubType.ENHANCED if enhanced else SubType.STANDARD, recurrence, start, zone, twin_key, {}
    )
    return replace(made, **more)  # type: ignore[arg-type]  # named by the caller


def inventory(policies: Sequence[Policy], vms: Sequence[tuple[str, str]], **item: dict[str, object]) -> Inventory:
    """VMs given as (service, policy name); ``item`` changes items by VM name."""
    vaults = {p.vault_id: Vault(p.vault_id, p.vault_id) for p in policies}
    by_name = {p.name: p for p in policies}
    names = [f"vm{number}" for number in range(len(vms))]
    items = tuple(
        replace(
            ProtectedItem(f"item-{name}", name, by_name[of].id, by_name[of].vault_id),
            **item.get(name, {}),  # type: ignore[arg-type]  # named by the caller
        )
        for name, (_, of) in zip(names, vms, strict=True)
    )
    machines = {name: Vm(name, name, service) for name, (service, _) in zip(names, vms, strict=True)}
    return Inventory(AS_OF, vaults, {p.id.lower(): p for p in policies}, machines, items)


@dataclass(frozen=True)
class Problem:
    """An inventory with rules and risks, and what the solver makes of it.

    ``vms_per_new_policy`` makes new policies smaller than those of today, as where one holds more than 100 VMs.
    Rules without prices of their own have :data:`tests.prices.FIXED_PRICES`.
    """

    inventory: Inventory
    rules: Rules
    risk: np.ndarray
    credited: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    max_writes: int | None = None
    vms_per_new_policy: int | None = None

    def __post_init__(self) -> None:
        """Make the figures of tests independent of the default prices."""
        if "prices" not in self.rules.model_fields_set:
            object.__setattr__(self, "rules", self.rules.model_copy(update={"prices": fixed_prices()}))

    @cached_property
    def limit(self) -> VmLimit:
        """Most VMs in one policy."""
        stated = vm_limit(self.rules.policies, self.inventory)
        new = stated.new if self.vms_per_new_policy is None else min(stated.new, self.vms_per_new_policy)
        return VmLimit(new, stated.existing)

    @cached_property
    def table(self) -> RiskTable:
        """The risk table."""
        today = [self.inventory.policy(item).start for item in self.inventory.items]
        credited = self.credited if len(self.credited) else np.ones(len(today), dtype=np.bool_)
        return RiskTable(self.risk, self.risk[np.arange(len(today)), today], credited.astype(np.float64), credited)

    @cached_property
    def restrictions(self) -> Restrictions:
        """What the rules leave to each VM."""
        return restrict_options(self.inventory, self.rules, self.table)

    def instance(self) -> Instance:
        """The instance."""
        made = build_instance(self.inventory, self.table, self.rules, self.restrictions)
        new = self.limit.new
        small = tuple(
            p if len(p.vms) <= new else replace(p, editable=False, editable_unpinned=False) for p in made.policies
        )
        made = replace(made, vms_per_new_policy=new, policies=small)
        if self.max_writes is None:
            return made
        return replace(made, write_limits=(WriteLimit("writes", tuple(range(made.num_keys)), self.max_writes),))


def only(*starts: str, zone: str | None = None) -> Rule:
    """A rule that leaves just these starts of a daily UTC policy, by windows of 2 h 15 min."""
    windows = []
    for start in starts:
        begin = int(start[:2]) * 60 + int(start[3:])
        windows.append(Window(start=begin, end=(begin + 135) % 1440, zone=zone))
    return Rule(name="only " + " ".join(starts), allow=tuple(windows))


def flat_risk(num_vms: int, value: float = 0.0) -> np.ndarray:
    """The same risk everywhere."""
    return np.full((num_vms, 48), value)


def obvious_cost(problem: Problem, options: Sequence[int]) -> float:
    """The objective of the design page, by plain loops over minutes of the week."""
    prices, found = problem.rules.prices, problem.inventory
    table, weights = problem.table, obvious_weights(problem)
    total = 0.0
    services: defaultdict[str, list[int]] = defaultdict(list)
    starts: Counter[tuple[str, int]] = Counter()
    held: Counter[tuple[str, str, int]] = Counter()
    for v, (item, t) in enumerate(zip(found.items, options, strict=True)):
        policy_ = found.policy(item)
        days = 7 / len(policy_.recurrence.days or range(7))
        total += weights[v] * days * float(table.cost[v, t]) + prices.move * (t != policy_.start)
        more = obvious_working_hours(problem, v, t) - obvious_working_hours(problem, v, policy_.start)
        total += prices.working_hours * max(0.0, more)
        pattern = _pattern(policy_, found.horizon)
        services[found.vm(item).service].append(v)
        for begin in pattern.recurrence.run_minutes(t, pattern.offsets[0]).tolist():
            starts[item.vault_id, begin // 30] += 1
        if t != policy_.start or not _over(problem, policy_):
            held[item.vault_id, policy_.twin_key, t] += 1
    for members in services.values():
        total += _obvious_overlap_price(problem, members) * _weighted_overlaps(problem, options, members, weights)
    for vault in found.vaults:
        share = _share(problem, vault)
        total += prices.vault_peak * sum(max(0, n - share) for (where, _), n in starts.items() if where == vault) / 7
    lacking = obvious_writes(problem, held)  # what is priced in a vault without an order of writes
    writes = [lacking[vault] if n is None else n for vault, n in writes_of_schedule(problem, options).items()]
    return total + prices.policy_write * sum(writes)


def obvious_weights(problem: Problem) -> list[float]:
    """Weight of each VM: the largest that a rule gives it, else 1."""
    rules = problem.rules.rule
    given = [[rule.weight for rule in rules if rule.weight and _is_for(problem, rule, v)] for v in _rows(problem)]
    return [max(of_vm, default=1.0) for of_vm in given]


def _rows(problem: Problem) -> range:
    return range(len(problem.inventory.items))


def _weighted_overlaps(
    problem: Problem, options: Sequence[int], members: Sequence[int], weights: Sequence[float]
) -> float:
    """Expected overlaps of every two VMs times the smaller of their weights."""
    pairs = itertools.combinations(members, 2)
    return sum(min(weights[v], weights[w]) * obvious_overlaps(problem, options, (v, w)) for v, w in pairs)


def obvious_overlaps(problem: Problem, options: Sequence[int], members: Sequence[int]) -> float:
    """Expected overlapping snapshots of some VMs in 30 days, by every pair of their runs at either UTC offset."""
    found = problem.inventory
    total = 0.0
    for reading in (0, -1):
        runs = []
        for v in members:
            pattern = _pattern(found.policy(found.items[v]), found.horizon)
            minutes = pattern.recurrence.run_minutes(options[v], pattern.offsets[reading]).tolist()
            runs += [(v, minute // 30) for minute in minutes]
        for (v, one), (w, other) in itertools.combinations(runs, 2):
            apart = min((one - other) % 336, (other - one) % 336)
            total += (0.23, 0.1725, 0.115, 0.0575)[apart] if apart < 4 and v != w else 0.0
    return total / 2 * 30 / 7


def obvious_working_hours(problem: Problem, v: int, t: int) -> float:
    """Backups of a VM in 30 days that start in working hours, by every minute of delay of every run of a week."""
    hours = problem.rules.working_hours
    recurrence = problem.inventory.policy(problem.inventory.items[v]).recurrence
    length = (hours.end - hours.start) % 1440 or 1440
    at_work = {(day * 1440 + hours.start + minute) % 10080 for day in hours.days for minute in range(length)}
    starts = [(minute + delay) % 10080 for minute in recurrence.run_minutes(t, 0).tolist() for delay in range(120)]
    return sum(minute in at_work for minute in starts) / 120 * 30 / 7


def _obvious_overlap_price(problem: Problem, members: Sequence[int]) -> float:
    prices, pairs = problem.rules.prices, len(members) * (len(members) - 1) / 2
    return max(prices.snapshot_overlap, prices.all_at_once / (6.9 * pairs)) if pairs else 0.0


def _over(problem: Problem, policy_: Policy) -> bool:
    return problem.inventory.policy_sizes[policy_.id.lower()] > problem.limit.existing


def obvious_writes(
    problem: Problem, held: Counter[tuple[str, str, int]], edited: dict[str, int] | None = None
) -> Counter[str]:
    """Policies that each vault lacks, where some (by id) are edited to another start, whatever the order."""
    limit = problem.limit
    room: Counter[tuple[str, str, int]] = Counter()
    strangers: Counter[tuple[str, str, int]] = Counter()
    for p in problem.inventory.policies.values():
        if not _over(problem, p):
            start = (edited or {}).get(p.id, p.start)
            room[p.vault_id, p.twin_key, start] += limit.existing if start == p.start else limit.new
            strangers[p.vault_id, p.twin_key, p.start] += problem.inventory.unknown_items[p.id.lower()]
    writes: Counter[str] = Counter()
    for place in held:
        without_place = held[place] + strangers[place] - room[place]
        writes[place[0]] += max(0, math.ceil(without_place / limit.new))
    return writes


def _share(problem: Problem, vault: str) -> int:
    found, allowed = problem.inventory, problem.restrictions.allowed
    usable: set[int] = set()
    weekly = 0
    for v, item in enumerate(found.items):
        if item.vault_id == vault:
            pattern = _pattern(found.policy(item), found.horizon)
            weekly += pattern.recurrence.runs_per_week
            for t in np.flatnonzero(allowed[v]).tolist():
                usable |= {slot % 48 for slot in pattern.start_slots(t).tolist()}
    return math.ceil(weekly / 7 / max(1, len(usable)) - 1e-12)


def obvious_feasible(problem: Problem, options: Sequence[int]) -> bool:
    """Whether caps, sets apart and in order, limits of moves and policies hold, by loops over half hours and minutes.

    Rules on single VMs are in ``restrictions``. Policies of a vault hold where some order of writes keeps them.
    """
    found = problem.inventory
    for rule in problem.rules.rule:
        met: Counter[tuple[str, int]] = Counter()
        standing: Counter[tuple[str, int]] = Counter()
        for v, (item, t) in enumerate(zip(found.items, options, strict=True)):
            if rule.max_concurrent is None or not _is_for(problem, rule, v):
                continue
            group = found.vm(item).service if rule.per in (None, "service") else item.vault_id
            for slot in _slots(problem, v, t):
                met[group, slot] += 1
                standing[group, slot] += _stays(problem, v)
        if any(count > max(rule.max_concurrent or 0, standing[place]) for place, count in met.items()):
            return False
        if any(obvious_clash(problem, rule, v, w, options) for v, w in itertools.permutations(range(len(options)), 2)):
            return False
    moves = sum(t != found.policy(item).start for item, t in zip(found.items, options, strict=True))
    few_enough = problem.rules.max_moves is None or moves <= problem.rules.max_moves
    if problem.max_writes is not None:
        few_enough &= sum(n or 0 for n in writes_of_schedule(problem, options).values()) <= problem.max_writes
    return few_enough and None not in writes_of_schedule(problem, options).values()


def obvious_clash(problem: Problem, rule: Rule, v: int, w: int, options: Sequence[int]) -> bool:
    """Whether a rule forbids that two VMs start where they do, the first of ``order`` given first."""
    stay = _stays(problem, v) and _stays(problem, w)
    together = _is_for(problem, rule, v) and _is_for(problem, rule, w) and _same_group(problem, rule, v, w)
    if stay or not together:
        return False
    if rule.separate is True:
        return _meet(problem, v, w, options)
    apart = [_first_set(problem, rule.separate_sets, row) for row in (v, w)]
    if None not in apart and apart[0] != apart[1] and _meet(problem, v, w, options):
        return True
    return _out_of_order(problem, rule, v, w, options)


def _out_of_order(problem: Problem, rule: Rule, v: int, w: int, options: Sequence[int]) -> bool:
    """Whether the first of two VMs is in an earlier set than the second and does not end before it, or long before."""
    first, second = (_first_set(problem, rule.order_sets, row) for row in (v, w))
    if first is None or second is None or first >= second:
        return False
    between = any(
        first < (_first_set(problem, rule.order_sets, row) or 0) < second and _same_group(problem, rule, v, row)
        for row in range(len(options))
        if _is_for(problem, rule, row)
    )
    late = rule.within is not None and not between and not _begins_soon(problem, v, w, options, rule.within)
    return late or not _ends_before(problem, v, w, options)


def _same_group(problem: Problem, rule: Rule, v: int, w: int) -> bool:
    one, other = problem.inventory.items[v], problem.inventory.items[w]
    if rule.per == "service":
        return problem.inventory.vm(one).service == problem.inventory.vm(other).service
    return rule.per is None or one.vault_id == other.vault_id


def _first_set(problem: Problem, sets: Sequence[Selector], v: int) -> int | None:
    found, item = problem.inventory, problem.inventory.items[v]
    frequency = found.policy(item).recurrence.frequency
    fits = [one.matches(found.vm(item), found.vault(item), frequency) for one in sets]
    return fits.index(True) if any(fits) else None


def _meet(problem: Problem, v: int, w: int, options: Sequence[int]) -> bool:
    return bool(_slots(problem, v, options[v]) & _slots(problem, w, options[w]))


def _ends_before(problem: Problem, v: int, w: int, options: Sequence[int]) -> bool:
    """Whether, in each of seven nights that both have runs in, the first has ended before the second begins."""
    firsts, seconds = (_begins_by_night(problem, row, options[row]) for row in (v, w))
    return all(
        end + 135 <= begin
        for night in range(7)
        for of_first, end in firsts
        for of_second, begin in seconds
        if of_first == of_second == night
    )


def _begins_soon(problem: Problem, v: int, w: int, options: Sequence[int], hours: float) -> bool:
    """Whether, in each of seven nights that both have runs in, the second begins soon after the first has ended.

    The last window of the first and the first window of the second count, at each reading of both clocks.
    """
    first, second = problem.inventory.items[v], problem.inventory.items[w]
    offsets = [_pattern(problem.inventory.policy(one), problem.inventory.horizon).offsets for one in (first, second)]
    firsts, seconds = (_begins_by_night(problem, row, options[row]) for row in (v, w))
    for night in range(7):
        mine, theirs = ([begin for of, begin in begins if of == night] for begins in (firsts, seconds))
        if mine and theirs:
            earliest_end = max(mine) - (max(offsets[0]) - min(offsets[0])) + 135
            latest_begin = min(theirs) + (max(offsets[1]) - min(offsets[1]))
            if latest_begin - earliest_end > 60 * hours:
                return False
    return True


def _begins_by_night(problem: Problem, v: int, option: int) -> list[tuple[int, int]]:
    """Night (from noon to noon) and minute in UTC of the begin of each window of about a week, at every reading."""
    item = problem.inventory.items[v]
    pattern = _pattern(problem.inventory.policy(item), problem.inventory.horizon)
    found = []
    for day in range(-1, 8):
        for after in pattern.recurrence.runs_after_start if day % 7 in pattern.recurrence.weekdays else ():
            wall = day * 1440 + 30 * option + after
            found += [((wall - 720) // 1440, wall - offset) for offset in pattern.offsets]
    return found


@lru_cache
def _pattern(policy_: Policy, horizon: Horizon) -> Pattern:
    return policy_.pattern(horizon, USUAL_TIMING)


def _slots(problem: Problem, v: int, t: int) -> set[int]:
    pattern = _pattern(problem.inventory.policy(problem.inventory.items[v]), problem.inventory.horizon)
    return {
        minute // 30 % 336
        for offset in pattern.offsets
        for begin in pattern.recurrence.run_minutes(t, offset).tolist()
        for minute in range(begin, begin + 135, 15)  # windows begin on quarters of an hour
    }


def _is_for(problem: Problem, rule: Rule, v: int) -> bool:
    exempt = [Selector(name=one) if isinstance(one, str) else one for one in rule.exempt]
    return _first_set(problem, [rule.where], v) == 0 and _first_set(problem, exempt, v) is None


def _stays(problem: Problem, v: int) -> bool:
    held = any((rule.pin or rule.exclude) and _is_for(problem, rule, v) for rule in problem.rules.rule)
    return held or bool(problem.inventory.items[v].unwritable)


def every_schedule(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Every assignment that the rules on single VMs leave."""
    allowed = problem.restrictions.allowed
    return itertools.product(*(np.flatnonzero(row).tolist() for row in allowed))


def best_of_all(problem: Problem) -> tuple[float, tuple[int, ...]] | None:
    """Cheapest feasible schedule by trying all; None where there is none."""
    costs = ((obvious_cost(problem, o), o) for o in every_schedule(problem) if obvious_feasible(problem, o))
    return min(costs, default=None)


EXCEPTIONS = st.sampled_from([(), (), ("vm0",), ("vm2", Selector(vault="west"))])
"""Sets of VMs that a rule is not for; mostly none."""


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to five VMs, two vaults, all kinds of policies, few options for each, some rules."""
    policies = [
        policy("p0", "east", 46),
        policy("p1", "east", draw(st.sampled_from([46, 4])), draw(st.sampled_from([DAILY, SUNDAYS, WORKDAYS]))),
        policy(
            "p2",
            "west",
            44,
            draw(st.sampled_from([DAILY, HOURLY])),
            draw(st.sampled_from(["UTC", "India Standard Time", "W. Europe Standard Time"])),
        ),
    ]
    if draw(st.booleans()):
        policies.append(policy("p3", "east", 2))
    names = [p.name for p in policies]
    vms = draw(st.lists(st.tuples(st.sampled_from(["web", "db"]), st.sampled_from(names)), min_size=1, max_size=4))
    untouchable = draw(st.sampled_from([{}, {}, {"vm0": {"unwritable": "soft-deleted"}}]))
    found = inventory(policies, vms, **untouchable)
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    risk = np.full((len(vms), 48), 9.0)
    for v, item in enumerate(found.items):
        today = found.policy(item).start
        options = random.choice(40, 2, replace=False)
        risk[v, today] = random.choice([0.0, 0.3, 2.0])
        risk[v, options] = np.minimum(random.choice([0.0, 0.05, 0.2, 1.0], 2).round(6), risk[v, today] + 0.1)
    rules: list[Rule] = []
    if draw(st.booleans()):
        rules.append(
            Rule(
                name="cap",
                max_concurrent=draw(st.integers(1, 2)),
                per=draw(st.sampled_from(["service", "vault"])),
                exempt=draw(EXCEPTIONS),
            )
        )
    if draw(st.booleans()):
        rules.append(Rule(name="pinned", where={"name": "vm0"}, pin=True, exempt=draw(EXCEPTIONS)))
    if draw(st.booleans()):
        rules.append(Rule(name="hands off", where={"name": "vm1"}, exclude=True))
    if draw(st.booleans()):
        rules.append(draw(rules_between_sets()))
    return Problem(
        found,
        Rules(
            rule=tuple(rules),
            max_moves=draw(st.sampled_from([None, None, 1, 2])),
            policies={
                "max_vms_per_policy": draw(st.sampled_from([1, 2, 100])),
                "max_policies_per_vault": draw(st.sampled_from([200, 200, 2, 4])),
                "edit": draw(st.booleans()),
            },
        ),
        risk,
        np.array([draw(st.sampled_from([True, True, True, False])) for _ in vms]),
        draw(st.sampled_from([None, None, None, 1, 2])),
        draw(st.sampled_from([None, None, 1])),
    )


def rules_between_sets() -> st.SearchStrategy[Rule]:
    """Rules that keep VMs or sets of them apart or in order, sets that overlap among them."""
    sets = st.lists(
        st.sampled_from(
            [
                "vm0",
                "vm1",
                "vm?",
                Selector(service="web"),
                Selector(service="db"),
                Selector(vault="west"),
                Selector(frequency="Daily"),
            ]
        ),
        min_size=2,
        max_size=3,
        unique_by=str,
    ).map(tuple)
    demands = st.one_of(
        st.just({"separate": True}),
        sets.map(lambda s: {"separate": s}),
        *[sets.map(lambda s: {"order": s})] * 2,
        st.builds(lambda s, hours: {"order": s, "within": hours}, sets, st.sampled_from([0.5, 3.0, 12.0])),
    )
    more = st.fixed_dictionaries(
        {}, optional={"per": st.sampled_from(["service", "vault"]), "exempt": EXCEPTIONS.filter(bool)}
    )
    where = st.sampled_from([Selector(), Selector(), Selector(name="vm*"), Selector(frequency=("Daily", "Weekly"))])
    return st.builds(lambda d, m, w: Rule(name="between", where=w, **d, **m), demands, more, where)


PART_VMS = 30
"""Size of parts that cuts :func:`vaults_that_share_services` into about six."""


def vaults_that_share_services(
    rules: Rules | None = None, num_vms: int = 180, *, over_all_vaults: bool = False
) -> Problem:
    """Six vaults of all kinds of policies, risks drawn at random; services in a vault or two each, or six over all."""
    random = np.random.default_rng(5)
    policies = []
    for vault in range(6):
        policies += [
            policy(f"a{vault}", f"v{vault}", 46),
            policy(f"b{vault}", f"v{vault}", 4),
            policy(f"c{vault}", f"v{vault}", 40, [SUNDAYS, HOURLY, WORKDAYS][vault % 3]),
        ]
    home = random.integers(6, size=num_vms)
    of = [f"{random.choice(['a', 'a', 'b', 'c'])}{vault}" for vault in home.tolist()]
    strayed = np.where(random.random(num_vms) < 0.1, (home + 1) % 6, home)
    services = [f"s{vault}-{random.integers(4)}" for vault in strayed.tolist()]
    if over_all_vaults:
        services = [f"s{number}" for number in random.integers(6, size=num_vms).tolist()]
    level = random.choice([0.0, 0.0, 0.0, 0.2, 3.0], num_vms)[:, None]
    hours = 1 + np.sin((np.arange(48) / 48 + random.random(num_vms)[:, None]) * 2 * np.pi)
    found = inventory(policies, list(zip(services, of, strict=True)))
    return Problem(found, rules or Rules(), (level * hours).round(6))


class CountingClock:
    """A clock that moves on only when it is read, so that a time limit cuts in at the same place on every machine.

    Parameters
    ----------
    tick
        Seconds from one reading to the next.
    """

    def __init__(self, tick: float) -> None:
        self._tick, self._readings = tick, 0

    def __call__(self) -> float:
        """Seconds since some moment."""
        self._readings += 1
        return self._tick * self._readings
