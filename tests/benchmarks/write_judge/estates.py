"""Estates of many kinds, each with rules, a quirk, and an hour at which the first command is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.arm import ArmResources
from optimizer.estate.writer import EstateWriter
from optimizer.model.load import DayLoad
from tests.benchmarks.write_judge.record import Resource
from tests.benchmarks.write_judge.resources import (
    OTHER_SUBSCRIPTION,
    SUBSCRIPTION,
    daily,
    guard,
    hourly,
    item,
    machine,
    read_only_lock,
    vault_id,
    weekly,
)

BERLIN, LONDON, INDIA = "W. Europe Standard Time", "GMT Standard Time", "India Standard Time"
PACIFIC, SYDNEY, NEPAL = "Pacific Standard Time", "AUS Eastern Standard Time", "Nepal Standard Time"
_HISTORY_DAYS = 10

EXCLUSION = {"diskExclusionProperties": {"diskLunList": [0, 1], "isInclusionList": False}}


@dataclass
class Recipe:
    """An estate in the making.

    Parameters
    ----------
    name
        What is special about it.
    begins
        When the first command is started, in UTC.
    rules
        Rules file.
    quirks
        What is odd about the service: ``no containers``, ``lock``, ``two at once`` ...
    """

    name: str
    begins: datetime
    rules: str = ""
    quirks: frozenset[str] = frozenset()
    vaults: list[Resource] = field(default_factory=list)
    policies: list[Resource] = field(default_factory=list)
    items: list[Resource] = field(default_factory=list)
    vms: list[Resource] = field(default_factory=list)
    settings: list[Resource] = field(default_factory=list)

    @property
    def as_of(self) -> datetime:
        """When the estate was taken: the midnight before, so that a plan is hours old when it is applied."""
        return datetime.combine(self.begins.date(), time(), UTC)

    def vault(self, name: str, subscription: str = SUBSCRIPTION) -> str:
        """Add a vault."""
        own = vault_id(name, subscription)
        self.vaults.append({"id": own, "name": name, "location": "westeurope", "properties": {}})
        return own

    def protect(
        self,
        policy: Resource,
        names: Sequence[str],
        service: str,
        subscription: str = SUBSCRIPTION,
        tags: dict[str, str] | None = None,
        **properties: Any,
    ) -> None:
        """Add VMs to a policy, which is added where it is new."""
        if all(one["id"] != policy["id"] for one in self.policies):
            self.policies.append(policy)
        vault = str(policy["id"]).partition("/backupPolicies/")[0]
        for name in names:
            self.items.append(item(vault, name, policy["name"], subscription, **properties))
            self.vms.append(machine(name, {"app": service, **(tags or {})}, subscription))

    def write(self, folder: Path) -> None:
        """Write the estate and its load."""
        for policy in self.policies:
            count = sum(one["properties"]["policyId"] == policy["id"] for one in self.items)
            policy["properties"]["protectedItemsCount"] = count
        ids = sorted(str(vm["id"]) for vm in self.vms)
        with EstateWriter(folder) as writer:
            for n in range(_HISTORY_DAYS, 0, -1):
                writer.add_load(_load(self.as_of.date() - timedelta(days=n), ids))
            resources = ArmResources(
                self.as_of,
                "azure",
                vaults=self.vaults,
                policies=self.policies,
                protected_items=self.items,
                vms=self.vms,
                vault_settings=self.settings,
            )
            writer.commit(resources, created_at=self.as_of)


def _load(day: date, ids: Sequence[str]) -> DayLoad:
    """A day of load: two of three VMs are hot for some hours round the time at which most people back up."""
    hours = np.arange(288)[None, :] / 12
    numbers = np.arange(len(ids))[:, None]
    hot = (
        ((hours - 21.5 - numbers % 5) % 24 < 2.5 + numbers % 3)
        & (numbers % 3 > 0)
        & ((day.toordinal() + numbers) % 7 < 6)
    )
    cpu = np.where(hot, 97.0, 25.0 + 10 * np.sin((hours + numbers) / 24 * 2 * np.pi)).astype(np.float32)
    return DayLoad(day, tuple(ids), cpu, np.full_like(cpu, 50.0))


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{n:02d}" for n in range(count)]


def _one_each(made: Recipe, vault: str, count: int, zone: str = "UTC") -> None:
    """Policies of one VM each: their time is edited where the VM moves."""
    for n in range(count):
        made.protect(daily(vault, f"own-{n}", "23:00", zone, count=200 + n), [f"own-{n:02d}"], "owners")


def _at(day: date, hour: float) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(hours=hour)


def _plain() -> Recipe:
    made = Recipe("daily, UTC", _at(date(2026, 2, 18), 11.2), quirks=frozenset({"two machines"}))
    vault = made.vault("rsv-plain")
    made.protect(daily(vault, "nightly", "23:00"), _names("app", 10), "shop")
    made.protect(daily(vault, "late", "02:00", count=14), _names("web", 4), "web")
    _one_each(made, vault, 3)
    return made


def _berlin() -> Recipe:
    rules = """
