"""Answers whether some limits can all hold, repeatedly and for large estates, by looking only at VMs that matter.

VMs stay at today's start until a limit is in the way. The VMs concerned are then placed by a model that leaves all
others out. That model is a relaxation, so its "no" is a proof. Its "yes" is checked against everything, and whatever
it breaks brings in further VMs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.breaches import broken_limits
from optimizer.solve.problem.instance import NO_CAP
from optimizer.solve.problem.limits import Bits, Limit, LimitKind, Limits, open_options
from optimizer.solve.why_not.counting_model import CountingAnswer, CountingModel, Slack, stuck
from optimizer.solve.why_not.full_rings import forbid_rings

GLOBAL_KINDS = (LimitKind.MAX_MOVES, LimitKind.POLICIES_PER_VAULT, LimitKind.POLICY_WRITES)
"""Kinds of limits that couple VMs even if these share neither a cap nor a gate."""

PROOF_WORK, SHARE_OF_PROOF = 0.1, 0.2
"""Work limits for the question whether any schedule exists, if a search does not find one easily.

The first is deterministic time, about seconds, per unit of effort; the second is a share of the time limit.
"""

SHARE_PER_QUESTION, SHARE_OF_CORE = 0.1, 0.02
"""Maximum shares of the whole work that one question, and one core, may take."""

MOST_IN_CORE = 100
"""Maximum number of VMs for which CP-SAT computes a core."""

BUILDING = 5e-6
"""Work of building a model, in deterministic time per constraint."""


@dataclass(slots=True)
class Budget:
    """Work that is left.

    Parameters
    ----------
    work
        Work in CP-SAT's deterministic time, about seconds.
    deadline
        Deadline on the clock ``time.monotonic()``, in seconds, or None.
    """

    work: float
    deadline: float | None = None
    whole: float = field(init=False)

    def __post_init__(self) -> None:
        self.whole = self.work

    @property
    def per_question(self) -> float:
        """Maximum work for one question."""
        return SHARE_PER_QUESTION * self.whole

    @contextmanager
    def at_most(self, work: float) -> Iterator[None]:
        """Allow only a part of the remaining work; work that the part does not need remains available."""
        beyond = max(0.0, self.work - work)
        self.work -= beyond
        try:
            yield
        finally:
            self.work += beyond

    @property
    def seconds(self) -> float | None:
        """Wall-clock time that is left, in seconds; None without a deadline."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the work or the time is used up."""
        return self.work <= 0 or (self.deadline is not None and time.monotonic() >= self.deadline)


@dataclass(frozen=True, slots=True)
class FeasibilityAnswer:
    """Answer to whether limits can all hold.

    Parameters
    ----------
    outcome
        FEASIBLE, INFEASIBLE or UNKNOWN.
    options
        Shape (V,): a schedule that keeps them; None without one.
    vms
        Indices of VMs that suffice to show that the limits cannot all hold; empty unless INFEASIBLE.
    """

    outcome: SolveStatus
    options: IntArray | None = None
    vms: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def any_schedule(limits: Limits, search: Search) -> IntArray | SolveStatus:
    """Find any schedule that keeps the limits, or prove that none exists; such a proof is often quick.

    Parameters
    ----------
    limits
        The problem.
    search
        Settings of the search that calls this.

    Returns
    -------
    IntArray or SolveStatus
        A schedule of shape (V,); INFEASIBLE or UNKNOWN if none was found.
    """
    budget = Budget(PROOF_WORK * search.effort, search.share(SHARE_OF_PROOF).deadline())
    answer = Feasibility(limits, budget).check(limits.all)
    return answer.outcome if answer.options is None else answer.options


