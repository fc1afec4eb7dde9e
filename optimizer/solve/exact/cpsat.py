"""The CP-SAT model: of a whole small instance, or of a neighborhood with everything else fixed.

:data:`FAMILIES` is the table of contents; each family of constraints is one function.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from ortools.sat.python import cp_model

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.problem.cost import policy_counts, policy_writes, row_counts
from optimizer.solve.problem.executable import families_of, rings_without_room
from optimizer.solve.problem.instance import NO_CAP, ExistingPolicy, Instance

SCALE = 10_000_000
"""Number of integer units per unit of cost. Coefficients are rounded down, so that CP-SAT's bound stays a lower
bound."""

MOST_RINGS = 20
"""Maximum number of times that a question is asked again because a schedule moved VMs in a ring of full policies."""


class SolveStatus(StrEnum):
    """Outcome of a solve; only the first two come with options."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subproblem:
    """Free part of the problem: the free VMs, the options of each, and the starts of all other VMs.

    Parameters
    ----------
    options
        Index of a free VM -> its candidate options.
    fixed
        Shape (V,): option of each VM; for the free ones, the incumbent, which is used as a hint.
    """

    options: Mapping[int, Sequence[int]]
    fixed: IntArray


@dataclass(slots=True)
class Variables:
    """Decision variables of a model.

    Parameters
    ----------
    x
        (v, t) -> 1 if the free VM ``v`` starts at ``t``.
    writes
        (k, t) -> number of policies created or edited there.
    edits
        (p, t) -> 1 if today's policy ``p`` is edited to start at ``t``.
    objective
        Terms (coefficient, variable); the constant part is left out.
    """

    x: dict[tuple[int, int], cp_model.IntVar] = field(default_factory=dict)
    writes: dict[tuple[int, int], cp_model.IntVar] = field(default_factory=dict)
    edits: dict[tuple[int, int], cp_model.IntVar] = field(default_factory=dict)
    objective: list[tuple[int, cp_model.IntVar]] = field(default_factory=list)