[[rule]]
name = "working hours are free"
where = { frequency = ["Daily", "Weekly"] }
forbid = [
    { from = "07:00", to = "18:00", days = ["Monday", "Tuesday", "Wednesday", "Thursday"], zone = "Europe/Berlin" },
]
"""
    made = Recipe("clock change in Berlin", _at(date(2026, 3, 27), 2.4), rules)
    vault = made.vault("rsv-berlin")
    made.protect(daily(vault, "berlin", "23:00", BERLIN), _names("app", 8), "shop")
    made.protect(weekly(vault, "weekend", "01:30", ["Saturday", "Sunday"], BERLIN), _names("arc", 5), "archive")
    _one_each(made, vault, 4, BERLIN)
    return made


def _weekly() -> Recipe:
    rules = """
[[rule]]
name = "books"
where = { name = "arc-0[0-2]" }
freeze = [{ from = 2026-06-10, to = 2026-06-11 }]

[[rule]]
name = "holiday"
freeze = [2026-06-13]
"""
    made = Recipe("weekly, freezes", _at(date(2026, 6, 10), 5.1), rules.replace("arc-0[0-2]", "arc-0?"))
    vault = made.vault("rsv-week")
    made.protect(weekly(vault, "sunday", "22:00", ["Sunday"]), _names("arc", 6), "archive")
    made.protect(weekly(vault, "twice", "23:00", ["Wednesday", "Saturday"], LONDON), _names("fs", 6), "files")
    made.protect(daily(vault, "nightly", "23:00", LONDON), _names("app", 4), "shop")
    return made


def _hourly() -> Recipe:
    made = Recipe("every few hours", _at(date(2026, 4, 14), 9.3), quirks=frozenset({"long jobs"}))
    vault = made.vault("rsv-hours")
    made.protect(hourly(vault, "every-four", "08:00", 4, 12), _names("db", 6), "data")
    made.protect(hourly(vault, "every-six", "10:00", 6, 12, BERLIN), _names("erp", 5), "erp")
    made.protect(daily(vault, "nightly", "23:00"), _names("app", 5), "shop")
    made.protect(hourly(vault, "own-hours", "07:30", 8, 16), ["cache-00"], "cache")
    return made


def _capped() -> Recipe:
    rules = """
[[rule]]
name = "two at once"
max_concurrent = 2

[[rule]]
name = "the link of the branch"
where = { vault = "rsv-branch" }
max_concurrent = 4
per = "vault"
"""
    made = Recipe("caps, several vaults", _at(date(2026, 5, 20), 14.7), rules, frozenset({"live pair"}))
    for name in ("rsv-head", "rsv-branch", "rsv-lab"):
        vault = made.vault(name)
        made.protect(daily(vault, "nightly", "23:00"), _names(f"{name[4:]}-app", 6), "shop")
        made.protect(daily(vault, "other", "01:00", count=60), _names(f"{name[4:]}-web", 2), "web")
    return made


def _full() -> Recipe:
    rules = """
[policies]
max_vms_per_policy = 5
max_policies_per_vault = 12
max_writes_per_day = 3
"""
    made = Recipe("full policies, small budget", _at(date(2026, 1, 12), 17.5), rules)
    vault = made.vault("rsv-full")
    for n, start in enumerate(("22:00", "23:00", "00:30", "02:00")):
        made.protect(daily(vault, f"at-{n}", start), _names(f"p{n}", 5), f"s{n % 2}")
    return made


def _ordered() -> Recipe:
    rules = """
[[rule]]
name = "databases first"
where = { service = "erp*" }
order = ["sql-*", { tag = { tier = "app" } }, "*"]
per = "service"
"""
    made = Recipe("disk exclusions, order", _at(date(2026, 9, 7), 20.3), rules)
    vault = made.vault("rsv-order")
    nightly = daily(vault, "nightly", "20:00")
    made.protect(nightly, _names("sql", 3), "erp", extendedProperties=EXCLUSION)
    made.protect(
        daily(vault, "after", "23:30"), _names("srv", 4), "erp", tags={"tier": "app"}, extendedProperties=EXCLUSION
    )
    made.protect(daily(vault, "last", "02:30"), _names("job", 4), "erp")
    made.protect(nightly, _names("web", 4), "web")
    return made


def _guarded() -> Recipe:
    made = Recipe("lock and guard", _at(date(2026, 7, 1), 23.4), quirks=frozenset({"lock", "guard"}))
    for name in ("rsv-locked", "rsv-guarded"):
        vault = made.vault(name)
        made.protect(daily(vault, "nightly", "23:00", NEPAL), _names(f"{name[4:]}", 6), name[4:])
        made.protect(daily(vault, "own", "23:30", NEPAL, count=9), [f"{name[4:]}-own"], "own")
    made.settings = [read_only_lock(vault_id("rsv-locked")), guard(vault_id("rsv-guarded"))]
    return made


def _nameless() -> Recipe:
    rules = """
