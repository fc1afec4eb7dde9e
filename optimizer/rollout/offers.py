"""What of a stale plan or rollback can still be carried out, and the commands for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from optimizer.estate.document import EstateDocument
from optimizer.rollout.freshness import Freshness, relied_on
from optimizer.rollout.prepared import Scope
from optimizer.rollout.selection import Selector
from optimizer.rollout.stages import Write

_OFFERED = 50
"""Maximum number of VMs in the command that a message offers; the next run offers the next ones."""

Command = Callable[..., str]
"""Makes the command from what it selects; with ``resume=True`` it goes on with a journal."""

Choose = Callable[[Sequence[Selector]], Sequence[Write]]
"""The writes that a run with these selectors would still make; none where it would be refused."""


def offers_of_vaults(freshness: Freshness, scope: Scope, command: Command, *, resume: bool) -> Iterator[str]:
    """Offer the vaults that can still be written.

    Parameters
    ----------
    freshness
        What changed, and which vaults cannot be read.
    scope
        What narrows the run; the offered command keeps it.
    command
        Makes the command.
    resume
        Whether the run has a journal.
    """
    if freshness.holds:
        everywhere = [*freshness.holds, *freshness.broken, *freshness.unreadable]
        names = ", ".join(_last(vault_id) for vault_id in freshness.holds)
        only = [Selector("vault", name) for name in _selectors(freshness.holds, everywhere)]
        words = (*as_words(only), *narrowed(scope, besides="vault"))
        what = "vault" if len(freshness.holds) == 1 else "vaults"
        yield f"the part for {what} {names} can still be carried out:\n    {command(*words, resume=resume)}"


def offers_of_vms(
    freshness: Freshness,
    to_do: Sequence[Write],
    expected: EstateDocument,
    scope: Scope,
    command: Command,
    choose: Choose,
    *,
    resume: bool,
) -> Iterator[str]:
    """Offer the VMs of changed vaults that do not depend on the changes.

    Parameters
    ----------
    freshness, scope, command, resume
        As of :func:`offers_of_vaults`.
    to_do
        Writes of the run that are still to be made.
    expected
        The estate as the run should find it.
    choose
        Tells what a run with the offered selectors would do: only what it would do is offered.
    """
    held = _unaffected(freshness, to_do, expected)
    if not held:
        return
    named = unique_names(expected)
    others = [one for one in scope.only if one.kind != "vm"]

    def selectors(writes: Iterable[Write]) -> list[Selector]:
        return [Selector("vm", named.get(vm.lower(), vm)) for vm in _vms_of(writes)]

    chosen = choose([*selectors(_first(held)), *others])
    if not chosen or _relies_on_change(freshness, chosen, expected):
        return
    count, left = len(_vms_of(chosen)), len(_vms_of(held)) - len(_vms_of(_first(held)))
    line = command(
        *as_words(selectors(chosen)), *narrowed(scope, besides="vm"), resume=resume or bool(freshness.holds)
    )
    vms, verb = ("1 VM", "does") if count == 1 else (f"{count} VMs", "do")
    vaults = ", ".join(_last(vault_id) for vault_id in freshness.broken)
    more = f" ({left} more can follow: run it again with --only 'vm=*' afterwards)" if left else ""
    yield f"{vms} of {vaults} {verb} not depend on these changes and can still be moved{more}:\n    {line}"


def as_words(only: Iterable[Selector]) -> list[str]:
    """Selectors as the command line takes them."""
    return [word for one in only for word in ("--only", f"{one.kind}={one.pattern}")]


def narrowed(scope: Scope, *, besides: str = "") -> list[str]:
    """What narrows a run, as the command line takes it, but for one kind of selectors."""
    words = as_words(one for one in scope.only if one.kind != besides)
    words += [] if scope.max_moves is None else ["--max-moves", f"{scope.max_moves}"]
    return words + ([] if scope.wave_percent is None else ["--wave", f"{scope.wave_percent:g}"])


def _unaffected(freshness: Freshness, to_do: Sequence[Write], expected: EstateDocument) -> list[Write]:
    """Writes in changed vaults that move VMs, and that rely on no changed object, nor do the writes that they need."""
    lost: set[int] = set()
    size = -1
    while size != len(lost):  # a need may stand behind the write that has it
        size = len(lost)
        for write in to_do:
            if write.number not in lost and (
                lost.intersection(write.needs) or _relies_on_change(freshness, [write], expected)
            ):
                lost.add(write.number)
    broken = {vault_id.lower() for vault_id in freshness.broken}
    return [write for write in to_do if write.vms and write.number not in lost and write.vault_id.lower() in broken]


def _relies_on_change(freshness: Freshness, writes: Sequence[Write], expected: EstateDocument) -> bool:
    return not freshness.changed.isdisjoint(relied_on(expected, writes))


def _first(writes: Sequence[Write]) -> list[Write]:
    """As many writes as one command names, at least one; a policy's VMs stay together."""
    found: list[Write] = []
    for write in writes:
        if found and len(_vms_of([*found, write])) > _OFFERED:
            break
        found.append(write)
    return found


def _vms_of(writes: Iterable[Write]) -> list[str]:
    return list(dict.fromkeys(vm for write in writes for vm in write.vms))


def unique_names(document: EstateDocument) -> dict[str, str]:
    """Names that select one VM only, by ``vm_id.lower()``: ``--only vm=`` takes every namesake."""
    ids = {str(vm["id"]).lower(): str(vm["id"]) for vm in document.vms}
    names = Counter(_last(vm_id) for vm_id in ids)
    return {key: _last(vm_id) for key, vm_id in ids.items() if names[_last(key)] == 1}


def _last(arm_id: str) -> str:
    return arm_id.rpartition("/")[2]


def _selectors(vault_ids: Iterable[str], everywhere: Sequence[str]) -> list[str]:
    """What ``--only vault=`` takes for each vault: its name, or its ARM id where another vault has that name."""
    names = Counter(_last(vault_id).lower() for vault_id in everywhere)
    return [_last(vault) if names[_last(vault).lower()] == 1 else vault for vault in vault_ids]
