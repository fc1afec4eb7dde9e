"""Policies, and VMs that want to go elsewhere, with every order of writes tried: the slow, obvious answer."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from optimizer.solve.problem.executable import Families, Holdings, make_families
from optimizer.solve.problem.instance import ExistingPolicy

if TYPE_CHECKING:
    from tests.solve.examples import Problem

State = tuple[tuple[int, ...], tuple[int, ...]]
"""Policy of each VM, and start of each policy, those that were created last."""


@dataclass(frozen=True)
class Wish:
    """Twins of one vault, and where their VMs are to go.

    Parameters
    ----------
    starts
        Start of each policy today.
    homes, targets
        Policy of each VM today, and its start in the end.
    limit
        Maximum number of VMs in a policy.
    room
        Number of policies that may still be created.
    strangers
        Number of unplanned items in each policy.
    pinned
        VMs that must not be written.
    limit_of_new
        Maximum number of VMs in a policy that is created or edited; ``limit`` if None.
    """

    starts: tuple[int, ...]
    homes: tuple[int, ...]
    targets: tuple[int, ...]
    limit: int
    room: int
    strangers: tuple[int, ...]
    pinned: frozenset[int] = frozenset()
    limit_of_new: int | None = None

    @property
    def per_new(self) -> int:
        """Maximum number of VMs in a policy that is created or edited."""
        return self.limit if self.limit_of_new is None else self.limit_of_new

    @property
    def today(self) -> tuple[int, ...]:
        """Start of each VM today."""
        return tuple(self.starts[home] for home in self.homes)

    def members(self, policy: int) -> list[int]:
        """VMs of a policy today."""
        return [vm for vm, home in enumerate(self.homes) if home == policy]

    def editable(self, policy: int) -> bool:
        """Whether the start of a policy may be changed at all."""
        members = self.members(policy)
        return 0 < len(members) <= self.per_new and not self.strangers[policy] and not self.pinned & {*members}

    def families(self) -> Families:
        """The same as the solver sees it."""
        existing, unknown = np.zeros((2, 1, 48), dtype=np.int64)
        for start, strangers in zip(self.starts, self.strangers, strict=True):
            existing[0, start] += 1
            unknown[0, start] += strangers
        holdings = Holdings(
            today=np.array(self.today, dtype=np.int64),
            key=np.zeros(len(self.homes), dtype=np.int64),
            key_vault=np.zeros(1, dtype=np.int64),
            counted_today=np.ones(len(self.homes), dtype=np.bool_),
            existing=existing,
            unknown=unknown,
            policies=[
                ExistingPolicy(0, start, tuple(self.members(p)), self.editable(p))
                for p, start in enumerate(self.starts)
            ],
            vault_room=np.array([self.room]),
            vms_per_new_policy=self.per_new,
            vms_per_existing_policy=self.limit,
        )
        return make_families(holdings)

    def items(self) -> np.ndarray:
        """Items at each start in the end; shape (1, 48)."""
        items = np.bincount(self.targets, minlength=48)
        for start, strangers in zip(self.starts, self.strangers, strict=True):
            items[start] += strangers
        return items[None, :]


def fewest_writes(wish: Wish) -> int | None:
    """The fewest policies that are created or edited in any order of writes; None where there is no order.

    Each VM is written once at most, and goes where it is to be.
    """
    begin: State = (wish.homes, wish.starts)
    cost, queue = {begin: 0}, [(0, begin)]
    while queue:
        spent, state = heappop(queue)
        if spent > cost[state]:
            continue
        if all(state[1][policy] == target for policy, target in zip(state[0], wish.targets, strict=True)):
            return spent
        for price, following in _writes(wish, state):
            if spent + price < cost.get(following, 1_000_000):
                cost[following] = spent + price
                heappush(queue, (spent + price, following))
    return None


def _writes(wish: Wish, state: State) -> Iterator[tuple[int, State]]:
    homes, starts = state
    if len(starts) < len(wish.starts) + wish.room:
        yield from ((1, (homes, (*starts, target))) for target in {*wish.targets})
    for policy, start in enumerate(wish.starts):
        members = wish.members(policy)
        goals = {wish.targets[vm] for vm in members}
        untouched = starts[policy] == start and members == [vm for vm, home in enumerate(homes) if home == policy]
        if wish.editable(policy) and untouched and len(goals) == 1 and goals != {start}:
            yield 1, (homes, (*starts[:policy], *goals, *starts[policy + 1 :]))
    for vm, home in enumerate(homes):
        if home != wish.homes[vm] or starts[home] == wish.targets[vm] or vm in wish.pinned:
            continue
        for policy, start in enumerate(starts):
            held = homes.count(policy) + (wish.strangers[policy] if policy < len(wish.strangers) else 0)
            untouched = policy < len(wish.starts) and start == wish.starts[policy]
            has_room = held < (wish.limit if untouched else wish.per_new)
            if start == wish.targets[vm] and has_room and (untouched or policy != home):
                yield 0, ((*homes[:vm], policy, *homes[vm + 1 :]), starts)


def can_be_ordered(moves: Sequence[tuple[int | None, int]], room: Mapping[int, int]) -> bool:
    """Whether VMs, given as the starts that they leave and go to, find room one after the other in some order.

    ``None`` is left where no other VM may take the place.
    """
    seen: set[frozenset[int]] = set()

    def goes_on(made: frozenset[int]) -> bool:
        if len(made) == len(moves):
            return True
        if made in seen:
            return False
        seen.add(made)
        left = Counter(room)
        for number in made:
            before, after = moves[number]
            left[after] -= 1
            if before is not None:
                left[before] += 1
        return any(goes_on(made | {n}) for n in range(len(moves)) if n not in made and left[moves[n][1]] > 0)

    return goes_on(frozenset())


def creations_of_key(
    moves: Sequence[tuple[int | None, int]], room: Counter[int], holds: Counter[int], held: Counter[int], new: int
) -> int:
    """Policies to create at the starts of a key so that they hold all VMs in the end and there is an order.

    Parameters
    ----------
    moves
        As of :func:`can_be_ordered`.
    room, holds
        VMs that the policies of each start could still take at the beginning, and in all.
    held
        VMs at each start in the end.
    new
        Limit of a new policy.
    """
    lacking = {start: max(0, -(-(held[start] - holds[start]) // new)) for start in held}
    room = room + Counter({start: new * count for start, count in lacking.items()})
    ends = sorted({after for _, after in moves})
    for more in range(len(moves) + 1):
        for chosen in itertools.combinations_with_replacement(ends, more):
            if can_be_ordered(moves, room + Counter({start: new * n for start, n in Counter(chosen).items()})):
                return sum(lacking.values()) + more
    raise AssertionError("a policy for every VM is enough")


def writes_of_schedule(problem: Problem, options: Sequence[int]) -> dict[str, int | None]:
    """The fewest policies that each vault has to write so that there is an order; None in a vault without one.

    Every set of edits is tried.
    """
    found, writes = problem.inventory, dict[str, int | None]()
    for vault in found.vaults:
        room = max(0, problem.rules.policies.max_policies_per_vault - found.policies_in_vault(vault))
        targets = {p: t for p, t in _targets(problem, options).items() if found.policies[p].vault_id.lower() == vault}
        best: int | None = None
        for chosen in itertools.product([False, True], repeat=len(targets)):
            edited = {p: t for (p, t), take in zip(targets.items(), chosen, strict=True) if take}
            keys = dict.fromkeys(p.twin_key for p in found.policies.values() if p.vault_id.lower() == vault)
            created = sum(_creations(problem, options, vault, key, edited) for key in keys)
            if created <= room and (best is None or created + len(edited) < best):
                best = created + len(edited)
        writes[vault] = best
    return writes


def _targets(problem: Problem, options: Sequence[int]) -> dict[str, int]:
    """Policies that could be edited, with the one new start that all their VMs go to."""
    found, targets = problem.inventory, dict[str, int]()
    for key, one in found.policies.items() if problem.rules.policies.edit else ():
        rows = found.items_by_policy[key]
        goals = {int(options[row]) for row in rows}
        stays = found.unknown_items[key] or any(row in problem.restrictions.stays_because for row in rows)
        if len(goals) == 1 and one.start not in goals and not stays and len(rows) <= problem.limit.new:
            targets[key] = goals.pop()
    return targets


def _creations(problem: Problem, options: Sequence[int], vault: str, twin_key: str, edited: dict[str, int]) -> int:
    found, limit = problem.inventory, problem.limit
    room, holds, held = Counter[int](), Counter[int](), Counter[int]()
    moves: list[tuple[int | None, int]] = []
    for key, one in found.policies.items():
        if (one.vault_id.lower(), one.twin_key) != (vault, twin_key):
            continue
        size, rows = found.policy_sizes[key], found.items_by_policy[key]
        over = size > limit.existing
        start, most = (edited[key], limit.new) if key in edited else (one.start, limit.existing)
        if not over:
            room[start] += most - size
            holds[start] += most
            held[one.start] += found.unknown_items[key]
        for row in rows:
            if options[row] != one.start or not over:
                held[int(options[row])] += 1
            if options[row] != one.start and key not in edited:
                moves.append((None if over else one.start, int(options[row])))
    return creations_of_key(moves, room, holds, held, limit.new)
