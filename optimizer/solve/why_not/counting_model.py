"""Finds out whether some schedule keeps some limits: a CP-SAT model that counts VMs instead of distinguishing them.

VMs that no limit can tell apart (same options, same capped rows, same policy, same gates) form one group; the model
decides how many of them start where. It contains no prices, only what decides whether the limits can hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ortools.sat.python import cp_model

from optimizer.model.arrays import IntArray
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import EVERY_OPTION, Bits, Limit, LimitKind, Limits

RISK_SCALE = 1_000_000
"""Number of integer units per at-risk backup per 30 days, to which risks are rounded."""

MAX_VARIABLES = 1_000_000
"""Maximum number of variables; a larger model is not built, and the answer is UNKNOWN."""

Slack = Literal["amount", "vms"]
"""How a limit gives way: its amount grows, or some VMs are exempted."""


@dataclass(frozen=True, slots=True)
class CountingAnswer:
    """Answer of the model.

    Parameters
    ----------
    outcome
        What was shown; OPTIMAL if the slack is minimal.
    options
        Option of each VM, in the order of the model's VMs; None if no solution was found.
    core
        Limits that suffice for infeasibility, if the model has assumptions.
    slack
        By how much the limit gives way; for ``max_moves`` and ``max_risk_increase``, the amount itself.
    work
        Work done, in CP-SAT's deterministic time.
    """

    outcome: SolveStatus
    options: IntArray | None = None
    core: frozenset[Limit] | None = None
    slack: float | None = None
    work: float = 0.0


class CountingModel:
    """A model of some VMs under some limits, as if all other VMs did not exist.

    It is a relaxation of the whole problem: if it is infeasible, so is the whole problem.

    Parameters
    ----------
    limits, kept, vms
        The problem, the limits that hold, and the indices of the VMs.
    giving, slack
        A limit that may give way, and how; the model minimizes by how much.
    assume
        Put every limit behind an assumption, so that a core can be computed.
    """

    def __init__(
        self,
        limits: Limits,
        kept: Iterable[Limit],
        vms: IntArray,
        *,
        giving: Limit | None = None,
        slack: Slack = "amount",
        assume: bool = False,
    ) -> None:
        self.limits, self.instance = limits, limits.instance
        self.kept, self.vms = tuple(kept), vms
        self.giving, self._slack_kind = giving, slack
        self.model = cp_model.CpModel()
        self._literal = {limit: self.model.new_bool_var("") for limit in self.kept} if assume else {}
        self._slack = self.model.new_int_var(0, max(len(vms), NUM_OPTIONS) * RISK_SCALE, "slack")
        self.policy_of = _policy_of_vms(self.instance)
        self._solver: cp_model.CpSolver | None = None
        self._gates = self._kept_gates()
        kept_rows = [r for r, limit in limits.row_limit.items() if limit in set(self.kept)]
        self._row_kept = np.zeros(len(self.instance.rows) + 1, dtype=np.bool_)
        self._row_kept[kept_rows] = True
        self.group_of = self._group()
        _, self._first, size = np.unique(self.group_of, return_index=True, return_counts=True)
        self.size: list[int] = size.tolist()
        self.n: dict[tuple[int, int], cp_model.IntVar] = {}
        self.writes: dict[tuple[int, int], cp_model.IntVar] = {}
        self.edits: dict[tuple[int, int], cp_model.IntVar] = {}
        self.too_large = len(self.size) * NUM_OPTIONS > MAX_VARIABLES
        if not self.too_large:
            self._build()

    def _kept_gates(self) -> set[int]:
        kept = set(self.kept)
        return {h for h, limit in enumerate(self.limits.gate_limit) if limit in kept}

    def _is_kept(self, *kinds: LimitKind) -> bool:
        return any(limit.kind in kinds for limit in self.kept)

    def _group(self) -> IntArray:
        """Index of the group of each VM; VMs with equal columns form a group."""
        instance, vms = self.instance, self.vms
        columns = [*self._forbidden_columns(), self._capped_class()]
        policies = self._is_kept(LimitKind.POLICIES_PER_VAULT, LimitKind.POLICY_WRITES)
        if policies:
            columns += [instance.key[vms], instance.counted_today[vms].astype(np.int64), self.policy_of[vms]]
        if policies or self._is_kept(LimitKind.MAX_MOVES):
            columns.append(instance.today[vms])
        if self._gates:
            columns.append(self._gate_sets())
        if self._gives_in_risk:
            columns.append(np.arange(len(vms)))
        _, group = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        return group.ravel().astype(np.int64)

    @property
    def _gives_in_risk(self) -> bool:
        """Whether the limit that may give way is the one on the increase of risk."""
        return self.giving is not None and self.giving.kind is LimitKind.MAX_RISK_INCREASE

    def _forbidden_columns(self) -> list[IntArray]:
        """Options that the kept limits forbid each VM, as bits: all in one column unless single limits matter."""
        forbids = [self.limits.forbids[limit][self.vms] for limit in self.kept if limit in self.limits.forbids]
        if forbids and not self._literal and self.giving is None:
            forbids = [np.bitwise_or.reduce(forbids)]
        return [bits.view(np.int64) for bits in forbids]

    def _capped_class(self) -> IntArray:
        """One number for all classes that touch the same kept rows at every option, for each of the model's VMs."""
        of_vm = self.instance.vm_class[self.vms]
        classes, inverse = np.unique(of_vm, return_inverse=True)
        touched = self.instance.touched[classes]
        capped = np.sort(np.where(self._row_kept[touched], touched, -1), axis=2).reshape(len(classes), -1)
        _, same = np.unique(capped, axis=0, return_inverse=True)
        return np.asarray(same.ravel()[inverse.ravel()], dtype=np.int64)

    def _gate_sets(self) -> IntArray:
        gates, numbers = self.instance.gates, dict[tuple[int, ...], int]()
        sets = [
            tuple(h for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist() if h in self._gates)
            for v in self.vms.tolist()
        ]
        return np.array([numbers.setdefault(gate_set, len(numbers)) for gate_set in sets], dtype=np.int64)

    def _build(self) -> None:
        """Build the model; this is its table of contents."""
        self._add_options()
        self._add_caps()
        self._add_gates()
        if self._is_kept(LimitKind.MAX_MOVES):
            self._add_moves()
        if self._is_kept(LimitKind.POLICIES_PER_VAULT, LimitKind.POLICY_WRITES):
            self._add_policies()
        if self._literal:
            self.model.add_assumptions(list(self._literal.values()))
        if self.giving is not None:
            self.model.minimize(self._slack)

    def _add(self, constraint: cp_model.BoundedLinearExpression | bool | np.bool_, limit: Limit) -> None:
        """Add a constraint that belongs to a limit."""
        made = self.model.add(constraint)
        if limit in self._literal:
            made.only_enforce_if(self._literal[limit])

    def _gives(self, limit: Limit, how: Slack = "amount") -> cp_model.LinearExprT:
        """Amount by which a limit may be exceeded."""
        return self._slack if limit == self.giving and how == self._slack_kind else 0

    def first_of(self, group: int) -> int:
        """Index of a VM of a group; the model cannot tell it from the others."""
        return int(self.vms[self._first[group]])

    def _add_options(self) -> None:
        """Put every VM somewhere: ``sum over t of n[g, t] = size[g]``, and ``n[g, t] = 0`` where forbidden."""
        limits = self.limits
        kept = [limit for limit in self.kept if limit in limits.forbids]
        hard = [limit for limit in kept if limit not in self._literal and not self._lets_off(limit)]
        forbidden = limits.forbidden(hard)
        let_off: list[cp_model.IntVar] = []
        for g, size in enumerate(self.size):
            v = self.first_of(g)
            options = [t for t in range(NUM_OPTIONS) if not int(forbidden[v]) >> t & 1]
            for t in options:
                self.n[g, t] = self.model.new_int_var(0, size, "")
                let_off += self._forbid(g, t, [limit for limit in kept if int(limits.forbids[limit][v]) >> t & 1])
            self.model.add(sum(self.n[g, t] for t in options) == size)
        if self.giving is not None and self._slack_kind == "vms":
            self.model.add(sum(let_off) <= self._slack)

    def _forbid(self, g: int, t: int, limits: Iterable[Limit]) -> Iterator[cp_model.IntVar]:
        """Keep a group from an option that some limits forbid; yield its VMs there for each limit that gives way."""
        for limit in limits:
            if self._lets_off(limit):
                yield self.n[g, t]
                self._charge_risk(limit, g, t)
            else:
                self._add(self.n[g, t] == 0, limit)

    def _lets_off(self, limit: Limit) -> bool:
        by_amount = limit.kind is LimitKind.MAX_RISK_INCREASE
        return limit == self.giving and (by_amount or self._slack_kind == "vms")

    def _charge_risk(self, limit: Limit, g: int, t: int) -> None:
        """Add ``slack >= increase[v, t] * n[g, t]``; each VM is a group of its own here."""
        if limit.kind is LimitKind.MAX_RISK_INCREASE:
            v = self.first_of(g)
            increase = self.instance.risk[v, t] - self.instance.risk[v, self.instance.today[v]]
            self.model.add(self._slack >= round(float(increase) * RISK_SCALE) * self.n[g, t])

    def _add_caps(self) -> None:
        """Keep every cap: ``sum of n[g, t] over (g, t) in r <= cap[r]``."""
        terms: dict[int, list[cp_model.IntVar]] = {}
        most: dict[int, dict[int, int]] = {}
        for (g, t), n in self.n.items():
            touched = self.instance.touched[self.instance.vm_class[self.first_of(g)], t]
            for r in touched[self._row_kept[touched]].tolist():
                terms.setdefault(r, []).append(n)
                most.setdefault(r, {})[g] = self.size[g]
        for r, members in terms.items():
            cap, limit = int(self.instance.rows.cap[r]), self.limits.row_limit[r]
            if sum(most[r].values()) > cap:
                self._add(sum(members) <= cap + self._gives(limit), limit)

    def _add_gates(self) -> None:
        """Keep VMs behind opposing gates from options that clash: ``not (stands[h, t] and stands[h', u])``."""
        gates = self.instance.gates
        stands = {h: self._stands(groups) for h, groups in self._groups_behind().items()}
        for h, mine in stands.items():
            for entry in range(int(gates.gate_begin[h]), int(gates.gate_begin[h + 1])):
                other = int(gates.opponent[entry])
                if other >= h and other in stands:  # opposing gates list each other, so each pair comes twice
                    clash = np.argwhere(gates.clashes[gates.clash[entry]])
                    self._exclude(mine, stands[other], clash, self.limits.gate_limit[h])

    def _exclude(
        self, mine: dict[int, cp_model.IntVar], theirs: dict[int, cp_model.IntVar], clash: IntArray, limit: Limit
    ) -> None:
        """Let VMs not be at two options that clash, because of a limit."""
        literal = self._literal.get(limit)
        for t, u in clash.tolist():
            if t in mine and u in theirs:
                clause = [~mine[t], ~theirs[u]]
                self.model.add_bool_or(clause if literal is None else [*clause, ~literal])

    def _groups_behind(self) -> dict[int, list[int]]:
        """Kept gate -> groups behind it."""
        gates = self.instance.gates
        behind: dict[int, list[int]] = {}
        for g in range(len(self.size) if self._gates else 0):
            v = self.first_of(g)
            for h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]].tolist():
                if h in self._gates:
                    behind.setdefault(h, []).append(g)
        return behind

    def _stands(self, groups: Iterable[int]) -> dict[int, cp_model.IntVar]:
        """Whether any VM of some groups is at an option: ``n[g, t] <= size[g] * stands[t]`` for each group."""
        stands: dict[int, cp_model.IntVar] = {}
        for g, t in itertools.product(groups, range(NUM_OPTIONS)):
            if (g, t) in self.n:
                if t not in stands:
                    stands[t] = self.model.new_bool_var("")
                self.model.add(self.n[g, t] <= self.size[g] * stands[t])
        return stands

    def _add_moves(self) -> None:
        """Keep the limit on moves: ``sum of n[g, t] over t != today <= max_moves``, or ``<= slack``."""
        limit, today, most = self.limits.moves, self.instance.today, self.instance.max_moves
        moving = [n for (g, t), n in self.n.items() if t != today[self.first_of(g)]]
        if most is not None:
            self._add(sum(moving) <= (self._slack if limit == self.giving else most), limit)

    def _add_policies(self) -> None:
        """Count the policies that have to be created or edited, and keep their limits.

        Places: ``unknown[k, t] + sum of n[g, t] over g in k``
        ``<= vms_per_existing_policy * existing[k, t] + vms_per_new_policy * writes[k, t]``.
        Write limits: ``sum of writes over the keys of a write limit <= limit``.
        Each vault: ``sum of writes - sum of edits <= room``.
        """
        instance, per_policy = self.instance, self.instance.vms_per_new_policy
        cells: dict[tuple[int, int], list[cp_model.IntVar]] = {}
        for (g, t), n in self.n.items():
            v = self.first_of(g)
            if instance.counted(v, t):
                cells.setdefault((int(instance.key[v]), t), []).append(n)
        most = {(k, t): -(-(int(instance.unknown[k, t]) + len(self.vms)) // per_policy) for k, t in cells}
        for (k, t), members in cells.items():
            self.writes[k, t] = self.model.new_int_var(0, most[k, t], "")
            held = int(instance.unknown[k, t]) + sum(members)
            room = instance.vms_per_existing_policy * int(instance.existing[k, t])
            self.model.add(held <= room + per_policy * self.writes[k, t])
        for limit, write_limit in self.limits.write_limits.items():
            if limit in self.kept:
                counted = [w for (k, _), w in self.writes.items() if k in write_limit.keys]
                self._add(sum(counted) <= write_limit.limit + self._gives(limit), limit)
        if self.limits.policies in self.kept:
            self._keep_room(cells, most)

    def _keep_room(
        self, cells: dict[tuple[int, int], list[cp_model.IntVar]], most: dict[tuple[int, int], int]
    ) -> None:
        """Keep the limit on the policies of each vault that could exceed it with the most writes at each cell."""
        limit = self.limits.policies
        for vault, room in enumerate(self.instance.vault_room.tolist()):
            mine = {cell: w for cell, w in self.writes.items() if self.instance.key_vault[cell[0]] == vault}
            if sum(most[cell] for cell in mine) > room:
                edits = self._add_edits(mine, cells)
                self._add(sum(mine.values()) <= room + sum(edits) + self._gives(limit), limit)

    def _add_edits(
        self, writes: dict[tuple[int, int], cp_model.IntVar], cells: dict[tuple[int, int], list[cp_model.IntVar]]
    ) -> list[cp_model.IntVar]:
        """Add the edits that can replace creations in one vault: all VMs of the policy go to the same new start.

        A start that policies leave may need other policies, new or edited, as any other start may.
        """
        policies = self.instance.policies
        by_target: dict[tuple[int, int], list[cp_model.IntVar]] = {}
        by_source: dict[tuple[int, int], list[cp_model.IntVar]] = {}
        groups = self._groups_of_policies()
        editable = [p for p, policy in enumerate(policies) if policy.editable or policy.editable_unpinned]
        for p, (k, t) in itertools.product(editable, writes):
            mine = groups.get(p, ())
            if k != policies[p].key or t == policies[p].option or any((g, t) not in self.n for g in mine):
                continue
            edit = self.edits[p, t] = self.model.new_bool_var("")
            for g in mine:
                self.model.add(self.n[g, t] >= self.size[g] * edit)
            by_target.setdefault((k, t), []).append(edit)
            by_source.setdefault((k, policies[p].option), []).append(edit)
        for cell, edits in by_target.items():
            self.model.add(sum(edits) <= writes[cell])
        for cell, edits in by_source.items():
            self._keep_places(cell, cells.get(cell, []), edits, writes.get(cell, 0))
        return [edit for edits in by_target.values() for edit in edits]

    def _groups_of_policies(self) -> dict[int, list[int]]:
        """Policy -> groups of its VMs in the model."""
        policy = self.policy_of[self.vms]
        return {p: np.unique(self.group_of[policy == p]).tolist() for p in np.unique(policy).tolist() if p >= 0}

    def _keep_places(
        self,
        cell: tuple[int, int],
        members: Sequence[cp_model.IntVar],
        edits: Sequence[cp_model.IntVar],
        written: cp_model.IntVar | int,
    ) -> None:
        """Keep the places at a start that policies leave because they are edited."""
        instance = self.instance
        held = int(instance.unknown[cell]) + sum(members)
        room = instance.vms_per_existing_policy * (int(instance.existing[cell]) - sum(edits))
        self.model.add(held <= room + instance.vms_per_new_policy * written)

    @property
    def num_constraints(self) -> int:
        """Number of constraints, as a measure of the model's size."""
        return len(self.model.proto.constraints)

    def value(self, expression: cp_model.LinearExprT) -> int:
        """Value of an expression in the last solution."""
        assert self._solver is not None
        return int(self._solver.value(expression))

    def solve(self, deterministic_time: float, time_limit_seconds: float | None = None) -> CountingAnswer:
        """Run CP-SAT; the result is repeatable unless the wall-clock limit ends the run."""
        if self.too_large:
            return CountingAnswer(SolveStatus.UNKNOWN)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.catch_sigint_signal = False
        solver.parameters.max_deterministic_time = deterministic_time
        if time_limit_seconds is not None:
            solver.parameters.max_time_in_seconds = max(0.01, time_limit_seconds)
        status = solver.solve(self.model)
        work = float(solver.response_proto.deterministic_time)
        if status == cp_model.INFEASIBLE:
            return CountingAnswer(SolveStatus.INFEASIBLE, core=self._core(solver), work=work)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return CountingAnswer(SolveStatus.UNKNOWN, work=work)
        self._solver = solver
        outcome = SolveStatus.OPTIMAL if status == cp_model.OPTIMAL else SolveStatus.FEASIBLE
        return CountingAnswer(outcome, self._options(solver), None, self._slack_of(solver), work)

    def _core(self, solver: cp_model.CpSolver) -> frozenset[Limit] | None:
        """Limits that suffice for infeasibility, if the model has assumptions."""
        if not self._literal:
            return None
        blamed = set(solver.sufficient_assumptions_for_infeasibility())
        return frozenset(limit for limit, literal in self._literal.items() if literal.index in blamed)

    def _options(self, solver: cp_model.CpSolver) -> IntArray:
        """Option of each of the model's VMs in a solution."""
        options = np.empty(len(self.vms), dtype=np.int64)
        for g in range(len(self.size)):
            chosen = [(t, solver.value(self.n[g, t])) for t in range(NUM_OPTIONS) if (g, t) in self.n]
            options[self.group_of == g] = np.repeat(*np.array(chosen, dtype=np.int64).T)
        return options

    def _slack_of(self, solver: cp_model.CpSolver) -> float | None:
        """By how much a limit gives way in a solution; None if none may."""
        if self.giving is None:
            return None
        return float(solver.value(self._slack) / (RISK_SCALE if self._gives_in_risk else 1))


def _policy_of_vms(instance: Instance) -> IntArray:
    """Index of the policy of each VM; shape (V,)."""
    policy_of = np.full(instance.num_vms, -1, dtype=np.int64)
    for number, policy in enumerate(instance.policies):
        policy_of[list(policy.vms)] = number
    return policy_of


def stuck(forbidden: Bits) -> IntArray:
    """Indices of VMs that have no option left."""
    return np.flatnonzero(forbidden == EVERY_OPTION)
