"""Differences between two estates, apart from what the service writes by itself."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource
from optimizer.rollout.writes.states import item_state, policy_state


def compare_estates(
    wanted: EstateDocument, found: EstateDocument, besides: set[ArmId] | frozenset[ArmId] = frozenset()
) -> tuple[str, ...]:
    """Differences between the policies and items of two estates, apart from eTags, counts and the service's stamps.

    Parameters
    ----------
    wanted, found
        Estate as it should be, and as it is.
    besides
        Ids of policies that may exist in addition.
    """
    differences = []
    for what, state, then, now in (
        ("policy", policy_state, wanted.policies, found.policies),
        ("item", item_state, wanted.protected_items, found.protected_items),
    ):
        before, after = _by_id(then), _by_id(now)
        differences += [f"{what} {before[key]['id']} is gone" for key in before.keys() - after.keys()]
        differences += [f"{what} {after[key]['id']} is too much" for key in after.keys() - before.keys() - besides]
        differences += [
            f"{what} {before[key]['id']} differs"
            for key in before.keys() & after.keys()
            if state(properties_of(before[key])) != state(properties_of(after[key]))
        ]
    return tuple(sorted(differences))


def _by_id(resources: tuple[Resource, ...]) -> Mapping[ArmId, Resource]:
    return {id_of(resource): resource for resource in resources if id_of(resource)}
