"""Schedules as people choose them, and services as they are sized: seeded, for benchmarks on real load."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np

STARTS = {
    "23:00": 0.51,
    "02:00": 0.16,
    "01:00": 0.05,
    "00:00": 0.04,
    "03:00": 0.04,
    "20:00": 0.02,
    "20:30": 0.01,
    "21:00": 0.02,
    "22:00": 0.02,
    "22:30": 0.02,
    "12:00": 0.02,
    "13:00": 0.02,
    "07:00": 0.03,
    "18:30": 0.02,
    "05:00": 0.02,
}
"""Times of day of published policies, with their shares."""

ZONES = {"UTC": 0.79, "W. Europe Standard Time": 0.09, "Eastern Standard Time": 0.05, "India Standard Time": 0.07}
RETENTIONS = {30: 0.5, 7: 0.32, 10: 0.18}
WEEKLY_SHARE = 0.13
HOURLY_SHARE = 0.03
COLUMNS = ("vm", "service", "vault", "policy", "frequency", "days", "time", "timezone", "retention_days")


def draw(random: np.random.Generator, shares: dict[str, float] | dict[int, float]) -> str | int:
    """One of the keys, by share."""
    weights = np.array(list(shares.values()))
    return list(shares)[int(random.choice(len(weights), p=weights / weights.sum()))]


def service_sizes(random: np.random.Generator, num_vms: int, mean_size: float = 5.24) -> list[int]:
    """Heavy-tailed sizes (Pareto weights, none above 60) that add up to ``num_vms``, about 86 for 451."""
    count = max(1, round(num_vms / mean_size))
    weights = np.minimum(random.pareto(1.2, count) + 0.1, 60.0)
    sizes = 1 + random.multinomial(num_vms - count, weights / weights.sum())
    while sizes.max() > max(60, num_vms // count):
        largest = int(sizes.argmax())
        excess, sizes[largest] = int(sizes[largest]) - 60, 60
        sizes += random.multinomial(excess, np.full(count, 1 / count))
    return [int(size) for size in sizes]


def policies_of_vault(random: np.random.Generator, vault: str) -> list[dict[str, str]]:
    """Four to eight policies of one vault, the first always daily."""
    policies = []
    for number in range(int(random.integers(4, 9))):
        weekly = number > 0 and random.random() < WEEKLY_SHARE
        start, zone = str(draw(random, STARTS)), str(draw(random, ZONES))
        retention = int(draw(random, RETENTIONS))
        policies.append(
            {
                "vault": vault,
                "policy": f"{'weekly' if weekly else 'daily'}-{number + 1}",
                "frequency": "Weekly" if weekly else "Daily",
                "days": "Sunday" if weekly else "",
                "time": start,
                "timezone": zone,
                "retention_days": str(retention),
            }
        )
    return policies


def rows_for(vm_ids: list[str], seed: int, num_vaults: int, spanning: float = 0.05) -> list[dict[str, str]]:
    """Rows of ``vms.csv``: services heavy-tailed, a few across vaults, at most 100 VMs in a policy.

    Parameters
    ----------
    vm_ids
        The VMs, one row each.
    seed
        Of everything drawn.
    num_vaults
        Number of vaults.
    spanning
        Share of VMs that are in another vault than most of their service.
    """
    random = np.random.default_rng(seed)
    vaults = [f"vault-{number + 1}" for number in range(num_vaults)]
    policies = {vault: policies_of_vault(random, vault) for vault in vaults}
    room = {(vault, p["policy"]): 100 for vault in vaults for p in policies[vault]}
    everywhere = [p for vault in vaults for p in policies[vault]]
    waiting = [vm_ids[i] for i in random.permutation(len(vm_ids))]
    rows = []
    for number, size in enumerate(service_sizes(random, len(vm_ids))):
        home = vaults[int(random.integers(num_vaults))]
        usual = int(random.integers(len(policies[home])))
        for _ in range(size):
            vault = home if random.random() >= spanning else vaults[int(random.integers(num_vaults))]
            same = vault == home and random.random() < 0.8
            first = usual if same else int(random.integers(len(policies[vault])))
            candidates = policies[vault][first:] + policies[vault][:first]
            policy = next(p for p in itertools.chain(candidates, everywhere) if room[p["vault"], p["policy"]] > 0)
            room[policy["vault"], policy["policy"]] -= 1
            rows.append({"vm": waiting.pop(), "service": f"service-{number + 1:03d}", **policy})
    return rows


def write_vms_csv(path: Path, vm_ids: list[str], seed: int, num_vaults: int) -> list[dict[str, str]]:
    """Write a seeded ``vms.csv`` and return its rows."""
    rows = rows_for(vm_ids, seed, num_vaults)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return rows
