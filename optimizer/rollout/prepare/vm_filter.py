"""Filters for the VMs that a run covers, such as ``vault=weu-01``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optimizer.errors import UsageError
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Vault, Vm
from optimizer.rollout.writes.write import Write

KINDS = ("vault", "service", "vm")


@dataclass(frozen=True, slots=True)
class VmFilter:
    """Filter for the VMs of a vault or a service, or for VMs by name or ARM id; ``*`` and ``?`` are wildcards."""

    kind: str
    pattern: str

    def matches(self, vm: Vm | None, vault: Vault) -> bool:
        """Whether the filter matches a VM that this vault protects or, if ``vm`` is None, the vault itself."""
        values: tuple[str, ...] = (vault.name, vault.id)
        if self.kind != "vault":
            assert vm is not None
            values = (vm.name, vm.id) if self.kind == "vm" else (vm.service_name,)
        return any(Caseless(value).is_like(self.pattern) for value in values)


def parse_filter(text: str) -> VmFilter:
    """Parse a filter such as ``vault=weu-01``.

    Raises
    ------
    UsageError
        The text is not a filter.
    """
    kind, equals, pattern = text.partition("=")
    if not equals or kind not in KINDS or not pattern:
        allowed = ", ".join(f"{name}=NAME" for name in KINDS)
        raise UsageError(f"--only {text!r} is not KIND=NAME; allowed: {allowed}, where NAME may contain * and ?")
    return VmFilter(kind, pattern)


def as_words(only: Iterable[VmFilter]) -> list[str]:
    """Filters in the form of command-line words."""
    return [word for vms in only for word in ("--only", f"{vms.kind}={vms.pattern}")]


def is_meant(write: Write, inventory: Inventory, only: Sequence[VmFilter]) -> bool:
    """Whether the filters match every VM of a write or, if it moves no VM, its vault."""
    if write.vms:
        return num_meant(write, inventory, only) == len(write.vms)
    vault = inventory.vaults[write.vault_id]
    return all(vms.kind == "vault" for vms in only) and _fits(None, vault, only)


def num_meant(write: Write, inventory: Inventory, only: Sequence[VmFilter]) -> int:
    """Number of a write's VMs that the filters match."""
    vault = inventory.vaults[write.vault_id]
    return sum(_fits(inventory.vms[vm], vault, only) for vm in write.vms)


def _fits(vm: Vm | None, vault: Vault, only: Sequence[VmFilter]) -> bool:
    """Whether a VM or vault matches a filter of each kind that is given."""
    matched = {vms.kind for vms in only if vms.matches(vm, vault)}
    return all(vms.kind in matched for vms in only)
