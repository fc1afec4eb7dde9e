"""Finds a first step of few moves toward schedules that keep every rule, if that takes more moves than are allowed.

Two schedules are searched for at once. The *target* keeps every rule and uses at most as many moves as are allowed in
some months. The *step* makes some of the target's moves, at most those of one month, and leaves no more than the other
months can make. So the target can be reached in time after this step. A step is never worse than today: a VM that
moves breaks no rule on its own, no half hour that is over a cap gets more windows, and no two VMs clash that do not
clash today. The best of all steps is the one that leaves the fewest breaches, each counted with the weight of its VM,
and that costs least among these.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ortools.sat.python import cp_model

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.model.set_constraints import SetConstraints, no_gates
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import FAMILIES, ScopedModel, Subproblem, add_gates, limited_solver
from optimizer.solve.problem.breaches import BreachKind, BrokenAt, at_movable_vms, broken_at, rule_breaches
from optimizer.solve.problem.cost import is_feasible, row_counts
from optimizer.solve.problem.instance import NO_CAP, Instance
from optimizer.solve.problem.limits import Limits
from optimizer.solve.search.reference import CONSTRAINTS

WHOLE_SCOPE_VMS = 24
"""Maximum number of VMs for which every allowed start is tried; with more VMs, only those of the given targets are."""

WORK_PER_EFFORT = 0.1
"""Limit of CP-SAT for breaches, and again for cost, in its deterministic seconds per unit of effort."""

MOST_RINGS = 5
"""Maximum number of times that CP-SAT runs because a schedule moved VMs in a ring between full policies."""

GRAIN = 1000
"""Number of integer units per unit of weight."""


_Kind = tuple[int, int]
"""Today's start and the start in the step, which the VMs of a kind have in common."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The problem of reaching a target in steps.

    Parameters
    ----------
    limits
        The problem; its ``max_moves`` is the limit of one month.
    months
        Number of months that the target may take, two or more.
    """

    limits: Limits
    months: int

    @property
    def instance(self) -> Instance:
        """The problem as arrays."""
        return self.limits.instance

    @property
    def moves_per_month(self) -> int:
        """Maximum number of moves in one month."""
        assert self.instance.max_moves is not None
        return self.instance.max_moves


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A step, and the target that it leads to; both have shape (V,)."""

    options: IntArray
    target: IntArray


def gravity(instance: Instance, broken: set[BrokenAt]) -> float:
    """Total weight of breaches: the sum of the weights of their VMs."""
    return float(sum(instance.weight[v] for _, v in broken))


def not_worse_than_today(instance: Instance, options: IntArray) -> bool:
    """Whether a schedule adds no breach to today's and exceeds no cap by more, and keeps all other limits."""
    return is_feasible(tolerant(instance), options) and not any(_new_clashes(instance, options))


def tolerant(instance: Instance) -> Instance:
    """The problem in which today's breaches of windows and caps may stay but not grow, and which has no gates."""
    rows = np.arange(instance.num_vms)
    allowed = instance.allowed.copy()
    allowed[rows, instance.today] = True
    cap = np.maximum(instance.rows.cap, row_counts(instance, instance.today))
    return replace(
        instance,
        allowed=allowed,
        rows=replace(instance.rows, cap=cap),
        gates=no_gates(instance.num_vms),
    )


def _new_clashes(instance: Instance, options: IntArray) -> Iterator[tuple[int, int]]:
    """Yield pairs of gates with VMs that clash with one another but do not clash today."""
    gates, kinds = instance.gates, defaultdict[int, set[tuple[int, int]]](set)
    for v, h in _behind(gates):
        kinds[h].add((int(instance.today[v]), int(options[v])))
    for h, other, clash in _opponents(gates):
        if any(clash[t, u] and not clash[t0, u0] for t0, t in kinds[h] for u0, u in kinds[other]):
            yield h, other


