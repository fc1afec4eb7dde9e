"""A first step of few moves toward schedules that keep every rule, where the rules need more moves than are allowed.

Two schedules are looked for at once.  The *target* keeps every rule and takes as many moves as there are in some
months.  The *step* makes some of the target's moves, at most those of one month, and leaves no more than the other
months can make.  Whoever makes the step can therefore reach the target in time.  A step is never worse than today: a
VM that moves breaks no rule on its own, no half hour that is over a cap gets more windows, and no two VMs clash that
do not clash today.  Of all steps the one is best that leaves the least violations, each counted with the weight of
its VM, and costs least among these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ortools.sat.python import cp_model

from optimizer.solve.clock import SolveClock
from optimizer.solve.cost import row_counts, shut_gates, violations
from optimizer.solve.cpsat import FAMILIES, Scope, ScopedModel, add_gates, limited_solver
from optimizer.solve.instance import NO_CAP, BoolArray, Gates, Instance, IntArray, no_gates
from optimizer.solve.reference import CONSTRAINTS

WHOLE_SCOPE_VMS = 24
"""Up to this size every allowed start of every VM is tried; beyond, those of the targets that are given."""

WORK_PER_EFFORT = 0.1
"""Limit of CP-SAT for violations, and again for cost, in its deterministic seconds for each unit of effort."""

MOST_RINGS = 5
"""Times that CP-SAT is asked again because a schedule moved VMs round between full policies."""

GRAIN = 1000
"""Weights are counted in units of 1 / GRAIN."""

Breach = tuple[str, int]
"""A rule, and the row of a VM that breaks it."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How a target is to be reached.

    Parameters
    ----------
    instance
        The problem; its ``max_moves`` is that of one month.
    alone
        Row of a VM -> names of the rules that forbid it the start of today, whatever the others do.
    months
        Months that the target may take, two or more.
    """

    instance: Instance
    alone: Mapping[int, tuple[str, ...]]
    months: int

    @property
    def moves_per_month(self) -> int:
        """Moves of one month."""
        assert self.instance.max_moves is not None
        return self.instance.max_moves


@dataclass(frozen=True, slots=True)
class Step:
    """A step, and the target that it leads to; both of shape (V,)."""

    options: IntArray
    target: IntArray


def breaches(instance: Instance, alone: Mapping[int, tuple[str, ...]], options: IntArray) -> set[Breach]:
    """Which rules which VMs break; VMs that stay where they are do not count, as no plan moves them.

    Parameters
    ----------
    instance
        The problem.
    alone
        As of :class:`Steps`.
    options
        Shape (V,): start option of each VM; those of today, or allowed.
    """
    found = {(name, v) for v, names in alone.items() for name in names if options[v] == instance.today[v]}
    over = np.append(row_counts(instance, options) > instance.rows.cap, False)  # touched is padded
    met = instance.touched[instance.vm_class, options]
    for v, place in np.argwhere(over[met]).tolist():
        found.add((instance.cap_names[instance.rows.group[met[v, place]]], v))
    found |= {(instance.gates.name[gate], v) for v, gate in shut_gates(instance, options)}
    return {(name, v) for name, v in found if instance.movable[v]}


def gravity(instance: Instance, found: set[Breach]) -> float:
    """How grave violations are together: the sum of the weights of their VMs."""
    return float(sum(instance.weight[v] for _, v in found))


def not_worse_than_today(instance: Instance, options: IntArray) -> bool:
    """Whether a schedule breaks no rule where today's does not, and no cap by more; and keeps all other limits."""
    return not violations(tolerant(instance), options) and not any(_new_clashes(instance, options))


def tolerant(instance: Instance) -> Instance:
    """The problem in which what is over a cap or outside a window today may stay so, without gates."""
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
    """Gates some of whose VMs clash with one another and do not today."""
    gates, kinds = instance.gates, defaultdict[int, set[tuple[int, int]]](set)
    for v, h in _behind(gates):
        kinds[h].add((int(instance.today[v]), int(options[v])))
    for h, other, clash in _opponents(gates):
        if any(clash[t, u] and not clash[t0, u0] for t0, t in kinds[h] for u0, u in kinds[other]):
            yield h, other


def _behind(gates: Gates) -> Iterator[tuple[int, int]]:
    """Every VM with each gate that it is behind."""
    behind = np.repeat(np.arange(len(gates.vm_begin) - 1), np.diff(gates.vm_begin))
    yield from zip(behind.tolist(), gates.vm_gate.tolist(), strict=True)