class ScopedModel:
    """A CP-SAT model of a scope, with the counts of everything that is fixed.

    Parameters
    ----------
    instance
        The problem.
    scope
        What is free.
    families
        Families of constraints; all by default. Tests leave out one at a time.
    model
        Model to add to, if another schedule is part of the same problem; a new one by default.
    """

    def __init__(
        self,
        instance: Instance,
        scope: Subproblem,
        families: Sequence[Family] | None = None,
        model: cp_model.CpModel | None = None,
    ) -> None:
        self.instance = instance
        self.scope = scope
        self.model = cp_model.CpModel() if model is None else model
        self.variables = Variables()
        self.free = np.array(sorted(scope.options), dtype=np.int64)
        self.fixed = np.setdiff1d(np.arange(instance.num_vms), self.free)
        self.fixed_rows = row_counts(instance, scope.fixed, self.fixed)
        self.fixed_policies = policy_counts(instance, scope.fixed, self.fixed)
        self.row_terms = self._row_terms()
        self.cells = self._cells_of_free_vms()
        self.short = self._short_vaults()
        self._add_cells_of_fixed_vms()
        for family in FAMILIES if families is None else families:
            family(self)
        variables = self.variables
        self.model.minimize(sum(coefficient * var for coefficient, var in variables.objective))
        for (v, t), x in variables.x.items():
            self.model.add_hint(x, int(scope.fixed[v]) == t)

    def open_rings(self, options: IntArray) -> bool:
        """Forbid the rings of full policies that no order of writes carries out; return whether the schedule has any.

        For a ring with the cells ``S`` of key ``k``, each VM ``v`` that moves within ``S`` gets the constraint

            ``x[v, t] <= sum of x[u, s] - edit[policy of u, s] over u that start in S today and s outside S
            + sum of writes[k, s] over s in S``.

        If no VM is assigned to a policy outside the full cells ``S`` and no policy is written there, none of them ever
        has room: an edit takes a full policy along with its VMs, and each VM is written once.
        """
        opened = False
        for k, cells in rings_without_room(self.instance, options, policy_counts(self.instance, options)):
            opened |= self._open_ring(k, set(cells.tolist()), options)
        return opened

    def _open_ring(self, k: int, inside: set[int], options: IntArray) -> bool:
        """Forbid a ring, given by its key and cells; return whether any free VM moves within it."""
        instance, x = self.instance, self.variables.x
        policy_of = {v: p for p, policy in enumerate(instance.policies) for v in policy.vms}
        members = np.flatnonzero((instance.key == k) & np.isin(instance.today, sorted(inside))).tolist()
        leaving = [
            taken - self.variables.edits.get((policy_of.get(v, -1), t), 0)
            for (v, t), taken in x.items()
            if v in set(members) and t not in inside
        ]
        written = [var for (key, t), var in self.variables.writes.items() if key == k and t in inside]
        moving = [v for v in members if int(options[v]) in inside - {int(instance.today[v])}]
        moved = [x[v, int(options[v])] for v in moving if (v, int(options[v])) in x]
        for taken in moved:
            self.model.add(taken <= sum(leaving) + sum(written))
        return bool(moved)

    def _cells_of_free_vms(self) -> dict[tuple[int, int], list[cp_model.IntVar]]:
        """Key and start -> the variables of the free VMs that take a place there."""
        cells: dict[tuple[int, int], list[cp_model.IntVar]] = {}
        for (v, t), x in self.variables.x.items():
            if self.instance.counted(v, t):
                cells.setdefault((int(self.instance.key[v]), t), []).append(x)
        return cells

    def _add_cells_of_fixed_vms(self) -> None:
        """Add the starts that may need or lose a policy because policies of fixed VMs are edited as well."""
        instance = self.instance
        for k in np.flatnonzero(np.isin(instance.key_vault, list(self.short))).tolist():
            for t in np.flatnonzero((self.fixed_policies[k] > 0) | (instance.existing[k] > 0)).tolist():
                self.cells.setdefault((k, t), [])

    def _row_terms(self) -> dict[int, list[tuple[int, int]]]:
        """Row -> the (v, t) that touch it."""
        terms: dict[int, list[tuple[int, int]]] = {}
        padding = len(self.instance.rows)
        for v in self.free.tolist():
            for t in self.scope.options[v]:
                self.variables.x[v, t] = self.model.new_bool_var(f"x[{v},{t}]")
                for r in self.instance.touched[self.instance.vm_class[v], t].tolist():
                    if r != padding:
                        terms.setdefault(r, []).append((v, t))
        return terms

    def full_keys(self) -> set[int]:
        """Keys without any room today whose VMs are all free."""
        families, free = families_of(self.instance), np.isin(self.instance.key, self.instance.key[self.fixed])
        full = (families.room_today == 0).all(axis=1)
        full[self.instance.key[free]] = False
        return set(np.flatnonzero(full).tolist())

    def _short_vaults(self) -> set[int]:
        """Vaults that could lack more policies than they have room for: edits may have to replace creations there."""
        vault_of = self.instance.key_vault
        most = np.bincount(vault_of, weights=self.fixed_writes().sum(axis=1), minlength=len(self.instance.vault_room))
        for k, t in self.cells:
            most[vault_of[k]] += self.most_lacking(k, t)
        for k in self.full_keys():  # no VM moves there without a write
            most[vault_of[k]] += self.instance.existing[k].sum()
        return set(np.flatnonzero(most > self.instance.vault_room).tolist())

    def items_without_place(self, k: int, t: int) -> int:
        """Number of fixed items of a cell minus the number that its policies of today hold."""
        places = self.instance.vms_per_existing_policy * int(self.instance.existing[k, t])
        return int(self.fixed_policies[k, t]) - places

    def most_lacking(self, k: int, t: int) -> int:
        """Number of policies that a cell lacks if every free VM goes there and none of its own policies is edited."""
        beyond = self.items_without_place(k, t) + len(self.cells[k, t])
        return max(0, -(-beyond // self.instance.vms_per_new_policy))

    def fixed_writes(self) -> IntArray:
        """Number of policies that cells without free VMs lack; shape (K, 48)."""
        lacking = policy_writes(self.instance, self.fixed_policies)
        for k, t in self.cells:
            lacking[k, t] = 0
        return lacking

    def solve(
        self,
        deterministic_time: float,
        seed: int,
        time_limit_seconds: float | None = None,
        *,
        all_linear: bool = False,
    ) -> ModelAnswer:
        """Run CP-SAT with one worker; the result is repeatable unless the wall-clock limit ends the run.

        Parameters
        ----------
        deterministic_time
            Work limit in CP-SAT's own units, which are about seconds.
        seed
            Random seed of the search.
        time_limit_seconds
            Wall-clock limit in seconds, or None.
        all_linear
            Put all constraints into the linear relaxation, not only those that CP-SAT picks.
        """
        solver = limited_solver(deterministic_time, seed, time_limit_seconds)
        if all_linear:
            solver.parameters.linearization_level = 2
        status = solver.solve(self.model)
        outcome = {
            cp_model.OPTIMAL: SolveStatus.OPTIMAL,
            cp_model.FEASIBLE: SolveStatus.FEASIBLE,
            cp_model.INFEASIBLE: SolveStatus.INFEASIBLE,
        }.get(status, SolveStatus.UNKNOWN)
        if outcome not in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE):
            return ModelAnswer(outcome, None, None)
        return ModelAnswer(outcome, self.options_of(solver), solver.best_objective_bound / SCALE)

    def solve_without_rings(
        self,
        deterministic_time: float,
        seed: int,
        time_limit_seconds: float | None = None,
        *,
        all_linear: bool = False,
    ) -> ModelAnswer:
        """Run CP-SAT, and again with the rings forbidden that its schedule has; see :meth:`open_rings`.

        The last schedule may still have rings if :data:`MOST_RINGS` further runs do not suffice.

        Parameters
        ----------
        deterministic_time, seed, time_limit_seconds, all_linear
            See :meth:`solve`; the limits are those of each run.
        """
        answer = self.solve(deterministic_time, seed, time_limit_seconds, all_linear=all_linear)
        for _ in range(MOST_RINGS):
            if answer.options is None or not self.open_rings(answer.options):
                break
            answer = self.solve(deterministic_time, seed, time_limit_seconds, all_linear=all_linear)
        return answer

    def options_of(self, solver: cp_model.CpSolver) -> IntArray:
        """Schedule that a solver has found; shape (V,)."""
        options = self.scope.fixed.copy()
        for (v, t), x in self.variables.x.items():
            if solver.boolean_value(x):
                options[v] = t
        return options


def limited_solver(deterministic_time: float, seed: int, time_limit_seconds: float | None) -> cp_model.CpSolver:
    """Create a CP-SAT solver with one worker and limits; see :meth:`ScopedModel.solve`."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # Ctrl-C stops the program, not just one search of many
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = deterministic_time
    if time_limit_seconds is not None:
        solver.parameters.max_time_in_seconds = max(0.01, time_limit_seconds)
    return solver


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """Answer of CP-SAT.

    Parameters
    ----------
    outcome
        What was shown.
    options
        Shape (V,): the schedule; None if no solution was found.
    bound
        Lower bound on the part of the objective that the model contains: rounded down, without the constant part.
    """

    outcome: SolveStatus
    options: IntArray | None
    bound: float | None


Family = Callable[[ScopedModel], None]


def add_one_option_per_vm(m: ScopedModel) -> None:
    """Give every free VM exactly one start: ``sum over t of x[v, t] = 1``."""
    for v in m.free.tolist():
        m.model.add_exactly_one(m.variables.x[v, t] for t in m.scope.options[v])


def add_allowed_options(m: ScopedModel) -> None:
    """Keep windows, pins, exclusions and ``max_risk_increase``: ``x[v, t] = 0`` if ``(v, t)`` is not allowed."""
    for (v, t), x in m.variables.x.items():
        if not m.instance.allowed[v, t]:
            m.model.add(x == 0)


def add_linear_cost(m: ScopedModel) -> None:
    """Price risk and moves: ``sum of linear[v, t] * x[v, t]``."""
    for (v, t), x in m.variables.x.items():
        m.variables.objective.append((int(m.instance.linear[v, t] * SCALE), x))


def add_policy_capacity(m: ScopedModel) -> None:
    """Keep every policy within its limit of VMs, and price what has to be created or edited.

    For every twin key ``k`` and start ``t``:

        ``items[k, t] + sum of x[v, t] over v in k
        <= vms_per_existing_policy * existing[k, t] + vms_per_new_policy * writes[k, t]``.

    If there is no room without a write, also ``x[v, t] <= writes[k, t]``, which is implied but tighter.
    """
    instance = m.instance
    limit = instance.vms_per_new_policy
    leaving, full_keys = _editable_policies(instance), m.full_keys()
    for (k, t), members in m.cells.items():
        items = m.items_without_place(k, t)
        # A start may need a policy for each one that leaves it, and one more through which full policies swap VMs.
        most = m.most_lacking(k, t) + (k in full_keys)
        most += int(leaving[k, t]) if instance.key_vault[k] in m.short else 0
        if most == 0:
            continue
        writes = m.model.new_int_var(0, most, f"writes[{k},{t}]")
        m.variables.writes[k, t] = writes
        m.model.add(items + sum(members) <= limit * writes)
        if items >= 0 and items % limit == 0:
            for x in members:
                m.model.add(writes >= x + items // limit)
        m.variables.objective.append((int(instance.policy_write_price * SCALE), writes))


def add_vault_policy_limit(m: ScopedModel) -> None:
    """Keep every vault within its limit of policies.

    ``sum of writes[k, t] - sum of edits[p, t] <= room[vault]``. Policy ``p`` may be edited to ``t`` only if all its
    VMs go there.
    """
    instance = m.instance
    lacking = m.fixed_writes()
    for vault, room in enumerate(instance.vault_room.tolist()):
        of_vault = instance.key_vault == vault
        writes = [var for (k, _), var in m.variables.writes.items() if of_vault[k]]
        fixed = int(lacking[of_vault].sum())
        if vault in m.short:
            m.model.add(sum(writes) + fixed <= room + sum(_add_edits(m, vault)))


def _add_edits(m: ScopedModel, vault: int) -> list[cp_model.IntVar]:
    """Add the edits that can replace creations in one vault.

    An edit is a write at its new start, and takes the policy away from the old one:

        ``sum of edits to (k, t) <= writes[k, t]`` and
        ``items + sum of x
        <= vms_per_existing_policy * (existing - sum of edits from (k, t)) + vms_per_new_policy * writes[k, t]``.
    """
    instance, lacking = m.instance, m.fixed_writes()
    to: dict[tuple[int, int], list[cp_model.IntVar]] = {}
    off: dict[tuple[int, int], list[cp_model.IntVar]] = {}
    for p, policy in enumerate(instance.policies):
        if not policy.editable or instance.key_vault[policy.key] != vault:
            continue
        free = [v for v in policy.vms if v in m.scope.options]
        for t in _common_starts(m, policy):
            if (policy.key, t) not in m.variables.writes and lacking[policy.key, t] == 0:
                continue
            edit = m.variables.edits[p, t] = m.model.new_bool_var(f"edit[{p},{t}]")
            for v in free:
                m.model.add_implication(edit, m.variables.x[v, t])
            to.setdefault((policy.key, t), []).append(edit)
            off.setdefault((policy.key, policy.option), []).append(edit)
    for cell, edits in to.items():
        m.model.add(sum(edits) <= m.variables.writes.get(cell, int(lacking[cell])))
    for cell, edits in off.items():
        _keep_places(m, cell, edits, m.variables.writes.get(cell, int(lacking[cell])))
    return [edit for edits in to.values() for edit in edits]


def _keep_places(
    m: ScopedModel, cell: tuple[int, int], edits: Sequence[cp_model.IntVar], written: cp_model.LinearExprT
) -> None:
    """Keep the places at a start that policies leave because they are edited."""
    taken_away = m.instance.vms_per_existing_policy * sum(edits)
    held = m.items_without_place(*cell) + sum(m.cells.get(cell, ())) + taken_away
    m.model.add(held <= m.instance.vms_per_new_policy * written)


def _common_starts(m: ScopedModel, policy: ExistingPolicy) -> list[int]:
    """New starts at which all VMs of a policy could be, the fixed ones included."""
    settled = {int(m.scope.fixed[v]) for v in policy.vms if v not in m.scope.options}
    options = [set(m.scope.options[v]) for v in policy.vms if v in m.scope.options]
    return [
        t for t in range(NUM_OPTIONS) if t != policy.option and settled <= {t} and all(t in mine for mine in options)
    ]


def _editable_policies(instance: Instance) -> IntArray:
    """Number of policies that may be edited, at each start of each twin key; shape (K, 48)."""
    count = np.zeros((instance.num_keys, NUM_OPTIONS), dtype=np.int64)
    for policy in instance.policies:
        count[policy.key, policy.option] += policy.editable
    return count


def add_order_of_writes(m: ScopedModel) -> None:
    """Let VMs of a twin key without any room move only if a policy is created, or with their own policy.

    For every key ``k`` whose VMs are all free and whose policies are all full, every VM and every new start:

        ``x[v, t] <= sum of writes[k, u] - sum of edits of k + edit[policy of v, t]``.

    Without a creation, no VM can be the first to be assigned to another policy, and edits of full policies make no
    room (:mod:`optimizer.solve.problem.executable`). This would hold even if VMs were parked at other starts on the
    way.
    """
    instance = m.instance
    families = families_of(instance)
    policy_of = {v: p for p, policy in enumerate(instance.policies) for v in policy.vms}
    for k in sorted(m.full_keys()):
        members = families.key_item[families.key_item_begin[k] : families.key_item_begin[k + 1]].tolist()
        edits = [var for (p, _), var in m.variables.edits.items() if instance.policies[p].key == k]
        created = sum(var for (key, _), var in m.variables.writes.items() if key == k) - sum(edits)
        any_created = m.model.new_bool_var(f"created[{k}]")
        m.model.add(any_created <= created)
        moves = [(v, t) for v in members for t in m.scope.options[v] if t != instance.today[v]]
        for v, t in moves:
            edit = m.variables.edits.get((policy_of[v], t))
            m.model.add_bool_or(m.variables.x[v, t].negated(), any_created, *(() if edit is None else (edit,)))


def add_max_concurrent(m: ScopedModel) -> None:
    """Keep every cap: ``n[r] <= cap[r]`` in every half hour of a capped group."""
    for r, terms in m.row_terms.items():
        cap = int(m.instance.rows.cap[r])
        if cap != NO_CAP and m.fixed_rows[r] + len({v for v, _ in terms}) > cap:
            m.model.add(sum(m.variables.x[term] for term in terms) <= cap - int(m.fixed_rows[r]))


def add_move_limit(m: ScopedModel) -> None:
    """Keep the limit on moves: ``sum of x[v, t] over t != today[v] <= max_moves``."""
    instance = m.instance
    if instance.max_moves is None:
        return
    moved = m.scope.fixed != instance.today
    moved[m.free] = False
    moving = [x for (v, t), x in m.variables.x.items() if t != instance.today[v]]
    m.model.add(sum(moving) + int(moved.sum()) <= instance.max_moves)


def add_write_limits(m: ScopedModel) -> None:
    """Keep the limits on policy writes: ``sum of writes[k, t] over the keys of a limit <= limit``."""
    instance = m.instance
    fixed = m.fixed_writes()
    for limit in instance.write_limits:
        keys = set(limit.keys)
        writes = [var for (k, _), var in m.variables.writes.items() if k in keys]
        m.model.add(sum(writes) + int(fixed[list(limit.keys)].sum()) <= limit.limit)


def add_gates(m: ScopedModel) -> None:
    """Keep sets of VMs apart or in order: ``at[h, t] + at[i, u] <= 1`` for opposing gates at options that clash.

    ``at[h, t] >= x[v, t]`` for every VM ``v`` behind gate ``h``. This takes two clauses for each clash of two gates,
    whatever the number of VMs behind them.
    """
    _add_gates(m, range(len(m.instance.gates)))


def gates_of(rules: Collection[str]) -> Family:
    """The family of constraints for the gates of the named rules only."""

    def add_gates_of_rules(m: ScopedModel) -> None:
        _add_gates(m, [h for h, name in enumerate(m.instance.gates.name) if name in rules])

    return add_gates_of_rules


def _add_gates(m: ScopedModel, chosen: Sequence[int]) -> None:
    gates, stands = m.instance.gates, _Stands(m)
    fixed, wanted = behind_gates(m, m.fixed), set(chosen)
    options = {
        h: sorted({t for v in vms for t in m.scope.options[v]}) for h, vms in stands.behind.items() if h in wanted
    }
    for h, mine in options.items():
        for entry in range(gates.gate_begin[h], gates.gate_begin[h + 1]):
            other, clash = int(gates.opponent[entry]), gates.clashes[gates.clash[entry]]
            taken = [int(m.scope.fixed[v]) for v in fixed.get(other, ())]
            for t in np.intersect1d(mine, np.flatnonzero(clash[:, taken].any(axis=1))).tolist():
                m.model.add(stands.at(h, t) == 0)
            if other in options and h < other:
                for t, u in _clashing(mine, options[other], clash):
                    m.model.add_bool_or(stands.at(h, t).negated(), stands.at(other, u).negated())


def _clashing(mine: Sequence[int], theirs: Sequence[int], clash: BoolArray) -> Iterator[tuple[int, int]]:
    """Yield the pairs of options of two gates that clash."""
    for t in mine:
        for u in np.intersect1d(theirs, np.flatnonzero(clash[t])).tolist():
            yield t, u


class _Stands:
    """Variables that say whether any free VM behind a gate is at an option, made when they are first needed.

    Parameters
    ----------
    m
        The model.

    Attributes
    ----------
    behind
        Gate -> the free VMs behind it.
    """

    def __init__(self, m: ScopedModel) -> None:
        self._m = m
        self.behind = behind_gates(m, m.free)
        self._made: dict[tuple[int, int], cp_model.IntVar] = {}

    def at(self, h: int, t: int) -> cp_model.IntVar:
        """Variable for "some free VM behind the gate starts there"; for a single VM, its own variable."""
        if (h, t) not in self._made:
            x = self._m.variables.x
            mine = [x[v, t] for v in self.behind[h] if (v, t) in x]
            self._made[h, t] = mine[0] if len(mine) == 1 else self._any_of(mine, f"at[{h},{t}]")
        return self._made[h, t]

    def _any_of(self, variables: Sequence[cp_model.IntVar], name: str) -> cp_model.IntVar:
        any_of = self._m.model.new_bool_var(name)
        for variable in variables:
            self._m.model.add_implication(variable, any_of)
        return any_of


def behind_gates(m: ScopedModel, vms: IntArray) -> dict[int, list[int]]:
    """The VMs, among the given ones, that are behind each gate."""
    gates = m.instance.gates
    behind: dict[int, list[int]] = {}
    for v in vms[np.diff(gates.vm_begin)[vms] > 0].tolist():
        for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist():
            behind.setdefault(h, []).append(v)
    return behind


def add_shared_cost(m: ScopedModel) -> None:
    """Price overlaps and vault peaks.

    The cost of a row is convex in the number of its VMs, so the VM that joins ``j`` others pays the increment
    ``pair_price * j + peak_price * [j >= fair_share]``: ``sum of x <= sum over j of level[j]``, with each level priced
    that way.
    """
    rows = m.instance.rows
    for r, terms in m.row_terms.items():
        begin = int(m.fixed_rows[r])
        most = len({v for v, _ in terms})
        levels = np.arange(begin, begin + most)
        prices = rows.pair_price[r] * levels + rows.peak_price[r] * (levels >= rows.fair_share[r])
        prices = np.floor(prices * SCALE).astype(np.int64)
        free = int((prices == 0).sum())
        if free == most:
            continue
        level = [m.model.new_bool_var(f"level[{r},{j}]") for j in levels[free:].tolist()]
        m.model.add(sum(m.variables.x[term] for term in terms) <= free + sum(level))
        m.variables.objective += list(zip(prices[free:].tolist(), level, strict=True))


FAMILIES: tuple[Family, ...] = (
    add_one_option_per_vm,
    add_allowed_options,
    add_linear_cost,
    add_policy_capacity,
    add_vault_policy_limit,
    add_order_of_writes,
    add_max_concurrent,
    add_move_limit,
    add_write_limits,
    add_gates,
    add_shared_cost,
)


def whole(instance: Instance, start: IntArray, *, only_allowed: bool = True) -> Subproblem:
    """Subproblem in which every VM is free.

    Parameters
    ----------
    instance
        The problem.
    start
        Shape (V,): start option of each VM, used as a hint.
    only_allowed
        Leave out options that the rules forbid anyway. A VM without any allowed option keeps all of them, so the model
        has no solution.
    """
    everything = np.arange(NUM_OPTIONS)
    options = {}
    for v in range(instance.num_vms):
        allowed = np.flatnonzero(instance.allowed[v])
        options[v] = (allowed if only_allowed and len(allowed) else everything).tolist()
    return Subproblem(options, start)