def _behind(gates: SetConstraints) -> Iterator[tuple[int, int]]:
    """Yield every VM with each gate that it is behind."""
    behind = np.repeat(np.arange(len(gates.vm_begin) - 1), np.diff(gates.vm_begin))
    yield from zip(behind.tolist(), gates.vm_gate.tolist(), strict=True)


def _opponents(gates: SetConstraints) -> Iterator[tuple[int, int, BoolArray]]:
    """Yield every gate with each opponent, and their clash matrix."""
    for h in range(len(gates)):
        for entry in range(gates.gate_begin[h], gates.gate_begin[h + 1]):
            yield h, int(gates.opponent[entry]), gates.clashes[gates.clash[entry]]


def in_small_edits(instance: Instance, most: int) -> Instance:
    """The problem in which a policy with more VMs than may move at once cannot be edited."""
    policies = tuple(replace(p, editable=p.editable and len(p.vms) <= most) for p in instance.policies)
    return replace(instance, policies=policies)


def counting_moves(instance: Instance) -> Instance:
    """The problem in which each move costs 1, everything else is free, and any number of moves is allowed."""
    nothing = np.zeros(len(instance.rows))
    moved = np.arange(instance.allowed.shape[1]) != instance.today[:, None]
    return replace(
        instance,
        linear=moved.astype(np.float64),
        working_hours=np.zeros_like(instance.working_hours),
        rows=replace(instance.rows, pair_price=nothing, peak_price=nothing),
        move_price=np.ones(instance.num_vms),
        policy_write_price=0.0,
        max_moves=None,
    )


def best_step(
    steps: Steps, targets: Sequence[IntArray], search: Search, clock: SolveClock, stay: BoolArray
) -> FirstStep | None:
    """Find the step that leaves the fewest breaches and, among these, costs least; None if no step was found.

    Parameters
    ----------
    steps
        The problem, and how long the target may take.
    targets
        Schedules, each of shape (V,), that keep every rule within the moves of all months; one or more.
    search
        Random seed of CP-SAT, and how much work it may do.
    clock
        Clock with the time that is left.
    stay
        Shape (V,): VMs that the step must not move, although the target may.
    """
    model = _StepModel(steps, targets, stay)
    work = WORK_PER_EFFORT * search.effort
    step = model.solve(work, search.seed, clock)
    if step is None:
        return None
    model.then_by_cost(step)
    return model.solve(work, search.seed, clock) or step