[[rule]]
name = "nodes apart"
where = { tag = { cluster = "*" } }
separate = true
"""
    made = Recipe(
        "jobs without a container", _at(date(2026, 8, 3), 0.6), rules, frozenset({"no containers", "long jobs"})
    )
    vault = made.vault("rsv-nameless")
    made.protect(daily(vault, "nightly", "22:30"), _names("app", 9), "shop")
    made.protect(daily(vault, "nodes", "23:00", count=90), _names("node", 4), "pair", tags={"cluster": "one"})
    _one_each(made, vault, 3)
    return made


def _across() -> Recipe:
    made = Recipe("another subscription", _at(date(2026, 10, 21), 3.2), quirks=frozenset({"long jobs"}))
    vault = made.vault("rsv-across")
    nightly = daily(vault, "nightly", "23:00", BERLIN)
    made.protect(nightly, _names("own", 5), "shop")
    made.protect(nightly, _names("far", 5), "shop", OTHER_SUBSCRIPTION)
    made.protect(daily(vault, "fars", "01:00", count=21), _names("edge", 4), "edge", OTHER_SUBSCRIPTION)
    return made


def _zones() -> Recipe:
    rules = """
[[rule]]
name = "the office sleeps"
allow = [
    { from = "19:00", to = "07:30", zone = "Europe/Berlin" },
    { from = "00:00", to = "24:00", days = ["Saturday", "Sunday"], zone = "Europe/Berlin" },
]
where = { name = "app-*" }

[[rule]]
name = "from seven on"
where = { name = "web-*" }
forbid = [{ from = "07:00", to = "17:00", zone = "Europe/Berlin" }]
"""
    made = Recipe("zones all over", _at(date(2026, 10, 1), 7.8), rules)
    vault = made.vault("rsv-world")
    made.protect(daily(vault, "utc", "22:00"), _names("app", 5), "shop")
    made.protect(daily(vault, "utc-web", "21:30", count=45), _names("web", 5), "web")
    made.protect(daily(vault, "india", "04:30", INDIA), _names("ind", 4), "ind")
    made.protect(daily(vault, "sydney", "09:00", SYDNEY), _names("syd", 4), "syd")
    made.protect(daily(vault, "pacific", "15:00", PACIFIC), _names("pac", 4), "pac")
    _one_each(made, vault, 2, LONDON)
    return made


def _strict() -> Recipe:
    rules = """
[policies]
scope = "subscription"
max_writes_per_day = 4

[[rule]]
name = "points"
rpo_hours = 30

[[rule]]
name = "stays"
where = { name = "dc-*" }
pin = true

[[rule]]
name = "not ours"
where = { name = "ven-*" }
exclude = true

[[rule]]
name = "files and archive share a link"
separate = ["fs-*", { service = "archive" }]
"""
    made = Recipe("30 h, pins, more than 100 VMs", _at(date(2026, 11, 9), 12.5), rules, frozenset({"long jobs"}))
    one, two = made.vault("rsv-strict"), made.vault("rsv-strict-2")
    nightly = daily(one, "nightly", "23:00")
    made.protect(nightly, _names("app", 4), "shop")
    made.protect(nightly, _names("dc", 2), "dc")
    made.protect(nightly, _names("ven", 101), "vendor")
    made.protect(daily(one, "crowd", "04:00"), _names("late", 2), "shop")
    made.protect(daily(one, "files", "22:30", count=40), _names("fs", 4), "files")
    made.protect(daily(two, "archive", "23:30"), _names("arc", 4), "archive")
    return made


RECIPES = (
    _plain,
    _berlin,
    _weekly,
    _hourly,
    _capped,
    _full,
    _ordered,
    _guarded,
    _nameless,
    _across,
    _zones,
    _strict,
)


def recipe(number: int) -> Recipe:
    """Estate of a number; after the last one they begin anew, some days and hours later."""
    made = RECIPES[number % len(RECIPES)]()
    again = number // len(RECIPES)
    made.begins += timedelta(hours=5 * again)
    return made