def _opponents(gates: Gates) -> Iterator[tuple[int, int, BoolArray]]:
    """Every gate with each opponent, and the matrix of what clashes."""
    for h in range(len(gates)):
        for place in range(gates.gate_begin[h], gates.gate_begin[h + 1]):
            yield h, int(gates.opponent[place]), gates.clashes[gates.clash[place]]


def in_small_edits(instance: Instance, most: int) -> Instance:
    """The problem in which no policy is edited that holds more VMs than may move at once."""
    policies = tuple(replace(p, editable=p.editable and len(p.vms) <= most) for p in instance.policies)
    return replace(instance, policies=policies)


def counting_moves(instance: Instance) -> Instance:
    """The problem in which nothing costs but moves, and as many are allowed as it takes: its cost is their number."""
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
    steps: Steps, targets: Sequence[IntArray], *, seed: int, effort: int, clock: SolveClock, stay: BoolArray
) -> Step | None:
    """The step that leaves the least violations and, among these, costs least; None where none was found.

    Parameters
    ----------
    steps
        The problem, and how long the target may take.
    targets
        Schedules, each of shape (V,), that keep every rule within the moves of all months; one or more.
    seed, effort
        Of CP-SAT, and how much work it may do.
    clock
        Says how much time is left.
    stay
        Shape (V,): VMs that the step must not move, though the target may.
    """
    model = _StepModel(steps, targets, stay)
    work = WORK_PER_EFFORT * effort
    found = model.solve(work, seed, clock)
    if found is None:
        return None
    model.then_by_cost(found)
    return model.solve(work, seed, clock) or found


