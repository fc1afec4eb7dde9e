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
    """VmFilter for the VMs of a vault or a service, or for VMs by name or ARM id; ``*`` and ``?`` are wildcards."""

    kind: str
    pattern: str

    def matches(self, vm: Vm | None, vault: Vault) -> bool:
        """Whether the selector matches a VM that this vault protects or, if ``vm`` is None, the vault itself."""
        values: tuple[str, ...] = (vault.name, vault.id)
        if self.kind != "vault":
            assert vm is not None
            values = (vm.name, vm.id) if self.kind == "vm" else (vm.service_name,)
        return any(Caseless(value).is_like(self.pattern) for value in values)


def parse_filter(text: str) -> VmFilter:
    """Parse a selector such as ``vault=weu-01``.

    Raises
    ------
    UsageError
        The text is not a selector.
    """
    kind, equals, pattern = text.partition("=")
    if not equals or kind not in KINDS or not pattern:
        allowed = ", ".join(f"{name}=NAME" for name in KINDS)
        raise UsageError(f"--only {text!r} is not KIND=NAME; allowed: {allowed}, where NAME may contain * and ?")
    return VmFilter(kind, pattern)


def as_words(only: Iterable[VmFilter]) -> list[str]:
    """Selectors in the form of command-line words."""
    return [word for one in only for word in ("--only", f"{one.kind}={one.pattern}")]


def is_meant(write: Write, inventory: Inventory, only: Sequence[VmFilter]) -> bool:
    """Whether the selectors match every VM of a write or, if it moves no VM, its vault."""
    if write.vms:
        return _num_meant(write, inventory, only) == len(write.vms)
    vault = inventory.vaults[write.vault_id]
    return all(selector.kind == "vault" for selector in only) and _fits(None, vault, only)


def _num_meant(write: Write, inventory: Inventory, only: Sequence[VmFilter]) -> int:
    vault = inventory.vaults[write.vault_id]
    return sum(_fits(inventory.vms[vm], vault, only) for vm in write.vms)


def _fits(vm: Vm | None, vault: Vault, only: Sequence[VmFilter]) -> bool:
    """Whether a VM or vault matches a selector of each kind that is given."""
    kinds = {selector.kind for selector in only}
    return all(any(one.matches(vm, vault) for one in only if one.kind == kind) for kind in kinds)
