"""Smallest sets that have an element in common with each of some given sets."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from ortools.sat.python import cp_model

T = TypeVar("T", bound=Hashable)


def smallest_hitting_set(
    universe: Sequence[T],
    to_hit: Collection[AbstractSet[T]],
    not_above: Collection[AbstractSet[T]] = (),
    other_than: Collection[AbstractSet[T]] = (),
) -> frozenset[T] | None:
    """A set with the fewest elements that meets every given set; None if no such set exists.

    Parameters
    ----------
    universe
        Elements, in the order in which ties prefer them.
    to_hit
        Sets with which it must have an element in common.
    not_above
        Sets that it must not contain.
    other_than
        Sets that it must not equal; it may contain them.
    """
    model = cp_model.CpModel()
    chosen = {element: model.new_bool_var("") for element in universe}
    for elements in to_hit:
        model.add_bool_or([chosen[element] for element in universe if element in elements])
    for elements in not_above:
        model.add_bool_or([~chosen[element] for element in universe if element in elements])
    for elements in other_than:
        model.add_bool_or([~chosen[element] if element in elements else chosen[element] for element in universe])
    # One additional element outweighs every preference among sets of the same size.
    weight = len(universe) ** 2 + 1
    model.minimize(sum((weight + rank) * chosen[element] for rank, element in enumerate(universe)))
    return _chosen(model, chosen)


def _chosen(model: cp_model.CpModel, variables: Mapping[T, cp_model.IntVar]) -> frozenset[T] | None:
    """Elements whose variables are 1 at the optimum of a model; None if it has no solution."""
    solver = cp_model.CpSolver()
    solver.parameters.catch_sigint_signal = False  # it would end the process without Python's handling of Ctrl-C
    solver.parameters.num_workers = 1
    if solver.solve(model) != cp_model.OPTIMAL:
        return None
    return frozenset(element for element, variable in variables.items() if solver.boolean_value(variable))
