"""The whole plan as a forecast arm: ours with the price of overlaps, policies and moves, on made-up services."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory, Policy, ProtectedItem, SubType, Vault, Vm
from optimizer.model.occupancy import expected_overlaps
from optimizer.model.rules import Rules
from optimizer.model.timegrid import Frequency, Recurrence
from optimizer.plan import Case, Planner
from optimizer.risk.forecast import Forecast
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.search.solved import Solved
from tests.benchmarks.people import service_sizes

NUM_VAULTS = 2
SNAPSHOT_MINUTES = 15


def made_up_inventory(
    vm_ids: tuple[str, ...], today: npt.NDArray[np.intp], seed: int, as_of: datetime, service_size: int | None = None
) -> Inventory:
    """Daily UTC policies in two vaults; each VM starts at ``today``. Services are of heavy-tailed or of one size.

    Parameters
    ----------
    vm_ids
        VMs of the estate.
    today
        Shape (V,): UTC start option of each VM.
    seed
        Random seed of services and vaults.
    as_of
        When the estate was recorded.
    service_size
        VMs per service; it divides their number. None draws heavy-tailed sizes.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(vm_ids))
    sizes = [service_size] * (len(vm_ids) // service_size) if service_size else service_sizes(random, len(vm_ids))
    service = np.empty(len(vm_ids), dtype=np.int64)
    service[order] = np.repeat(np.arange(len(sizes)), sizes)
    vault_of_service = random.integers(0, NUM_VAULTS, len(sizes))
    vaults = {f"vault-{n}": Vault(f"vault-{n}", f"vault-{n}") for n in range(NUM_VAULTS)}
    policies: dict[str, Policy] = {}
    items = []
    held: dict[tuple[int, int], int] = {}
    for v, vm_id in enumerate(vm_ids):
        vault, start = int(vault_of_service[service[v]]), int(today[v])
        number = held.get((vault, start), 0) // 100
        held[vault, start] = held.get((vault, start), 0) + 1
        name = f"vault-{vault}-daily-{start}-{number}"
        made = Policy(
            name, name, f"vault-{vault}", SubType.STANDARD, Recurrence(Frequency.DAILY), start, "UTC", "daily", {}
        )
        policies.setdefault(name, made)
        items.append(ProtectedItem(f"item-{vm_id}", vm_id, name, f"vault-{vault}"))
    machines = {vm_id.lower(): Vm(vm_id, vm_id, f"service-{service[v]}") for v, vm_id in enumerate(vm_ids)}
    return Inventory(as_of, vaults, policies, machines, tuple(items))


def plan_with_spreading(
    inventory: Inventory, forecast: Forecast, today: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], dict[str, float]]:
    """Start of each VM in a plan with the default prices, and what became of the overlaps.

    Parameters
    ----------
    inventory
        Services and policies; see :func:`made_up_inventory`.
    forecast
        Of the training days.
    today
        Shape (V,): UTC start option of each VM.
    """
    result = Planner(Search(gap=0.0)).solve(Case.of(inventory, Rules(), forecast))
    assert isinstance(result, Solved)
    return result.options.astype(np.intp), {
        "overlaps_today": float(expected_overlaps(inventory, np.asarray(today, dtype=np.int64)).sum()),
        "overlaps_plan": float(expected_overlaps(inventory, result.options).sum()),
        "captured": result.captured,
    }
