"""Baseline of a roll-out: the state before the first write, and the limits that every later state must keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.rollout.writes.transition import Transition
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True)
class Baseline:
    """State before the first write, and the limits that every later state must keep.

    Parameters
    ----------
    inventory
        State before the first write. What it breaks may stay broken.
    rules
        Constraints that must hold after each write.
    tolerated
        For a rollback, the state that it leads back to, whose own breaches are tolerated as well; see
        :class:`~optimizer.rollout.writes.transition.Transition`.
    """

    inventory: Inventory
    rules: Rules
    tolerated: Inventory | None = None

    def transition(self, made: Iterable[Write] = ()) -> Transition:
        """State after the given writes, from which the next ones can be judged."""
        state = Transition(self.inventory, self.rules, tolerated=self.tolerated)
        for write in made:
            state.make(write)
        return state
