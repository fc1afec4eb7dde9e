"""Parts of a stale plan or rollback that can still be carried out, with the commands for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from optimizer.errors import ApplyError
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of
from optimizer.rollout.prepare.freshness import Freshness, relied_on
from optimizer.rollout.prepare.remaining import Remaining, not_done
from optimizer.rollout.prepare.scope import RollbackScope, RunScope
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.prepare.vm_filter import VmFilter, as_words
from optimizer.rollout.writes.write import Write

_OFFERED = 50
"""Maximum number of VMs in the command that a message offers; the next run offers the next ones."""

Command = Callable[..., str]
"""Builds the command from the words of its options; with ``resume=True``, it continues with a journal."""

Select = Callable[..., Selection]
"""Selects writes by the filters in ``only``. Raises an ``ApplyError`` if no write can be selected."""


@dataclass(frozen=True)
class Offers:
    """Suggestions of a message when a plan or a rollback cannot be carried out as a whole.

    Parameters
    ----------
    freshness
        Changes, and vaults that cannot be read.
    scope
        Scope of the run, which the offered command keeps.
    command
        Builder of the command.
    resume
        Whether the run has a journal.
    """

    freshness: Freshness
    scope: RunScope | RollbackScope
    command: Command
    resume: bool

    def of_apply(self, remaining: Remaining, expected: EstateDocument, select: Select) -> Iterator[str]:
        """Offer the vaults that can still be written, then the VMs of changed vaults; see :meth:`of_vms`."""
        yield from self.of_vaults()
        yield from self.of_vms(remaining, expected, select)

    def of_vaults(self) -> Iterator[str]:
        """Offer the vaults that can still be written."""
        holds = self.freshness.holds
        if holds:
            everywhere = [*holds, *self.freshness.broken, *self.freshness.unreadable]
            names = ", ".join(vault_id.name for vault_id in holds)
            only = [VmFilter("vault", name) for name in _vault_names(holds, everywhere)]
            line = self.command(*as_words(only), *self.scope.words(besides="vault"), resume=self.resume)
            what = "vault" if len(holds) == 1 else "vaults"
            yield f"the part for {what} {names} can still be carried out:\n    {line}"

    def of_vms(self, remaining: Remaining, expected: EstateDocument, select: Select) -> Iterator[str]:
        """Offer the VMs of changed vaults that do not depend on the changes.

        Parameters
        ----------
        remaining
            Writes of the run that are still to be made.
        expected
            Estate as the run should find it.
        select
            Selects what a run with the offered filters would write. Only those writes are offered.
        """
        held = self._unaffected(remaining.to_do, expected)
        if not held:
            return
        filters = VmFilters(expected)
        others = [vms for vms in self.scope.only if vms.kind != "vm"]
        chosen = _selected(select, [*filters.of(_first(held)), *others], remaining)
        if not chosen or self._relies_on_change(chosen, expected):
            return
        words = (*as_words(filters.of(chosen)), *self.scope.words(besides="vm"))
        line = self.command(*words, resume=self.resume or bool(self.freshness.holds))
        left = len(_vms_of(held)) - len(_vms_of(_first(held)))
        more = f" ({left} more can follow: run it again with --only 'vm=*' afterwards)" if left else ""
        vaults = ", ".join(vault_id.name for vault_id in self.freshness.broken)
        count = len(_vms_of(chosen))
        vms, verb = ("1 VM", "does") if count == 1 else (f"{count} VMs", "do")
        yield f"{vms} of {vaults} {verb} not depend on these changes and can still be moved{more}:\n    {line}"

    def _unaffected(self, to_do: Sequence[Write], expected: EstateDocument) -> list[Write]:
        """Writes that move VMs in changed vaults; neither they nor the writes they need rely on a changed object."""
        lost = {write.number for write in to_do if self._relies_on_change([write], expected)}
        size = -1
        while size != len(lost):  # repeat: a write may come before a write that it needs
            size = len(lost)
            lost |= {write.number for write in to_do if lost.intersection(write.needs)}
        moves = [write for write in to_do if write.vms and write.vault_id in self.freshness.broken]
        return [write for write in moves if write.number not in lost]

    def _relies_on_change(self, writes: Sequence[Write], expected: EstateDocument) -> bool:
        return not self.freshness.changed.isdisjoint(relied_on(expected, writes))


class VmFilters:
    """Filters that select single VMs of an estate, by name if that is possible.

    Parameters
    ----------
    document
        Estate with the VMs.
    """

    def __init__(self, document: EstateDocument) -> None:
        self._names = unique_names(document)

    def of(self, writes: Iterable[Write]) -> list[VmFilter]:
        """Filters for the VMs of some writes."""
        return [VmFilter("vm", self._names.get(vm, vm)) for vm in _vms_of(writes)]


def _selected(select: Select, only: Sequence[VmFilter], remaining: Remaining) -> Sequence[Write]:
    """Writes that a run with these filters would still make; empty if the run would be refused."""
    try:
        return not_done(select(only=only).writes, remaining.state)
    except ApplyError:
        return ()


def _first(writes: Sequence[Write]) -> list[Write]:
    """The writes that one command names, but at least one; VMs of one policy stay together."""
    first: list[Write] = []
    for write in writes:
        if first and len(_vms_of([*first, write])) > _OFFERED:
            break
        first.append(write)
    return first


def _vms_of(writes: Iterable[Write]) -> list[ArmId]:
    return list(dict.fromkeys(vm for write in writes for vm in write.vms))


def unique_names(document: EstateDocument) -> dict[ArmId, str]:
    """Names that select only one VM, by VM id: ``--only vm=NAME`` selects all VMs of that name."""
    ids = dict.fromkeys(map(id_of, document.vms))
    names = Counter(Caseless(vm_id.name) for vm_id in ids)
    return {vm_id: vm_id.name for vm_id in ids if names[Caseless(vm_id.name)] == 1}


def _vault_names(vault_ids: Iterable[ArmId], everywhere: Sequence[ArmId]) -> list[str]:
    """Values of ``--only vault=``: the name of each vault, or its ARM id if another vault has the same name."""
    names = Counter(Caseless(vault_id.name) for vault_id in everywhere)
    return [vault.name if names[Caseless(vault.name)] == 1 else vault for vault in vault_ids]
