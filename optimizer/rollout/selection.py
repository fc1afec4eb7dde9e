"""Part of a plan: some vaults, services or VMs, at most so many moves, a pilot that goes first."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.model.inventory import Inventory, Vm
from optimizer.plan.document import PlanDocument
from optimizer.rollout.errors import ApplyError
from optimizer.rollout.stages import Write

KINDS = ("vault", "service", "vm")


@dataclass(frozen=True, slots=True)
class Selector:
    """VMs that are meant: those of a vault, a service, or by name; names may hold ``*`` and ``?``."""

    kind: str
    pattern: str

    def matches(self, vm: Vm, vault_name: str) -> bool:
        """Whether a VM is meant."""
        values = {"vault": (vault_name,), "service": (vm.service or vm.id,), "vm": (vm.name, vm.id)}[self.kind]
        wanted = self.pattern.lower().replace("[", "[[]")
        return any(fnmatch.fnmatchcase(value.lower(), wanted) for value in values)


def parse_selector(text: str) -> Selector:
    """Selector of a text such as ``vault=weu-01``.

    Raises
    ------
    ApplyError
        The text is none.
    """
    kind, equals, pattern = text.partition("=")
    if not equals or kind not in KINDS or not pattern:
        allowed = ", ".join(f"{name}=NAME" for name in KINDS)
        raise ApplyError(f"--only {text!r} selects nothing; allowed: {allowed}, where NAME may hold * and ?")
    return Selector(kind, pattern)


@dataclass(frozen=True, slots=True)
class Selection:
    """The writes that a run is about.

    Parameters
    ----------
    writes
        Those that are chosen, in the order of the plan.
    left_out
        Remarks on what could not be chosen although a part of it was.
    """

    writes: tuple[Write, ...]
    left_out: tuple[str, ...] = ()


def select_writes(
    writes: Sequence[Write],
    plan: PlanDocument,
    inventory: Inventory,
    *,
    only: Sequence[Selector] = (),
    max_moves: int | None = None,
) -> Selection:
    """Choose writes of a plan.

    An edited policy moves all its VMs: it is chosen only where all of them are.  Policies are created only where a
    chosen VM goes to them.

    Parameters
    ----------
    writes, plan, inventory
        The whole.
    only
        VMs that may move: those that any selector of each kind matches; none given means all.
    max_moves
        VMs that may move at most; the ones that gain most in risk go first.

    Raises
    ------
    ApplyError
        Nothing is left.
    """
    vaults = {entry.vm.lower(): entry.vault for entry in plan.schedule}
    chosen_vms = {
        key
        for write in writes
        for vm in write.vms
        if _is_meant(inventory.vms[key := vm.lower()], vaults.get(key, ""), only)
    }
    movers = [write for write in writes if write.vms]
    notes = []
    chosen = []
    for write in movers:
        inside = [vm for vm in write.vms if vm.lower() in chosen_vms]
        if len(inside) == len(write.vms):
            chosen.append(write)
        elif inside:
            notes.append(
                f"policy {write.name} is edited for all its {len(write.vms)} VMs, of which {len(inside)} are "
                "selected: it is left as it is"
            )
    if max_moves is not None:
        chosen = _best(chosen, plan, max_moves)
    numbers = {write.number for write in chosen}
    needed = {number for write in chosen for number in write.needs} | numbers
    picked = tuple(write for write in writes if write.number in needed)
    complete = tuple(write for write in picked if set(write.needs) <= needed)
    if writes and not complete:
        raise ApplyError("nothing of the plan is selected; look at --only and --max-moves, and at 'report' for names")
    return Selection(complete, tuple(notes))


def _is_meant(vm: Vm, vault: str, only: Sequence[Selector]) -> bool:
    kinds = {selector.kind for selector in only}
    return all(any(s.matches(vm, vault) for s in only if s.kind == kind) for kind in kinds)


def _gain(write: Write, gains: dict[str, float]) -> float:
    return sum(gains[vm.lower()] for vm in write.vms) / len(write.vms)


def _best(writes: Sequence[Write], plan: PlanDocument, max_moves: int) -> list[Write]:
    gains = {entry.vm.lower(): entry.risk_today - entry.risk for entry in plan.schedule}
    taken: set[int] = set()
    room = max_moves
    for write in sorted(writes, key=lambda write: (-_gain(write, gains), write.number)):
        if len(write.vms) <= room:
            taken.add(write.number)
            room -= len(write.vms)
    return [write for write in writes if write.number in taken]


def choose_pilot(writes: Sequence[Write], inventory: Inventory, percent: float) -> frozenset[str]:
    """VMs that go first: a share of those that move, at least one, taken from one service after the other.

    Parameters
    ----------
    writes
        What is to be done.
    inventory
        Tells the services.
    percent
        Share in percent, above 0 and below 100.

    Returns
    -------
    frozenset of str
        VM ids as the writes spell them.
    """
    by_service: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        if write.vms:
            first = inventory.vms[write.vms[0].lower()]
            by_service[first.service or first.id].append(write)
    total = sum(len(write.vms) for group in by_service.values() for write in group)
    wanted = max(1, round(total * percent / 100))
    queues = [
        sorted(group, key=lambda write: (len(write.vms), write.number)) for _, group in sorted(by_service.items())
    ]
    pilot: set[str] = set()
    depth = 0
    while len(pilot) < wanted and any(depth < len(queue) for queue in queues):
        for queue in queues:
            if depth < len(queue) and len(pilot) < wanted:
                pilot.update(queue[depth].vms)
        depth += 1
    return frozenset(pilot)
