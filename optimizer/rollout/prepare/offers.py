"""Parts of a stale plan or rollback that can still be carried out, with the commands for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of
from optimizer.rollout.prepare.freshness import Freshness, relied_on
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.vm_filter import VmFilter, as_words
from optimizer.rollout.writes.write import Write

_OFFERED = 50
"""Maximum number of VMs in the command that a message offers; the next run offers the next ones."""

Command = Callable[..., str]
"""Builds the command from the selectors; with ``resume=True``, the command continues with a journal."""

Choose = Callable[[Sequence[VmFilter]], Sequence[Write]]
"""Returns the writes that a run with these selectors would still make; empty if the run would be refused."""


def offers_of_vaults(freshness: Freshness, scope: RunScope, command: Command, *, resume: bool) -> Iterator[str]:
    """Offer the vaults that can still be written.

    Parameters
    ----------
    freshness
        Changes, and vaults that cannot be read.
    scope
        Selection of the run, which the offered command keeps.
    command
        Builder of the command.
    resume
        Whether the run has a journal.
    """
    if freshness.holds:
        everywhere = [*freshness.holds, *freshness.broken, *freshness.unreadable]
        names = ", ".join(vault_id.name for vault_id in freshness.holds)
        only = [VmFilter("vault", name) for name in _selectors(freshness.holds, everywhere)]
        words = (*as_words(only), *scope.words(besides="vault"))
        what = "vault" if len(freshness.holds) == 1 else "vaults"
        yield f"the part for {what} {names} can still be carried out:\n    {command(*words, resume=resume)}"


def offers_of_vms(
    freshness: Freshness,
    to_do: Sequence[Write],
    expected: EstateDocument,
    scope: RunScope,
    command: Command,
    choose: Choose,
    *,
    resume: bool,
) -> Iterator[str]:
    """Offer the VMs of changed vaults that do not depend on the changes.

    Parameters
    ----------
    freshness, scope, command, resume
        See :func:`offers_of_vaults`.
    to_do
        Writes of the run that are still to be made.
    expected
        Estate as the run should find it.
    choose
        Returns what a run with the offered selectors would write.  Only those writes are offered.
    """
    held = _unaffected(freshness, to_do, expected)
    if not held:
        return
    named = unique_names(expected)
    others = [one for one in scope.only if one.kind != "vm"]

    def selectors(writes: Iterable[Write]) -> list[VmFilter]:
        return [VmFilter("vm", named.get(vm, vm)) for vm in _vms_of(writes)]

    chosen = choose([*selectors(_first(held)), *others])
    if not chosen or _relies_on_change(freshness, chosen, expected):
        return
    count, left = len(_vms_of(chosen)), len(_vms_of(held)) - len(_vms_of(_first(held)))
    line = command(*as_words(selectors(chosen)), *scope.words(besides="vm"), resume=resume or bool(freshness.holds))
    vms, verb = ("1 VM", "does") if count == 1 else (f"{count} VMs", "do")
    vaults = ", ".join(vault_id.name for vault_id in freshness.broken)
    more = f" ({left} more can follow: run it again with --only 'vm=*' afterwards)" if left else ""
    yield f"{vms} of {vaults} {verb} not depend on these changes and can still be moved{more}:\n    {line}"


def _unaffected(freshness: Freshness, to_do: Sequence[Write], expected: EstateDocument) -> list[Write]:
    """Writes that move VMs in changed vaults; neither they nor the writes they need rely on a changed object."""
    lost: set[int] = set()
    size = -1
    while size != len(lost):  # repeat: a write may come before a write that it needs
        size = len(lost)
        for write in to_do:
            if write.number not in lost and (
                lost.intersection(write.needs) or _relies_on_change(freshness, [write], expected)
            ):
                lost.add(write.number)
    return [write for write in to_do if write.vms and write.number not in lost and write.vault_id in freshness.broken]


def _relies_on_change(freshness: Freshness, writes: Sequence[Write], expected: EstateDocument) -> bool:
    return not freshness.changed.isdisjoint(relied_on(expected, writes))


def _first(writes: Sequence[Write]) -> list[Write]:
    """The writes that one command names, but at least one; VMs of one policy stay together."""
    found: list[Write] = []
    for write in writes:
        if found and len(_vms_of([*found, write])) > _OFFERED:
            break
        found.append(write)
    return found


def _vms_of(writes: Iterable[Write]) -> list[ArmId]:
    return list(dict.fromkeys(vm for write in writes for vm in write.vms))


def unique_names(document: EstateDocument) -> dict[ArmId, str]:
    """Names that select only one VM, by VM id: ``--only vm=NAME`` selects all VMs of that name."""
    ids = dict.fromkeys(map(id_of, document.vms))
    names = Counter(Caseless(vm_id.name) for vm_id in ids)
    return {vm_id: vm_id.name for vm_id in ids if names[Caseless(vm_id.name)] == 1}


def _selectors(vault_ids: Iterable[ArmId], everywhere: Sequence[ArmId]) -> list[str]:
    """Values of ``--only vault=``: the name of each vault, or its ARM id if another vault has the same name."""
    names = Counter(Caseless(vault_id.name) for vault_id in everywhere)
    return [vault.name if names[Caseless(vault.name)] == 1 else vault for vault in vault_ids]
