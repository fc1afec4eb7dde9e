"""Small estates in memory, and cases with a risk that is given, for tests that solve nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.estate import Estate, EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.plan import Case
from optimizer.ports import Resource
from optimizer.risk.forecast import Evidence, Forecast
from tests.plan.estates import GROUP, item, machine, policy_id, standard_policy, vm_id

AS_OF = datetime(2026, 2, 23, tzinfo=UTC)
A, B, C = (f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/vault-{letter}" for letter in "abc")
"""Ids of vaults in the same region and subscription."""


def vault(vault_id: str, location: str = "westeurope") -> Resource:
    """Build a vault."""
    return {"id": vault_id, "name": vault_id.rpartition("/")[2], "location": location}


def estate_of(
    policies: Sequence[Resource],
    items: Sequence[Resource],
    *,
    vaults: Sequence[Resource] = (vault(A), vault(B)),
    vms: Sequence[Resource] = (),
    **fields: Any,
) -> Estate:
    """Build an estate; VMs without a resource of their own are a service each."""
    return Estate(
        Path("estate"),
        EstateDocument(
            created_at=AS_OF,
            as_of=AS_OF,
            source="azure",
            vaults=tuple(vaults),
            policies=tuple(policies),
            protected_items=tuple(items),
            vms=tuple(vms),
            **fields,
        ),
    )


def three_vms() -> Estate:
    """Build an estate: two VMs of a shop in vault A, one of its database in vault B, at 23:00 in twins of one name."""
    return estate_of(
        [standard_policy("nightly", "23:00", items=2, vault=A), standard_policy("nightly", "23:00", items=1, vault=B)],
        [item("web-1", "nightly", vault=A), item("web-2", "nightly", vault=A), item("db-1", "nightly", vault=B)],
        vms=[machine("web-1", app="shop"), machine("web-2", app="shop"), machine("db-1", app="db")],
    )


def policy_of(inventory: Inventory, vm: str) -> ArmId:
    """Id of the policy of a VM."""
    found = inventory.item_of_vm(vm_id(vm))
    assert found is not None
    return inventory.policy(found).id


def forecast_of(estate: Estate, probability: Mapping[str, Mapping[str, float]] | None = None) -> Forecast:
    """Build a forecast in which VMs are at risk at the given starts (``HH:MM``, UTC) only.

    Parameters
    ----------
    estate
        Estate with the VMs.
    probability
        Probability by the name of the VM and by start.
    """
    vm_ids = [protected.vm_id for protected in estate.inventory().items]
    table = np.zeros((len(vm_ids), 48))
    for name, starts in (probability or {}).items():
        for start, value in starts.items():
            hour, minute = map(int, start.split(":"))
            table[vm_ids.index(ArmId(vm_id(name))), 2 * hour + minute // 30] = value
    return Forecast(
        vm_ids=tuple(vm_ids),
        step_minutes=30,
        probability=table,
        num_days=np.full(len(vm_ids), 28, dtype=np.int64),
        evidence=(Evidence.OWN_HISTORY,) * len(vm_ids),
        prior_days=0.0,
        fold_row=np.full(len(vm_ids), -1, dtype=np.intp),
    )


def case_of(
    estate: Estate, rules: Rules | None = None, probability: Mapping[str, Mapping[str, float]] | None = None
) -> Case:
    """Prepare a case from a risk that is given; see :func:`forecast_of`."""
    return Case.of(estate.inventory(), rules or Rules(), forecast_of(estate, probability))


__all__ = [
    "AS_OF",
    "A",
    "B",
    "C",
    "case_of",
    "estate_of",
    "forecast_of",
    "item",
    "machine",
    "policy_id",
    "policy_of",
    "standard_policy",
    "three_vms",
    "vault",
    "vm_id",
]  # fmt: skip