class Feasibility:
    """Answers whether sets of limits can hold, and remembers what it has shown.

    Parameters
    ----------
    limits
        The problem.
    budget
        Work that may be done.
    """

    def __init__(self, limits: Limits, budget: Budget) -> None:
        self.limits, self.instance, self.budget = limits, limits.instance, budget
        self._can: list[tuple[frozenset[Limit], IntArray]] = []
        self._cannot: dict[frozenset[Limit], IntArray] = {}

    def check(self, kept: Iterable[Limit]) -> FeasibilityAnswer:
        """Whether the kept limits can all hold, without regard to any others."""
        wanted = frozenset(kept)
        for core, vms in self._cannot.items():
            if core <= wanted:
                return FeasibilityAnswer(SolveStatus.INFEASIBLE, vms=vms)
        for holds, options in self._can:
            if wanted <= holds:
                return FeasibilityAnswer(SolveStatus.FEASIBLE, options)
        answer = self._search(wanted)
        if answer.outcome is SolveStatus.INFEASIBLE:
            self._cannot[wanted] = answer.vms
        elif answer.options is not None:
            self._can.append((wanted | self._kept_by(answer.options), answer.options))
        return answer

    def witness(self, options: IntArray) -> None:
        """Remember a schedule, which shows that all limits that it keeps can hold together."""
        self._can.append((self._kept_by(options), options))

    def _kept_by(self, options: IntArray) -> frozenset[Limit]:
        """Limits that a schedule keeps, all at once.

        If its writes have no order within the limit of policies per vault, they are counted without that limit.
        """
        kept = frozenset(self.limits.all)
        for _ in range(2):
            kept -= broken_limits(self.limits, options, kept).keys()
        return kept

    def holding(self, kept: frozenset[Limit]) -> frozenset[Limit]:
        """All limits that hold in the schedule by which ``check`` has shown that the kept ones can hold."""
        return max((holds for holds, _ in self._can if kept <= holds), key=len, default=kept)

    def core(self, kept: frozenset[Limit], vms: IntArray) -> frozenset[Limit]:
        """Reduce limits that cannot all hold for some VMs: to those that concern the VMs, and then to a core.

        The core consists of the assumptions that CP-SAT needed. Assumptions make a model large and hard, so this is
        only tried for few VMs, and briefly.
        """
        blamed = self._touching(kept, vms)
        if len(blamed) < len(kept) and self.check(blamed).outcome is SolveStatus.INFEASIBLE:
            kept = frozenset(blamed)
        if len(vms) > MOST_IN_CORE:
            return kept
        with self.budget.at_most(SHARE_OF_CORE * self.budget.whole):
            core = self._run(lambda: CountingModel(self.limits, blamed, vms, assume=True))[0].core
        return core if core and self.check(core).outcome is SolveStatus.INFEASIBLE else kept

    def _touching(self, kept: Iterable[Limit], vms: IntArray) -> list[Limit]:
        """Limits that concern any of the VMs."""
        limits = self.limits
        row_limits = {limits.row_limit[r] for r in self._capped_rows(vms)}
        gates = self.instance.gates
        behind = {limits.gate_limit[h] for v in vms.tolist() for h in self._gates_of(gates.vm_begin, v)}
        wanted = set(kept)
        return [
            limit
            for limit in limits.all  # not the order of a set, which differs from run to run
            if limit in wanted
            and (
                limit.kind in GLOBAL_KINDS
                or limit in row_limits
                or limit in behind
                or (limit in limits.forbids and bool(limits.forbids[limit][vms].any()))
            )
        ]

    def _gates_of(self, begin: IntArray, v: int) -> list[int]:
        found: list[int] = self.instance.gates.vm_gate[begin[v] : begin[v + 1]].tolist()
        return found

    def _capped_rows(self, vms: IntArray) -> list[int]:
        """Rows with a cap that any of the VMs can touch."""
        touched = np.unique(self.instance.touched[np.unique(self.instance.vm_class[vms])])
        touched = touched[touched < len(self.instance.rows)]
        found: list[int] = touched[self.instance.rows.cap[touched] != NO_CAP].tolist()
        return found

    def _search(self, kept: frozenset[Limit]) -> FeasibilityAnswer:
        limits, instance = self.limits, self.instance
        forbidden = limits.forbidden(kept)
        hopeless = stuck(forbidden)
        if len(hopeless):
            return FeasibilityAnswer(SolveStatus.INFEASIBLE, vms=hopeless)
        homeless = _homeless(forbidden, instance.today)
        most = instance.max_moves if limits.moves in kept else None
        if most is not None and int(homeless.sum()) > most:
            return FeasibilityAnswer(SolveStatus.INFEASIBLE, vms=np.flatnonzero(homeless))
        options = self._anywhere(forbidden, homeless)
        free, placed = homeless, False
        while True:
            broken = broken_limits(limits, options, kept)
            if not broken:
                return FeasibilityAnswer(SolveStatus.FEASIBLE, options)
            wider = np.logical_or.reduce([free, *broken.values()])
            if placed and not (wider & ~free).any():
                # among many policies, another choice of edits than the model's is made
                return FeasibilityAnswer(SolveStatus.UNKNOWN)
            free, placed = wider, True
            answer = self._place(kept, free, forbidden, options)
            if answer.options is None:
                return answer
            options = answer.options

    def _anywhere(self, forbidden: Bits, homeless: BoolArray) -> IntArray:
        """Today's schedule, except that VMs that may not stay go to few starts of their key, found greedily."""
        instance, options = self.instance, self.instance.today.copy()
        waiting = np.flatnonzero(homeless)
        allowed = open_options(forbidden[waiting])
        for k in np.unique(instance.key[waiting]).tolist():
            mine = instance.key[waiting] == k
            while mine.any():
                fits = allowed[mine].sum(axis=0)
                t = int(np.argmax(fits + np.minimum(fits, 1) * len(waiting) * (instance.existing[k] > 0)))
                taken = mine & allowed[:, t]
                options[waiting[taken]] = t
                mine &= ~taken
        return options

    def _place(self, kept: frozenset[Limit], free: BoolArray, forbidden: Bits, options: IntArray) -> FeasibilityAnswer:
        """Place free VMs part by part, and all together if that would break a limit on moves or policies."""
        options = options.copy()
        shared = {limit for limit in kept if limit.kind in GLOBAL_KINDS}
        for part in self.parts(kept, np.flatnonzero(free)):
            answer = self.place_part(kept - shared, part, forbidden)
            if answer.outcome is not SolveStatus.FEASIBLE:
                return answer
            assert answer.options is not None
            options[part] = answer.options
        if not broken_limits(self.limits, options, shared):
            return FeasibilityAnswer(SolveStatus.FEASIBLE, options)
        everybody = np.flatnonzero(free)
        answer = self.place_part(kept, everybody, forbidden)
        if answer.options is not None:
            options[everybody] = answer.options
            return FeasibilityAnswer(SolveStatus.FEASIBLE, options)
        return answer

    def concerned(self, kept: Iterable[Limit]) -> IntArray:
        """Indices of VMs that may not stay at today's start, or that share a cap or a gate with others."""
        limits, wanted = self.limits, set(kept)
        found = _homeless(limits.forbidden(wanted), self.instance.today)
        groups = {int(self.instance.rows.group[r]) for r, limit in limits.row_limit.items() if limit in wanted}
        for group in groups:
            found = found | limits.members(group)
        for limit in wanted.intersection(limits.gate_limit):
            found = found | limits.behind(limit)
        return np.flatnonzero(found)

    def parts(self, kept: Iterable[Limit], vms: IntArray) -> Iterator[IntArray]:
        """Yield the VMs that share caps or gates, part by part; VMs that share none are left out."""
        limits, instance, wanted = self.limits, self.instance, set(kept)
        parent = {v: v for v in vms.tolist()}

        def root(v: int) -> int:
            while parent[v] != v:
                parent[v] = parent[parent[v]]
                v = parent[v]
            return v

        groups = (
            {int(instance.rows.group[r]) for r in self._capped_rows(vms) if limits.row_limit[r] in wanted}
            if len(vms)
            else set()
        )
        coupled = [np.intersect1d(vms, np.flatnonzero(limits.members(group))) for group in sorted(groups)]
        gates_of = dict.fromkeys(limit for limit in limits.gate_limit if limit in wanted)
        coupled += [np.intersect1d(vms, np.flatnonzero(limits.behind(limit))) for limit in gates_of]
        for members in coupled:
            for v in members[1:].tolist():
                parent[root(v)] = root(int(members[0]))
        within = sorted({v for members in coupled for v in members.tolist()})
        by_root: dict[int, list[int]] = {}
        for v in within:
            by_root.setdefault(root(v), []).append(v)
        for part in sorted(by_root.values(), key=len):
            yield np.array(part, dtype=np.int64)

    def place_part(self, kept: Iterable[Limit], part: IntArray, forbidden: Bits) -> FeasibilityAnswer:
        """Place some VMs as if there were no others; the options in the answer are those of the part."""
        touching = self._touching(kept, part)
        if self._too_tight(touching, part, forbidden):
            return FeasibilityAnswer(SolveStatus.INFEASIBLE, vms=part)
        with self.budget.at_most(self.budget.per_question):
            found, model = self._run(lambda: CountingModel(self.limits, touching, part))
            while model is not None and found.options is not None and forbid_rings(model, found.options):
                found, _ = self._run(lambda: model)
        if found.options is not None:
            return FeasibilityAnswer(SolveStatus.FEASIBLE, found.options)
        return FeasibilityAnswer(found.outcome, vms=part if found.outcome is SolveStatus.INFEASIBLE else part[:0])

    def _too_tight(self, kept: Iterable[Limit], part: IntArray, forbidden: Bits) -> bool:
        """Whether some capped group needs more room than its caps leave, by counting.

        The windows of a group take at least ``sum over its VMs of the fewest half hours of any allowed option``, and
        the group has room for ``sum over its half hours of cap``.
        """
        instance, rows, wanted = self.instance, self.instance.rows, set(kept)
        mine = [r for r in self._capped_rows(part) if self.limits.row_limit[r] in wanted]
        allowed = open_options(forbidden[part])
        touched = instance.touched[instance.vm_class[part]]
        for group in np.unique(rows.group[mine]).tolist() if mine else ():
            weight = np.zeros(len(rows) + 1)
            of_group = [r for r in mine if rows.group[r] == group]
            weight[of_group] = rows.weight[of_group]
            taken = weight[touched].sum(axis=2)
            needed = np.where(allowed, taken, np.inf).min(axis=1).sum()
            if needed > float(weight[of_group] @ rows.cap[of_group]) + 1e-9:
                return True
        return False

    def least(self, kept: Iterable[Limit], giving: Limit, how: Slack, vms: IntArray) -> tuple[float, IntArray] | None:
        """By how much a limit has to give way so that some VMs can be placed under the kept ones.

        Returns
        -------
        tuple or None
            The slack, and the indices of VMs at options that the limit forbids; None if no placement was found.
        """
        touching = self._touching({*kept, giving}, vms)
        found, _ = self._run(lambda: CountingModel(self.limits, touching, vms, giving=giving, slack=how))
        if found.outcome is not SolveStatus.OPTIMAL or found.options is None or found.slack is None:
            return None
        bits = self.limits.forbids.get(giving)
        off = vms[:0] if bits is None else vms[(bits[vms] >> found.options.astype(np.uint64) & np.uint64(1)) > 0]
        return found.slack, off

    def _run(self, build: Callable[[], CountingModel]) -> tuple[CountingAnswer, CountingModel | None]:
        """Solve a model; without any work left, the model is not even built."""
        budget = self.budget
        if budget.over:
            return CountingAnswer(SolveStatus.UNKNOWN), None
        model = build()
        # Building a model is also work, and CP-SAT's own clock hardly moves if it stops at once.
        budget.work -= BUILDING * model.num_constraints
        found = model.solve(max(1e-3, min(budget.work, budget.per_question)), budget.seconds)
        budget.work -= found.work
        return found, model


def _homeless(forbidden: Bits, today: IntArray) -> BoolArray:
    """VMs that may not stay at today's start; shape (V,)."""
    return np.asarray(forbidden >> today.astype(np.uint64) & np.uint64(1), dtype=np.bool_)
