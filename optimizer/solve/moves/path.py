"""Paths from one schedule to another by the moves that gain most, and back by the moves that lose least.

A policy that is opened for several VMs does not pay off for any of them alone, so VMs of a twin key go together. A
*star* is a start and the VMs whose move there gains most per move, with the policy's price included, as in greedy
facility location (Jain, Mahdian, Markakis, Saberi, Vazirani, Journal of the ACM 50, 2003). On the way back, single VMs
move, or as many as save a policy. The gain of a key usually falls when other VMs move, so the best key so far is
examined first, and only this key is priced again (Minoux, "Accelerated greedy algorithms", 1978).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.solve.moves.tally import Tally
from optimizer.solve.problem.arrays import BLOCKED
from optimizer.solve.problem.instance import Instance

IMPROVEMENT = 1e-9
"""Minimum gain of a change, in at-risk backups per 30 days, so that rounding cannot make the search run in circles."""

ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Mark:
    """A schedule that keeps every limit, at some point of a path.

    Parameters
    ----------
    num_moves, cost
        Number of VMs that are not at today's start, and the objective.
    num_steps
        Number of steps of the path that lead to it.
    """

    num_moves: int
    cost: float
    num_steps: int


@dataclass(slots=True)
class Path:
    """Steps from a schedule, each a VM and its new option, and the schedules passed on the way."""

    start: IntArray
    steps: list[tuple[int, int]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def options(self, mark: Mark) -> IntArray:
        """The schedule at a mark; shape (V,)."""
        options = self.start.copy()
        for v, option in self.steps[: mark.num_steps]:
            options[v] = option
        return options


class Walk:
    """A tally that moves along a path.

    Parameters
    ----------
    instance
        The problem; its ``max_moves`` is ignored.
    options
        Shape (V,): schedule at which the walk begins; it keeps every rule.
    should_stop
        Called from time to time; True ends the walk where it is.
    """

    def __init__(self, instance: Instance, options: IntArray, should_stop: ShouldStop) -> None:
        self.tally = Tally(instance, options)
        self.path = Path(options.copy())
        self._should_stop = should_stop
        movable = np.flatnonzero(instance.movable)
        keys = np.unique(instance.key[movable]).tolist()
        self._members = {k: movable[instance.key[movable] == k] for k in keys}
        self._mark()

    @property
    def num_moves(self) -> int:
        """Number of VMs that are not at today's start."""
        return self.tally.num_moves

    def options(self) -> IntArray:
        """The present schedule; shape (V,)."""
        return self.tally.options.copy()

    def extend(self, most_moves: int) -> None:
        """Make the moves that gain most per move, until there are ``most_moves`` moves or no move gains."""
        self._follow(self._best_star, self._take_star, lambda: self.tally.num_moves < most_moves, most_moves)

    def shrink(self, most_moves: int) -> None:
        """Take back the moves that lose least per move, until ``most_moves`` are left or none can be taken back."""
        self._follow(self._best_return, self._take_return, lambda: self.tally.num_moves > most_moves, most_moves)

    def _follow(
        self,
        best: Callable[[int, int], _Step | None],
        take: Callable[[_Step, int], bool],
        goes_on: Callable[[], bool],
        most_moves: int,
    ) -> None:
        """Take the best step of any key again and again."""
        moved = True
        while moved and goes_on():  # gains of dropped keys may have grown: examine all keys once more at the end
            moved = self._take_steps(best, take, goes_on, most_moves)
            if self._should_stop():
                return

    def _take_steps(
        self,
        best: Callable[[int, int], _Step | None],
        take: Callable[[_Step, int], bool],
        goes_on: Callable[[], bool],
        most_moves: int,
    ) -> bool:
        """Take the best step of any key until no key of the queue has one; return whether any was taken."""
        moved, queue = False, _Queue()
        for k in self._members:
            queue.push(k, best(k, most_moves))
        while queue and goes_on() and not self._should_stop():
            k = queue.pop()
            step = best(k, most_moves)
            if step is None:
                continue
            if queue.has_better_than(step):
                queue.push(k, step)
                continue
            if not take(step, most_moves):
                continue
            moved = True
            self._settle(k)
            self._mark()
            queue.push(k, best(k, most_moves))
        return moved

    def _best_star(self, k: int, most_moves: int) -> _Step | None:
        """Start and VMs of a key with the largest gain per move, with every VM priced as if it moved alone."""
        tally = self.tally
        vms = self._members[k]
        vms = vms[tally.options[vms] == tally.instance.today[vms]]
        if not len(vms):
            return None
        gain = -tally.differences(vms)
        order = np.argsort(-gain, axis=0, kind="stable")
        gain = np.take_along_axis(gain, order, axis=0)
        count = np.arange(1, len(vms) + 1)[:, None]
        useful = (gain > IMPROVEMENT) & (count <= most_moves - tally.num_moves)
        total = np.cumsum(np.where(useful, gain, 0.0), axis=0) - tally.opening_prices(k)
        ratio = np.where(useful, total / count, -np.inf)
        size, option = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        if ratio[size, option] <= IMPROVEMENT:
            return None
        willing = vms[order[useful[:, option], option]]
        return _Step(float(ratio[size, option]), k, willing, int(option))

    def _take_star(self, step: _Step, most_moves: int) -> bool:
        """Move the VMs of a star one at a time, as long as each raises the gain per move; return whether any moved."""
        tally, k, option = self.tally, step.key, step.option
        left, before, taken = step.vms, tally.cost, []
        ratio = -np.inf
        while len(left) and tally.num_moves < most_moves:
            loss = tally.difference(left, np.full(len(left), option))
            best = int(np.argmin(loss))
            gain = -float(loss[best]) - float(tally.opening_prices(k)[option])
            if gain <= max(ratio, -BLOCKED / 2):
                break
            v = int(left[best])
            self._step(v, option)
            taken.append(v)
            ratio = (before - tally.cost) / len(taken)
            left = np.delete(left, best)
        if ratio > IMPROVEMENT:
            return True
        for v in reversed(taken):
            self._step(v, int(tally.instance.today[v]))
        return False

    def _best_return(self, k: int, _most_moves: int) -> _Step | None:
        """VMs of a key whose way back loses least per move: a single VM, or as many as save a policy."""
        tally, instance = self.tally, self.tally.instance
        vms = self._members[k]
        vms = vms[tally.options[vms] != instance.today[vms]]
        if not len(vms):
            return None
        here, today = tally.options[vms], instance.today[vms]
        opening = np.where(instance.counted(vms, today), tally.opening_prices(k)[today], 0.0)
        loss = tally.difference(vms, today) + opening
        to_close = tally.leaving_to_close(k)
        steps: list[_Step] = []
        for option in np.unique(here).tolist():
            mine = np.flatnonzero(here == option)
            mine = mine[np.argsort(loss[mine], kind="stable")]
            sizes = [size for size in {1, int(to_close[option])} - {0} if size <= len(mine)]
            for size in sizes:
                spared = instance.policy_write_price if size == to_close[option] else 0.0
                ratio = (float(loss[mine[:size]].sum()) - spared) / size
                if ratio < BLOCKED / 2 / size:
                    steps.append(_Step(-ratio, k, vms[mine[:size]], option))
        return max(steps, key=lambda step: step.ratio, default=None)

    def _take_return(self, step: _Step, _most_moves: int) -> bool:
        """Move VMs back one at a time, until one would break a limit; return whether any moved."""
        tally, instance = self.tally, self.tally.instance
        for number, v in enumerate(step.vms.tolist()):
            today = int(instance.today[v])
            loss = float(tally.difference(np.array([v]), np.array([today]))[0])
            if instance.counted(v, today):
                loss += float(tally.opening_prices(step.key)[today])
            if loss >= BLOCKED / 2:
                return number > 0
            self._step(v, today)
        return True

    def settle(self) -> None:
        """Move VMs that move anyway to cheaper starts, key by key."""
        for k in self._members:
            self._settle(k)
        self._mark()

    def _settle(self, k: int) -> None:
        tally, instance = self.tally, self.tally.instance
        for _ in range(len(self._members[k])):
            vms = self._members[k]
            vms = vms[tally.options[vms] != instance.today[vms]]
            if not len(vms):
                return
            here = tally.options[vms]
            price = tally.differences(vms) + tally.opening_prices(k)
            price -= np.where(tally.leaving_to_close(k)[here] == 1, instance.policy_write_price, 0.0)[:, None]
            price[np.arange(len(vms)), here] = 0.0
            price[np.arange(len(vms)), instance.today[vms]] = np.inf  # taking a move back is up to shrink()
            row, option = np.unravel_index(int(np.argmin(price)), price.shape)
            if price[row, option] >= -IMPROVEMENT:
                return
            self._step(int(vms[row]), int(option))

    def _step(self, v: int, option: int) -> None:
        self.tally.move(v, option)
        self.path.steps.append((v, option))

    def _mark(self) -> None:
        extra = self.tally.writes_beyond()
        if extra is not None:
            cost = self.tally.cost + self.tally.instance.policy_write_price * extra
            self.path.marks.append(Mark(self.tally.num_moves, cost, len(self.path.steps)))


class _Queue:
    """Keys in the order of their best steps, the largest gain per move first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        return bool(self._heap)

    def push(self, k: int, step: _Step | None) -> None:
        """Add a key with its best step; a key that has no step is left out."""
        if step is not None:
            heapq.heappush(self._heap, (-step.ratio, k))

    def pop(self) -> int:
        """Remove the key with the best step."""
        return heapq.heappop(self._heap)[1]

    def has_better_than(self, step: _Step) -> bool:
        """Whether a key of the queue gains more per move."""
        return bool(self._heap) and step.ratio < -self._heap[0][0] - IMPROVEMENT


@dataclass(frozen=True, slots=True)
class _Step:
    """VMs of a key that go to an option or, on the way back, leave it.

    Parameters
    ----------
    ratio
        Gain per move; on the way back, minus the loss per move.
    key, vms, option
        Twin key, its VMs, and the option that they go to or leave.
    """

    ratio: float
    key: int
    vms: IntArray
    option: int