class _StepModel:
    """A target and a step in one CP-SAT model; ``x`` are the starts of the target, ``y`` those of the step.

    ``y[v, t] <= x[v, t]`` for every start but today's, and
    ``sum of x[v, t] - sum of y[v, t] over t != today <= (months - 1) * max_moves``.
    """

    def __init__(self, steps: Steps, targets: Sequence[IntArray], stay: BoolArray) -> None:
        self.steps, instance = steps, in_small_edits(steps.instance, steps.moves_per_month)
        self.instance = instance
        self.cp = cp_model.CpModel()
        self.broken_today = breaches(instance, steps.alone, instance.today)
        options = self._options(targets)
        total = steps.months * steps.moves_per_month
        self.target = ScopedModel(replace(instance, max_moves=total), Scope(options, targets[0]), CONSTRAINTS, self.cp)
        families = [family for family in FAMILIES if family is not add_gates]
        today = instance.today.astype(np.int64)
        self.step = ScopedModel(tolerant(instance), Scope(options, today), families, self.cp)
        self.cost = list(self.step.variables.objective)
        x, y = self.target.variables.x, self.step.variables.x
        away = [(v, t) for v, t in y if t != today[v]]
        for place in away:
            self.cp.add_implication(y[place], x[place])
            if stay[place[0]]:
                self.cp.add(y[place] == 0)
        later = (steps.months - 1) * steps.moves_per_month
        self.cp.add(sum(x[place] for place in away) - sum(y[place] for place in away) <= later)
        self.breach: dict[Breach, cp_model.IntVar] = {}
        self._add_breaches()
        self.violations = sum(round(GRAIN * float(instance.weight[v])) * b for (_, v), b in self.breach.items())
        self.cp.minimize(self.violations)

    def _options(self, targets: Sequence[IntArray]) -> dict[int, list[int]]:
        """Starts of the VMs that move in a target or break a rule; of few VMs, everything allowed."""
        instance, options = self.instance, dict[int, list[int]]()
        breaking = {v for _, v in self.broken_today}
        for v in np.flatnonzero(instance.movable).tolist():
            chosen = {int(instance.today[v]), *(int(target[v]) for target in targets)}
            if instance.num_vms <= WHOLE_SCOPE_VMS:
                chosen |= set(np.flatnonzero(instance.allowed[v]).tolist())
            if len(chosen) > 1 or v in breaking:
                options[v] = sorted(chosen)
        return options

    def _add_breaches(self) -> None:
        for v, names in self.steps.alone.items():
            for name in names:
                self._breaks(name, v, [self._at(v, int(self.instance.today[v]))])
        self._add_caps()
        self._add_clashes()

    def _at(self, v: int, t: int) -> cp_model.IntVar | None:
        """Variable of a VM at a start; None: it is there for sure."""
        return self.step.variables.x.get((v, t))

    def _breaks(self, name: str, v: int, conditions: Sequence[cp_model.IntVar | None]) -> None:
        """Let a VM break a rule where all conditions hold; None is one that always does."""
        if not self.instance.movable[v]:
            return
        if (name, v) not in self.breach:
            self.breach[name, v] = self.cp.new_bool_var(f"breach[{name},{v}]")
        self.cp.add_bool_or(*(one.negated() for one in conditions if one is not None), self.breach[name, v])

    def _add_caps(self) -> None:
        """A half hour that is over its cap today may stay so: then all VMs in it break the rule.

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
        for v in range(instance.num_vms) if over else ():
            for t in self.step.scope.options.get(v, [int(instance.today[v])]):
                for r in instance.touched[instance.vm_class[v], t].tolist():
                    if r in over:
                        self._breaks(instance.cap_names[rows.group[r]], v, [self._at(v, t), over[r]])

    def _add_clashes(self) -> None:
        """Two VMs that clash today may go on clashing, and break the rule; no other two may clash.

        VMs behind a gate that start at ``t0`` today and at ``t`` in the step are one kind.
        """
        gates = self.instance.gates
        kinds: dict[int, dict[tuple[int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
        for v, h in _behind(gates):
            today = int(self.instance.today[v])
            for t in self.step.scope.options.get(v, [today]):
                kinds[h][today, t].append(v)
        standing: dict[tuple[int, tuple[int, int]], cp_model.IntVar | None] = {}
        for h, other, clash in _opponents(gates):
            for mine, vms in kinds[h].items():
                for theirs in kinds[other]:
                    if not clash[mine[1], theirs[1]]:
                        continue
                    somebody = self._somebody(standing, other, theirs, kinds[other][theirs])
                    if clash[mine[0], theirs[0]]:
                        for v in vms:
                            self._breaks(gates.name[h], v, [self._at(v, mine[1]), somebody])
                    else:
                        both = (self._somebody(standing, h, mine, vms), somebody)
                        self.cp.add_bool_or(*(one.negated() for one in both if one is not None))

    def _somebody(
        self,
        standing: dict[tuple[int, tuple[int, int]], cp_model.IntVar | None],
        gate: int,
        kind: tuple[int, int],
        vms: Sequence[int],
    ) -> cp_model.IntVar | None:
        """Whether some VM of a kind is there; None: for sure."""
        place = (gate, kind)
        if place not in standing:
            there = [self._at(v, kind[1]) for v in vms]
            if any(one is None for one in there):
                standing[place] = None
            else:
                standing[place] = variable = self.cp.new_bool_var(f"standing[{gate},{kind}]")
                for one in there:
                    assert one is not None
                    self.cp.add_implication(one, variable)
        return standing[place]

    def then_by_cost(self, found: Step) -> None:
        """Look for the cheapest step among those that leave no more violations than a step that was found."""
        left = breaches(self.instance, self.steps.alone, found.options)
        least = sum(round(GRAIN * float(self.instance.weight[v])) for _, v in left)
        self.cp.add(self.violations <= least)
        self.cp.minimize(sum(coefficient * variable for coefficient, variable in self.cost))
        self.cp.clear_hints()  # type: ignore[no-untyped-call]
        for model, options in ((self.target, found.target), (self.step, found.options)):
            for (v, t), variable in model.variables.x.items():
                self.cp.add_hint(variable, int(options[v]) == t)

    def solve(self, work: float, seed: int, clock: SolveClock) -> Step | None:
        """Ask CP-SAT; schedules that move VMs round between full policies are forbidden on the way."""
        for attempt in range(MOST_RINGS):
            solver = limited_solver(work, seed + attempt, clock.left())
            if solver.solve(self.cp) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                return None
            target, step = self.target.options_of(solver), self.step.options_of(solver)
            sound = not violations(self.target.instance, target), not_worse_than_today(self.instance, step)
            if all(sound):
                return Step(step, target)
            opened = [
                model.open_rings(options)
                for model, options, fine in zip((self.target, self.step), (target, step), sound, strict=True)
                if not fine
            ]
            if not any(opened):
                return None
        return None
