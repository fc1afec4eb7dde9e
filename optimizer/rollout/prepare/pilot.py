"""Pilot of a roll-out: VMs that move first, before the others follow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence

from optimizer.errors import ApplyError
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.rollout.writes.admission import Admission
from optimizer.rollout.writes.write import Write


def choose_pilot(
    writes: Sequence[Write],
    inventory: Inventory,
    rules: Rules,
    percent: float,
    *,
    earlier: Collection[int] = frozenset(),
) -> frozenset[ArmId]:
    """Choose the pilot: a share of the VMs that move, taken from one service after the other.

    The writes for the pilot can be made without the writes for other VMs.  The pilot is never larger than its share,
    and has at least one VM.

    Parameters
    ----------
    writes
        Writes of the run, in order.
    inventory, rules
        State before the first write, and constraints that must hold after each write.
    percent
        Share of the pilot in percent, above 0 and below 100.
    earlier
        Numbers of the writes that earlier runs made outside the present selection, which do not count.

    Returns
    -------
    frozenset of str
        VM ids, spelled as in the writes.

    Raises
    ------
    ApplyError
        The smallest pilot that can move on its own is larger than the share.
    """
    movers = [write for write in writes if write.vms and write.number not in earlier]
    total = sum(len(write.vms) for write in movers)
    if not total:
        return frozenset()
    wanted = max(1, math.floor(total * percent / 100))
    state = Admission(writes, inventory, rules, made=earlier)
    pilot: set[ArmId] = set()
    waiting = _one_service_after_the_other(movers, inventory)
    progress = True
    while progress:
        progress, left = False, []
        for write in waiting:
            if len(pilot) + len(write.vms) <= wanted and state.obstacle(write) is None:
                state.take(write)
                pilot.update(write.vms)
                progress = True
            else:
                left.append(write)
        waiting = left
    if not pilot:
        raise ApplyError(_too_small(percent, total, [w for w in movers if state.obstacle(w) is None]))
    return frozenset(pilot)


def _one_service_after_the_other(movers: Sequence[Write], inventory: Inventory) -> list[Write]:
    """Writes in rounds: first the smallest write of each service, then the next one of each service, and so on."""
    by_service: dict[str, list[Write]] = defaultdict(list)
    for write in movers:
        first = inventory.vms[write.vms[0]]
        by_service[first.service or first.id].append(write)
    rounds = [
        (depth, service, write)
        for service, group in by_service.items()
        for depth, write in enumerate(sorted(group, key=lambda write: (len(write.vms), write.number)))
    ]
    return [write for _, _, write in sorted(rounds, key=lambda one: one[:2])]


def _too_small(percent: float, total: int, first: Sequence[Write]) -> str:
    """Message that states how large a pilot would have to be."""
    least = min((len(write.vms) for write in first), default=total)
    share = math.ceil(100 * least / total)
    advice = f"use --wave {share} or more" if share < 100 else "leave out --wave"
    vms = f"{least} of the {total} VMs" if total > 1 else "the only VM"
    return f"--wave {percent:g} is too small: the smallest pilot that can be moved by itself has {vms}; {advice}"