class _StepModel:
    """A target and a step in one CP-SAT model; ``x`` are the starts of the target, ``y`` those of the step.

    The step makes some of the target's moves, and leaves no more than the other months can make:

        ``y[v, t] <= x[v, t]`` for every start except today's, and
        ``sum of x[v, t] - sum of y[v, t] over t != today <= (months - 1) * max_moves``.
    """

    def __init__(self, steps: Steps, targets: Sequence[IntArray], stay: BoolArray) -> None:
        self.steps, instance = steps, in_small_edits(steps.instance, steps.moves_per_month)
        self.instance = instance
        self.cp = cp_model.CpModel()
        self.broken_today = rule_breaches(steps.limits, instance.today)
        options = self._options(targets)
        total = steps.months * steps.moves_per_month
        self.target = ScopedModel(
            replace(instance, max_moves=total), Subproblem(options, targets[0]), CONSTRAINTS, self.cp
        )
        families = [family for family in FAMILIES if family is not add_gates]
        today = instance.today.astype(np.int64)
        self.step = ScopedModel(tolerant(instance), Subproblem(options, today), families, self.cp)
        self.cost = list(self.step.variables.objective)
        self._make_moves_of_target(stay)
        self.breach: dict[BrokenAt, cp_model.IntVar] = {}
        self._add_breaches()
        self.violations = sum(round(GRAIN * float(instance.weight[v])) * b for (_, v), b in self.breach.items())
        self.cp.minimize(self.violations)

    def _make_moves_of_target(self, stay: BoolArray) -> None:
        """Let the step make only moves of the target, none of VMs that stay, and leave few enough for later."""
        x, y, steps = self.target.variables.x, self.step.variables.x, self.steps
        away = [(v, t) for v, t in y if t != self.instance.today[v]]
        for v, t in away:
            self.cp.add_implication(y[v, t], x[v, t])
            if stay[v]:
                self.cp.add(y[v, t] == 0)
        later = (steps.months - 1) * steps.moves_per_month
        self.cp.add(sum(x[move] for move in away) - sum(y[move] for move in away) <= later)

    def _options(self, targets: Sequence[IntArray]) -> dict[int, list[int]]:
        """Starts of the VMs that move in a target or break a rule; if there are few VMs, all allowed starts."""
        instance, options = self.instance, dict[int, list[int]]()
        breaking = {v for _, v in at_movable_vms(instance, self.broken_today)}
        for v in np.flatnonzero(instance.movable).tolist():
            chosen = {int(instance.today[v]), *(int(target[v]) for target in targets)}
            if instance.num_vms <= WHOLE_SCOPE_VMS:
                chosen |= set(np.flatnonzero(instance.allowed[v]).tolist())
            if len(chosen) > 1 or v in breaking:
                options[v] = sorted(chosen)
        return options

    def _add_breaches(self) -> None:
        alone: dict[int, list[str]] = {}
        for breach in self.broken_today:
            for v in breach.vms if breach.kind is BreachKind.START else ():
                alone.setdefault(v, []).append(breach.limit.name)
        for v, names in alone.items():
            for name in names:
                self._breaks(name, v, [self.at(v, int(self.instance.today[v]))])
        self._add_caps()
        self._add_clashes()

    def at(self, v: int, t: int) -> cp_model.IntVar | None:
        """Variable of a VM at a start; None if the VM is certainly there."""
        return self.step.variables.x.get((v, t))

    def _breaks(self, name: str, v: int, conditions: Sequence[cp_model.IntVar | None]) -> None:
        """Let a VM break a rule if all conditions hold; a condition of None always holds."""
        if not self.instance.movable[v]:
            return
        if (name, v) not in self.breach:
            self.breach[name, v] = self.cp.new_bool_var(f"breach[{name},{v}]")
        self.cp.add_bool_or(
            *(condition.negated() for condition in conditions if condition is not None), self.breach[name, v]
        )

    def _add_caps(self) -> None:
        """Let a half hour that is over its cap today stay so; then all VMs in it break the rule.

        ``n[r] <= cap[r] + (today's n[r] - cap[r]) * over[r]`` and ``breach >= y[v, t] + over[r] - 1``.
        """
        instance, rows = self.instance, self.instance.rows
        today = row_counts(instance, instance.today)
        over = {
            int(r): self.cp.new_bool_var(f"over[{r}]")
            for r in np.flatnonzero((rows.cap != NO_CAP) & (today > rows.cap))
        }
        for r, is_over in over.items():
            met = sum(self.step.variables.x[term] for term in self.step.row_terms.get(r, ()))
            most = int(rows.cap[r]) + int(today[r] - rows.cap[r]) * is_over
            self.cp.add(met + int(self.step.fixed_rows[r]) <= most)
        self._break_caps(over)

    def _break_caps(self, over: Mapping[int, cp_model.IntVar]) -> None:
        """Let the VMs in a half hour that stays over its cap break the rule."""
        instance, rows = self.instance, self.instance.rows
        for v in range(instance.num_vms) if over else ():
            for t in self._starts(v):
                for r in instance.touched[instance.vm_class[v], t].tolist():
                    if r in over:
                        self._breaks(instance.cap_names[rows.group[r]], v, [self.at(v, t), over[r]])

    def _starts(self, v: int) -> Sequence[int]:
        """Starts that a VM may have in the step: its options, or today's start if it is fixed."""
        return self.step.scope.options.get(v, [int(self.instance.today[v])])

    def _add_clashes(self) -> None:
        """Let two VMs that clash today continue to clash, and break the rule; no other two VMs may clash.

        VMs behind a gate that start at ``t0`` today and at ``t`` in the step are of one kind.
        """
        gates, kinds = self.instance.gates, self._kinds()
        standing = _Standing(self)
        for h, other, clash in _opponents(gates):
            for mine, theirs in itertools.product(kinds[h], kinds[other]):
                if not clash[mine[1], theirs[1]]:
                    continue
                somebody = standing.somebody(other, theirs, kinds[other][theirs])
                if clash[mine[0], theirs[0]]:
                    for v in kinds[h][mine]:
                        self._breaks(gates.name[h], v, [self.at(v, mine[1]), somebody])
                else:
                    both = (standing.somebody(h, mine, kinds[h][mine]), somebody)
                    self.cp.add_bool_or(*(variable.negated() for variable in both if variable is not None))

    def _kinds(self) -> Mapping[int, Mapping[_Kind, list[int]]]:
        """Gate -> kind -> the VMs of this kind behind the gate."""
        kinds: dict[int, dict[_Kind, list[int]]] = defaultdict(lambda: defaultdict(list))
        for v, h in _behind(self.instance.gates):
            for t in self._starts(v):
                kinds[h][int(self.instance.today[v]), t].append(v)
        return kinds

    def then_by_cost(self, step: FirstStep) -> None:
        """Look for the cheapest step among those that leave no more breaches than the given step."""
        left = broken_at(self.steps.limits, step.options)
        least = sum(round(GRAIN * float(self.instance.weight[v])) for _, v in left)
        self.cp.add(self.violations <= least)
        self.cp.minimize(sum(coefficient * variable for coefficient, variable in self.cost))
        self.cp.clear_hints()  # type: ignore[no-untyped-call]
        for model, options in ((self.target, step.target), (self.step, step.options)):
            for (v, t), variable in model.variables.x.items():
                self.cp.add_hint(variable, int(options[v]) == t)

    def solve(self, work: float, seed: int, clock: SolveClock) -> FirstStep | None:
        """Run CP-SAT; schedules that move VMs in a ring between full policies are forbidden on the way."""
        for attempt in range(MOST_RINGS):
            solver = limited_solver(work, seed + attempt, clock.left())
            if solver.solve(self.cp) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                return None
            target, step = self.target.options_of(solver), self.step.options_of(solver)
            sound = is_feasible(self.target.instance, target), not_worse_than_today(self.instance, step)
            if all(sound):
                return FirstStep(step, target)
            opened = [
                model.open_rings(options)
                for model, options, fine in zip((self.target, self.step), (target, step), sound, strict=True)
                if not fine
            ]
            if not any(opened):
                return None
        return None


class _Standing:
    """Variables that state whether some VM of a kind behind a gate is at the kind's start, made when first needed.

    Parameters
    ----------
    model
        The model of the step.
    """

    def __init__(self, model: _StepModel) -> None:
        self._model = model
        self._made: dict[tuple[int, _Kind], cp_model.IntVar | None] = {}

    def somebody(self, gate: int, kind: _Kind, vms: Sequence[int]) -> cp_model.IntVar | None:
        """Whether some VM of a kind is there; None if one certainly is."""
        if (gate, kind) not in self._made:
            present = [self._model.at(v, kind[1]) for v in vms]
            certain = any(variable is None for variable in present)
            name = f"standing[{gate},{kind}]"
            known = [variable for variable in present if variable is not None]
            self._made[gate, kind] = None if certain else self._any_of(known, name)
        return self._made[gate, kind]

    def _any_of(self, variables: Sequence[cp_model.IntVar], name: str) -> cp_model.IntVar:
        any_of = self._model.cp.new_bool_var(name)
        for variable in variables:
            self._model.cp.add_implication(variable, any_of)
        return any_of
