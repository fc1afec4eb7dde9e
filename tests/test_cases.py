"""The cases of the folder ``shared`` through the command line: what is right for each, and nothing but that.

Their own copies of these inputs are in the tests of the parts that were mended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cases import TODAY, CaseRun, run_case
from tests.cases_cloud import run_in_cloud


def names(ids: list[str]) -> list[str]:
    return sorted(vm_id.rpartition("/")[2] for vm_id in ids)


def moved(found: CaseRun) -> list[str]:
    """Names of the VMs that the plan writes."""
    edited = [row["vm"] for row in found.plan["schedule"] if row["start"] != row["start_today"]]
    reassigned = [change["vm"] for change in found.plan["changes"] if change["kind"] == "reassign_item"]
    return names(sorted({*edited, *reassigned}))


def reasons(found: CaseRun) -> dict[str, str]:
    """Why VMs are not written, by name."""
    return {entry["vm"].rpartition("/")[2]: entry["reason"] for entry in found.audit["unwritable"]}


def policies_of(found: CaseRun) -> list[dict[str, Any]]:
    """Properties of every policy that the plan writes."""
    return [change["properties"] for change in found.plan["changes"] if change["kind"] != "reassign_item"]


def times_in(value: object) -> list[str]:
    """Every nominal time in the properties of a policy."""
    if isinstance(value, dict):
        here = {"scheduleRunTimes", "retentionTimes", "scheduleWindowStartTime"}
        return [
            time
            for key, inner in value.items()
            for time in ((inner if isinstance(inner, list) else [inner]) if key in here else times_in(inner))
        ]
    return [time for inner in value for time in times_in(inner)] if isinstance(value, list) else []


def all_are_planned(found: CaseRun) -> None:
    """Nothing stands in the way of any VM, and the busy ones are moved."""
    assert found.audit["totals"]["vms"] == found.items
    assert not found.audit["unwritable"]
    assert found.plan["summary"]["moved"] > 0


def c01c(found: CaseRun) -> None:
    """A Windows zone of few places is known, and its VM is planned like the others."""
    all_are_planned(found)


def c02(found: CaseRun) -> None:
    """Hourly windows of 24 h may start at any of the 40 half hours, so the schedule is improved."""
    all_are_planned(found)
    assert {entry["start"] for entry in found.plan["schedule"]} > {"00:00"}
    overlaps = found.plan["summary"]["overlaps_per_month"]
    assert overlaps["plan"] < overlaps["today"] / 2


def c06b(found: CaseRun) -> None:
    """VMs that are gone are idle with what to do; the others are planned as they would be alone."""
    gone = {f"vm-{number}" for number in range(4)}
    assert found.audit["totals"]["vms"] == 4
    assert reasons(found).keys() == gone
    assert all("not found" in reason for reason in reasons(found).values())
    assert not gone.intersection(moved(found))
    assert found.plan["summary"]["at_risk_per_month"]["today"] == pytest.approx(75.8, abs=0.5)


def c08c(found: CaseRun) -> None:
    """A VM in two vaults is not written by way of either, and the rest is planned."""
    assert set(reasons(found)) == {"vm-0"}
    assert len(found.audit["unwritable"]) == 2
    assert "vm-0" not in moved(found)
    assert moved(found)


def c14a(found: CaseRun) -> None:
    """An item in error is counted and not written."""
    assert found.audit["totals"]["vms"] == 6
    assert set(reasons(found)) == {"vm-0"}
    assert "vm-0" not in moved(found)
    assert moved(found)


def c28(found: CaseRun) -> None:
    """A policy at a quarter past costs its own VM alone."""
    (reason,) = reasons(found).values()
    assert "15:15" in reason
    assert found.audit["totals"]["vms"] == found.items - 1
    assert moved(found)


def c30(found: CaseRun) -> None:
    """No policy is sent with a time that is still to come."""
    all_are_planned(found)
    now = datetime.fromisoformat(TODAY["C30"])
    times = [time for properties in policies_of(found) for time in times_in(properties)]
    assert times
    assert all(datetime.fromisoformat(time).astimezone(UTC) < now for time in times)


def c40(found: CaseRun) -> None:
    """Tags of VMs in another subscription are known: the rule by tag fits all VMs and is kept."""
    (broken,) = found.audit["broken_rules"]
    assert len(broken["vms"]) == 6
    assert found.plan["summary"]["moved"] == 6
    assert all("08:00" <= row["start"] <= "18:00" for row in found.plan["schedule"])


def not_written(found: CaseRun) -> None:
    """VMs of a policy that Azure no longer accepts are counted, reported and not written."""
    affected = set(reasons(found))
    assert affected
    assert found.audit["totals"]["vms"] == found.items
    assert not affected.intersection(moved(found))


def c70(found: CaseRun) -> None:
    """Tiering that only spells out the default makes no difference: of three new starts one has a twin."""
    assert found.plan["summary"]["moved"] == 3
    assert found.plan["summary"]["policies_created"] == 2
    assert moved(found)


def c73(found: CaseRun) -> None:
    """A policy without properties is left alone."""
    assert found.audit["totals"]["vms"] == 4
    assert moved(found)


RIGHT: dict[str, Callable[[CaseRun], None]] = {
    "base": all_are_planned,
    "C01c": c01c,
    "C02": c02,
    "C03b": all_are_planned,
    "C06b": c06b,
    "C08c": c08c,
    "C14a": c14a,
    "C16": all_are_planned,
    "C28": c28,
    "C30": c30,
    "C40": c40,
    "C40same": all_are_planned,
    "C60": not_written,
    "C61": not_written,
    "C70": c70,
    "C70ref": c70,
    "C73": c73,
}


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_case_is_right(shared: Path, tmp_path: Path, name: str) -> None:
    """Import, audit, plan and rehearsal succeed, and say and do what is right for the case."""
    file = shared / "cases" / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"needs the case {name} in the folder 'shared'")
    found = run_case(file, tmp_path, effort=1)
    assert found.codes == {"import": 0, "audit": 0, "plan": 0, "rehearse": 0}, found.errors
    assert found.rehearsal["flawless"]
    RIGHT[name](found)


@pytest.mark.parametrize("name", ["C40", "C40same"])
def test_vms_of_another_subscription_in_the_cloud(shared: Path, tmp_path: Path, name: str) -> None:
    """VMs are pulled with their tags, jobs are filed under them, and none is written during its backup."""
    folder = shared / "cases"
    if not (folder / f"{name}.json").is_file():
        pytest.skip(f"needs the case {name} in the folder 'shared'")
    found = run_in_cloud(folder / f"{name}.json", folder / "C40.rules.toml", tmp_path)
    assert (found.vms, found.tagged, found.rule_fits) == (6, 6, 6)
    assert found.filed == found.jobs == 42
    assert len(found.moved) == 6
    assert found.during_backup == ()
