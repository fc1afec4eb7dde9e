"""Finds out what it costs to spread a service whose VMs are backed up all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimizer.model.arrays import BoolArray, IntArray
from optimizer.solve.exact.cpsat import ScopedModel, SolveStatus, Subproblem
from optimizer.solve.problem.cost import evaluate, is_feasible, row_counts
from optimizer.solve.problem.instance import Instance, RowKind

WORK = 0.5
"""Default work limit of each question about a service, in deterministic seconds of CP-SAT."""


@dataclass(frozen=True, slots=True)
class Spreading:
    """A schedule that spreads a service while all other VMs stay.

    Parameters
    ----------
    price
        Additional cost compared with the present schedule in risk, working hours, vault peaks, policy writes and
        moves, in at-risk backups per 30 days. The overlaps of the service are left out.
    change
        Change of the whole cost, overlaps included, in at-risk backups per 30 days.
    options
        Shape (V,): the schedule. It keeps every rule and limit that the present one keeps.
    """

    price: float
    change: float
    options: IntArray


@dataclass(frozen=True, slots=True)
class SpreadingAnswer:
    """Cost of spreading a service, if it is possible.

    Parameters
    ----------
    outcome
        OPTIMAL: no cheaper way exists. FEASIBLE: a cheaper way may exist. INFEASIBLE: it is proven that the rules and
        limits leave no way. UNKNOWN: no way was found within the work limit.
    found
        The cheapest way that was found; None if the outcome is INFEASIBLE or UNKNOWN.
    """

    outcome: SolveStatus
    found: Spreading | None = None

    @property
    def is_proven(self) -> bool:
        """Whether no cheaper way exists than the one found, or no way at all."""
        return self.outcome in (SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE)

    @property
    def is_open(self) -> bool:
        """Whether no way was found, although one may exist."""
        return self.outcome is SolveStatus.UNKNOWN


IMPOSSIBLE = SpreadingAnswer(SolveStatus.INFEASIBLE)


@dataclass(frozen=True)
class Service:
    """A service that may be spread in a schedule while all other VMs stay.

    Parameters
    ----------
    instance
        The problem.
    options
        Shape (V,): present start option of each VM.
    members
        VMs of the service, two or more.
    seed
        Random seed of CP-SAT.
    work
        Work limit of each question, in deterministic seconds of CP-SAT.
    """

    instance: Instance
    options: IntArray
    members: IntArray
    seed: int = 0
    work: float = WORK

    def apart(self) -> SpreadingAnswer:
        """Find the cheapest way to start every two VMs at least two hours apart."""
        rows = self._unpriced.rows
        spread = replace(self._unpriced, rows=replace(rows, cap=np.where(self._own_rows, 1, rows.cap)))
        if self._is_stuck or not _may_fit(spread, self._free, self._own_rows):
            return IMPOSSIBLE
        return self._solved(ScopedModel(spread, Subproblem(self._free, self.options)))

    def split(self, taken: BoolArray) -> SpreadingAnswer:
        """Find the cheapest way to start the VMs so that they never all take the same half hour.

        Parameters
        ----------
        taken
            Shape (len(members), 48, num_half_hours): whether each VM takes each half hour at each start.
        """
        if self._is_stuck:
            return IMPOSSIBLE
        return self._solved(self._split_model(self._unpriced, taken))

    def best_split(self, taken: BoolArray, cheapest: Spreading, most: float) -> Spreading:
        """Find a way to split that costs less than ``most`` and has a low cost with overlaps included.

        Parameters
        ----------
        taken
            See :meth:`split`.
        cheapest
            The way that :meth:`split` found; it is returned if no better one is found.
        most
            Price that the result must stay below, in at-risk backups per 30 days.
        """
        better = self._solved(self._split_model(self._kept, taken)).found
        if better is None or better.price >= most or better.change >= cheapest.change:
            return cheapest
        return better

    def ways(self, windows: BoolArray, close: BoolArray, most: float) -> Iterator[Spreading]:
        """Yield ways to spread the service, in the order in which they are to be tried.

        Parameters
        ----------
        windows, close
            Shape (len(members), 48, num_half_hours): half hours that each VM takes at each start, with its whole start
            window, and with the time within which starts are too close.
        most
            Price that a split has to stay below to be worth improving, in at-risk backups per 30 days.
        """
        apart = self.apart().found
        if apart is not None:
            yield apart
        split = self.split(windows).found
        if split is not None:
            yield self.best_split(windows, split, most) if split.price < most else split
            return
        now = close[np.arange(len(close)), self.options[self.members]]
        split = self.split(close).found if now.all(axis=0).any() else None
        if split is not None and split.price < most:
            yield self.best_split(close, split, most)

    def is_cheapest(self, answers: Sequence[SpreadingAnswer]) -> bool:
        """Whether no way can cost less than those found. Three or more VMs that are all apart are also split."""
        needed = answers if len(self.members) == 2 else answers[-1:]
        return all(answer.is_proven for answer in needed)

    @cached_property
    def _own_rows(self) -> BoolArray:
        rows = self.instance.rows
        kinds = np.array([kind is RowKind.SERVICE for kind in rows.kind], dtype=np.bool_)
        return np.asarray(kinds & (rows.group == self.instance.service[self.members[0]]))

    @cached_property
    def _is_stuck(self) -> bool:
        """Whether a VM has no start, or no VM may start elsewhere because other VMs have used up the moves."""
        moved = self.options != self.instance.today
        most = self.instance.max_moves
        used_up = most is not None and int(moved.sum()) >= most and not moved[self.members].any()
        return used_up or not all(self._free.values())

    @cached_property
    def _free(self) -> dict[int, list[int]]:
        return {v: np.flatnonzero(self.instance.allowed[v]).tolist() for v in self.members.tolist()}

    @cached_property
    def _kept(self) -> Instance:
        """The problem with caps raised to the present counts, because today's schedule may exceed them."""
        rows = self.instance.rows
        cap = np.maximum(rows.cap, row_counts(self.instance, self.options))
        return replace(self.instance, rows=replace(rows, cap=cap))

    @cached_property
    def _unpriced(self) -> Instance:
        """The same problem without the price of the service's overlaps."""
        rows = self._kept.rows
        return replace(self._kept, rows=replace(rows, pair_price=np.where(self._own_rows, 0.0, rows.pair_price)))

    def _split_model(self, instance: Instance, taken: BoolArray) -> ScopedModel:
        model = ScopedModel(instance, Subproblem(self._free, self.options))
        reached = np.stack([taken[m, self._free[v]].any(axis=0) for m, v in enumerate(self.members.tolist())])
        columns = np.flatnonzero(reached.all(axis=0))
        if not len(columns):
            return model
        _, first = np.unique(taken[:, :, columns].reshape(-1, len(columns)), axis=1, return_index=True)
        for column in columns[first].tolist():
            taking = [
                model.variables.x[v, t]
                for m, v in enumerate(self.members.tolist())
                for t in self._free[v]
                if taken[m, t, column]
            ]
            model.model.add(sum(taking) <= len(self.members) - 1)
        return model

    def _solved(self, model: ScopedModel) -> SpreadingAnswer:
        # The whole linear relaxation proves these small models with half of the time.
        solved = model.solve_without_rings(self.work, self.seed, all_linear=True)
        if solved.options is None:
            return SpreadingAnswer(solved.outcome)
        if is_feasible(self.instance, self.options) and not is_feasible(self.instance, solved.options):
            return SpreadingAnswer(SolveStatus.UNKNOWN)
        price, change = (
            evaluate(instance, solved.options).total - evaluate(instance, self.options).total
            for instance in (self._unpriced, self.instance)
        )
        return SpreadingAnswer(solved.outcome, Spreading(price, change, solved.options))


def _may_fit(instance: Instance, free: dict[int, list[int]], own: BoolArray) -> bool:
    """Whether there are enough half hours for the VMs, by counting; gives a quick "no" for large services."""
    weight = np.append(np.where(own, instance.rows.weight, 0.0), 0.0)
    reached = np.zeros(len(weight), dtype=np.bool_)
    needed = 0.0
    for v, allowed in free.items():
        touched = instance.touched[instance.vm_class[v], allowed]
        needed += float(weight[touched].sum(axis=1).min())
        reached[touched.ravel()] = True
    return needed <= float(weight[reached].sum()) + 1e-9
