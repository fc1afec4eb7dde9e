"""Selection of a part of a plan: writes for some vaults, services or VMs, and up to a maximum number of VMs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import heapify, heappop, heappush

from optimizer.documents import PlanDocument
from optimizer.errors import ApplyError
from optimizer.model.caseless import Caseless
from optimizer.rollout.prepare.vm_filter import VmFilter, as_words, is_meant, num_meant
from optimizer.rollout.writes.admission import Admission, is_in_order
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.listing import NAMED, count_of, first_few
from optimizer.rollout.writes.transition import Key
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True, slots=True)
class Selection:
    """Writes that a run covers.

    Parameters
    ----------
    writes
        Writes that earlier runs made and writes that this run is to make. Their order is the plan's, unless they
        cannot be made in that order.
    left_out
        Remarks on selected VMs that cannot be moved without others.
    earlier
        Numbers of the writes that earlier runs made outside the present selection.
    begun
        Writes outside the present selection that earlier runs began and that may still take effect. They are part of
        the state. The run looks at them, but never sends them.
    """

    writes: tuple[Write, ...]
    left_out: tuple[str, ...] = ()
    earlier: frozenset[int] = frozenset()
    begun: tuple[Write, ...] = ()


def select_writes(
    writes: Sequence[Write],
    plan: PlanDocument,
    baseline: Baseline,
    *,
    only: Sequence[VmFilter] = (),
    max_moves: int | None = None,
    made: Collection[int] = frozenset(),
    begun: Collection[int] = frozenset(),
) -> Selection:
    """Choose a part of the writes that can be carried out on its own.

    VMs whose risk falls most are chosen first. A write is chosen only with everything that must happen before it: a
    new policy is created, another VM leaves a full policy, or a window under a cap becomes free. VMs outside the
    selection are not touched, so a policy is edited only if all its VMs are selected. Every VM that moves counts
    toward ``max_moves``, including VMs that earlier runs moved or may have moved.

    Parameters
    ----------
    writes, plan
        All writes, and their plan.
    baseline
        State before the first write, and what every later state must keep.
    only
        Filters for the VMs that may move. A VM must match a filter of each kind that is given. By default, all VMs.
    max_moves
        Maximum number of VMs that move. By default, there is no maximum.
    made
        Numbers of the writes that earlier runs made.
    begun
        Numbers of the writes that are not known to be made, but may have taken effect or may still take effect.

    Raises
    ------
    ApplyError
        No part of the plan matches, or no part can be carried out on its own; the message states what it would take.
    """
    if not only and max_moves is None:
        return Selection(tuple(writes))
    chooser = _Chooser(writes, plan, baseline, only, frozenset(made), frozenset(begun) - frozenset(made))
    chooser.choose(max_moves)
    before = tuple(write for write in writes if write.number in made)
    outside = frozenset(write.number for write in before if not is_meant(write, baseline.inventory, only))
    if writes and not chooser.picked and len(outside) == len(before):
        raise ApplyError(chooser.why_nothing(max_moves))
    return Selection(
        (*before, *chooser.in_order()), tuple(chooser.remarks(max_moves)), outside, tuple(chooser.only_begun())
    )


_Ranked = tuple[float, int, Write]
"""A write with its rank: the fall in risk per VM, negative so that the largest comes first, then its number."""


class _Chooser:
    """Chooser that picks writes one by one; each write must fit the state that the earlier ones leave."""

    def __init__(
        self,
        writes: Sequence[Write],
        plan: PlanDocument,
        baseline: Baseline,
        only: Sequence[VmFilter],
        made: frozenset[int],
        begun: frozenset[int],
    ) -> None:
        self._writes, self._plan, self._baseline, self._only = writes, plan, baseline, only
        self._inventory = baseline.inventory
        self._made, self._begun = made, begun
        self._state = Admission(writes, baseline, made)
        self._stuck: dict[Key, list[_Ranked]] = {}
        self._too_large: list[Write] = []
        self._partly: list[str] = []
        self._moved = len({vm for write in writes if write.number in made | begun for vm in write.vms})

    @property
    def picked(self) -> Sequence[Write]:
        """The writes that were picked so far."""
        return self._state.picked

    def choose(self, max_moves: int | None) -> None:
        """Pick as many writes as the state and the maximum admit, in descending order of the fall in risk."""
        queue = self._ranked()
        heapify(queue)
        while queue:
            for freed in self._try(heappop(queue), max_moves):
                heappush(queue, freed)
        for write in self._writes:
            if write.kind == "delete_policy" and write.number not in self._made and self._may_delete(write):
                self._state.take(write)

    def _ranked(self) -> list[_Ranked]:
        """Writes that move selected VMs only, each with its rank."""
        gains = {entry.vm: entry.risk_today - entry.risk for entry in self._plan.schedule}
        ranked = []
        for write in self._writes:
            if not write.vms or write.number in self._made:
                continue
            inside = num_meant(write, self._inventory, self._only)
            if inside == len(write.vms):
                gain = sum(gains.get(vm, 0.0) for vm in write.vms) / len(write.vms)
                ranked.append((-gain, write.number, write))
            elif inside:
                self._partly.append(_partly(write, inside))
        return ranked

    def _try(self, candidate: _Ranked, max_moves: int | None) -> Sequence[_Ranked]:
        """Pick a write if the state and the maximum admit it; returns the writes for which it makes way."""
        write = candidate[2]
        if obstacle := self._state.obstacle(write):
            self._stuck.setdefault(obstacle.key, []).append(candidate)
            return ()
        if max_moves is not None and self._moved + self._num_more(write) > max_moves:
            self._too_large.append(write)
            return ()
        self._moved += self._num_more(write)
        return [freed for key in self._state.take(write) for freed in self._stuck.pop(key, ())]

    def _num_more(self, write: Write) -> int:
        """Number of VMs that a write adds to the VMs that moved or may have moved."""
        return 0 if write.number in self._begun else len(write.vms)

    def only_begun(self) -> list[Write]:
        """Writes that may still take effect and were not picked."""
        picked = {write.number for write in self.picked}
        return [write for write in self._writes if write.number in self._begun - picked]

    def in_order(self) -> Sequence[Write]:
        """The picked writes in the order of the plan or, if that is impossible, in the order of the picks."""
        numbers = {write.number for write in self.picked}
        as_planned = [write for write in self._writes if write.number in numbers]
        return as_planned if is_in_order(as_planned, self._writes, self._baseline, self._made) else self.picked

    def why_nothing(self, max_moves: int | None) -> str:
        """Explain why no write was picked and what it would take."""
        if self._too_large:
            least = min(len(write.vms) for write in self._too_large)
            before = f"earlier runs moved {self._moved_before()}, and " if self._moved else ""
            return (
                f"--max-moves {max_moves} is too small: {before}the smallest part that can be carried out moves "
                f"{count_of(least, 'VM')}{' more' if before else ''}; use --max-moves {self._moved + least} or more"
            )
        if stuck := self._left_stuck():
            reasons = "; ".join(self._why_stuck(write) for write in stuck[:NAMED])
            more = f"; and {len(stuck) - NAMED} more" if len(stuck) > NAMED else ""
            return f"the selected VMs cannot move without others: {reasons}{more}; add those VMs to --only"
        if self._partly:
            return f"{'; '.join(self._partly[:NAMED])}; select all VMs of the policy with --only"
        return f"{self._given()} matches no VM that the plan moves{self._alike()}; 'report PLAN' lists them"

    def _given(self) -> str:
        return " ".join(as_words(self._only))

    def _alike(self) -> str:
        """Names in the plan that are similar to those in the selectors."""
        alike = []
        for vms in self._only:
            near = get_close_matches(Caseless(vms.pattern).key, self._names(vms.kind), NAMED)
            alike += [f"{vms.kind}={name}" for name in near]
        return f"; did you mean {' or '.join(alike)}?" if alike else ""

    def _names(self, kind: str) -> list[str]:
        """Names of one kind for everything that the plan moves, in lower case because selectors ignore case."""
        if kind == "vault":
            names = {self._inventory.vaults[write.vault_id].name for write in self._writes}
        else:
            vms = [self._inventory.vms[vm] for write in self._writes for vm in write.vms]
            names = {vm.name if kind == "vm" else vm.service or vm.name for vm in vms}
        return sorted({Caseless(name).key for name in names})

    def remarks(self, max_moves: int | None) -> list[str]:
        """Selected writes that are not part of the run, with the reasons."""
        remarks = [f"{reason}: it stays as it is" for reason in self._partly]
        if stuck := self._left_stuck():
            num_vms = sum(len(write.vms) for write in stuck)
            verb = "is" if num_vms == 1 else "are"
            remarks.append(
                f"{count_of(num_vms, 'VM')} {verb} left out because others would have to move first: "
                f"{self._why_stuck(stuck[0])}"
            )
        if self._too_large and not self.picked:
            remarks.append(f"--max-moves {max_moves} is used up: earlier runs moved {self._moved_before()}")
        return remarks

    def _moved_before(self) -> str:
        """Phrase with the number of VMs that earlier runs moved, and with the VMs for which that is not known."""
        begun = [write.name for write in self.only_begun() if write.vms]
        if not begun:
            return count_of(self._moved, "VM")
        look = f"--resume --only vm={begun[0]}"
        unknown = f"the outcome of {first_few(begun)} is not known yet: {look} looks it up"
        return f"or may have moved {count_of(self._moved, 'VM')} ({unknown})"

    def _may_delete(self, write: Write) -> bool:
        """Whether a policy can be deleted: the picked writes leave it empty, or its whole vault is selected."""
        is_ours = bool(write.needs) or is_meant(write, self._inventory, self._only)
        return is_ours and self._state.has_taken(write.needs) and self._state.obstacle(write) is None

    def _left_stuck(self) -> list[Write]:
        stuck = (write for group in self._stuck.values() for _, _, write in group)
        return sorted(stuck, key=lambda write: write.number)

    def _why_stuck(self, write: Write) -> str:
        """Reason why a write waits, and the VMs that the plan moves to make way for it."""
        obstacle = self._state.obstacle(write)
        if obstacle is None:  # the last pick removed the obstacle, and used up --max-moves
            return write.name
        vms = [vm.name for other in self._writes if _makes_way(other, obstacle.key) for vm in other.vms]
        first = f"; the plan first moves {first_few(vms)}" if vms else ""
        return f"{write.name}: {obstacle.text}{first}"


def _partly(write: Write, inside: int) -> str:
    verb = "is" if inside == 1 else "are"
    vms = count_of(len(write.vms), "VM")
    return f"policy {write.name} is edited for all its {vms}, but only {inside} {verb} selected"


def _makes_way(write: Write, key: Key) -> bool:
    """Whether a write may remove an obstacle."""
    if key[0] == "write":
        return write.number == key[1]
    return key[0] == "policy" and key[1] in {write.policy_before, write.object_id}
