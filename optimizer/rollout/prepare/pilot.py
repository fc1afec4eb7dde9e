"""Pilot of a roll-out: VMs that move first, before the others follow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence

from optimizer.errors import ApplyError
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.writes.admission import Admission
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write


def limits_with_pilot(selection: Selection, baseline: Baseline, scope: RunScope) -> RolloutLimits:
    """Limits of a roll-out: the workers of its scope and, if the scope asks for one, its pilot.

    Raises
    ------
    ApplyError
        The smallest pilot that can move on its own is larger than the wave.
    """
    pilot: frozenset[ArmId] = frozenset()
    if scope.wave_percent is not None:
        pilot = choose_pilot(selection.writes, baseline, scope.wave_percent, earlier=selection.earlier)
    return RolloutLimits(scope.workers, pilot)


def choose_pilot(
    writes: Sequence[Write], baseline: Baseline, percent: float, *, earlier: Collection[int] = frozenset()
) -> frozenset[ArmId]:
    """Choose the pilot: a share of the VMs that move, taken from one service after the other.

    The writes for the pilot can be made without the writes for other VMs. The pilot is never larger than its share,
    and has at least one VM.

    Parameters
    ----------
    writes
        Writes of the run, in order.
    baseline
        State before the first write, and what every later state must keep.
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
    state = Admission(writes, baseline, earlier)
    wanted = max(1, math.floor(total * percent / 100))
    pilot: set[ArmId] = set()
    waiting, size = _one_service_after_the_other(movers, baseline.inventory), -1
    while size != len(waiting):  # a write that was made may have made way for another one
        size, waiting = len(waiting), _added_in_one_round(pilot, wanted, waiting, state)
    if not pilot:
        raise ApplyError(_too_small(percent, total, [write for write in movers if state.obstacle(write) is None]))
    return frozenset(pilot)


def _added_in_one_round(pilot: set[ArmId], wanted: int, waiting: Sequence[Write], state: Admission) -> list[Write]:
    """Add to the pilot the VMs of every write that can be made and that leaves the pilot small enough.

    Returns
    -------
    list of Write
        The other writes.
    """
    left = []
    for write in waiting:
        if len(pilot) + len(write.vms) <= wanted and state.obstacle(write) is None:
            state.take(write)
            pilot.update(write.vms)
        else:
            left.append(write)
    return left


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
    return [write for _, _, write in sorted(rounds, key=lambda turn: turn[:2])]


def _too_small(percent: float, total: int, first: Sequence[Write]) -> str:
    """Message that states how large a pilot would have to be."""
    least = min((len(write.vms) for write in first), default=total)
    share = math.ceil(100 * least / total)
    advice = f"use --wave {share} or more" if share < 100 else "leave out --wave"
    vms = f"{least} of the {total} VMs" if total > 1 else "the only VM"
    return f"--wave {percent:g} is too small: the smallest pilot that can be moved by itself has {vms}; {advice}"
