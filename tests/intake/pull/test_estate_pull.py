"""A pull writes what the cloud holds, goes on where it stopped, asks only for what is new, and survives failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.errors import CloudError, ConfigError, EstateError, ForbiddenError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.pull.estate_pull import pull_to_folder
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_report import NO_DATA, PullReport
from optimizer.intake.pull.pull_source import MissingLoad, PullScope
from optimizer.intake.spelling import source_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from tests.intake.pull.memory_cloud import MemoryCloud, shouting

DAYS = 3
OPTIONS = PullOptions(days=DAYS, workers=2)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """What there is in the cloud."""
    folder = tmp_path_factory.mktemp("truth") / "estate"
    generate_demo(folder, vms=30, weeks=1)
    return open_estate(folder)


@pytest.fixture
def cloud(truth: Estate) -> Iterator[MemoryCloud]:
    """The same, served."""
    return MemoryCloud(truth)  # type: ignore[return-value]


def _scope(truth: Estate) -> PullScope:
    return PullScope(subscriptions=(str(truth.document.vaults[0]["id"]).split("/")[2],))


def _pull(cloud: MemoryCloud, out: Path, now: datetime = DEMO_AS_OF, **options: Any) -> PullReport:
    kept = {key: options.pop(key) for key in ("progress", "scope") if key in options}
    scope = kept.pop("scope", _scope(cloud.estate))
    return pull_to_folder(scope, out, cloud.source(), replace(OPTIONS, **options), clock=VirtualClock(now), **kept)


def _assert_equal_load(mine: Estate, truth: Estate, days: list[date]) -> None:
    assert list(mine.load.dates()) == days
    for day in days:
        got, want = mine.load.read_day(day), truth.load.read_day(day)
        rows = [want.vm_ids.index(vm_id) for vm_id in got.vm_ids]
        np.testing.assert_array_equal(got.cpu_percent, want.cpu_percent[rows])
        np.testing.assert_array_equal(got.mem_percent, want.mem_percent[rows])


def _days(first: str, last: str) -> list[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


def test_pull_is_the_cloud(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """Inventory and load of the estate are those of the cloud, and nothing is left beside it."""
    report = _pull(cloud, tmp_path / "estate")
    mine = open_estate(tmp_path / "estate")
    assert mine.document.vms == tuple(sorted(truth.document.vms, key=lambda vm: _order(truth, vm)))
    by_id = {policy["id"]: policy for policy in mine.document.policies}
    assert by_id == {policy["id"]: policy for policy in truth.document.policies}
    assert {vault["id"]: vault for vault in mine.document.vaults} == {
        vault["id"]: vault for vault in truth.document.vaults
    }
    assert len(mine.document.vault_settings) == len(truth.document.vaults)
    _assert_equal_load(mine, truth, _days("2026-02-26", "2026-02-28"))
    assert report.complete and not report.resumed and report.vms == 30 and report.days == DAYS
    assert mine.as_of == DEMO_AS_OF
    assert [path.name for path in tmp_path.iterdir()] == ["estate"]


def _order(truth: Estate, vm: dict[str, Any]) -> tuple[str, int]:
    """VMs come in the order of their vaults and items."""
    for position, item in enumerate(truth.document.protected_items):
        if source_vm(item).lower() == str(vm["id"]).lower():
            return str(item["id"]).lower().partition("/backupfabrics/")[0], position
    raise AssertionError(vm["id"])


def test_append_asks_only_for_the_new_day(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """A second pull asks each VM from the end of the first one, and the estate is as if pulled at once."""
    _pull(cloud, tmp_path / "estate", DEMO_AS_OF - timedelta(days=1))
    cloud.asked.clear()
    report = _pull(cloud, tmp_path / "estate", append=True)
    assert {day for day, _, _ in cloud.asked} == {date(2026, 2, 28)}
    assert all(start >= datetime(2026, 2, 28, tzinfo=UTC) for _, _, start in cloud.asked)
    _assert_equal_load(open_estate(tmp_path / "estate"), truth, _days("2026-02-25", "2026-02-28"))
    assert report.history_days == DAYS + 1 and report.days == 1


def test_append_continues_within_a_day(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """A pull at noon leaves out the running bin; the next one goes on there, and no bin is stored twice."""
    noon = datetime(2026, 2, 28, 12, 3, tzinfo=UTC)
    _pull(cloud, tmp_path / "estate", noon)
    half = open_estate(tmp_path / "estate").load.read_day(date(2026, 2, 28))
    assert np.isnan(half.cpu_percent[:, 144:]).all() and not np.isnan(half.cpu_percent[:, :144]).all()
    _pull(cloud, tmp_path / "estate", append=True)
    mine = open_estate(tmp_path / "estate")
    _assert_equal_load(mine, truth, _days("2026-02-25", "2026-02-28"))
    assert [part.path for part in mine.document.load if part.date == date(2026, 2, 28)] == [
        "load/date=2026-02-28/part-000.parquet",
        "load/date=2026-02-28/part-001.parquet",
    ]


def test_append_reaches_back_to_the_last_pull(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """Where more days have passed than --days, what lies in between is pulled all the same."""
    _pull(cloud, tmp_path / "estate", DEMO_AS_OF - timedelta(days=3), days=1)
    _pull(cloud, tmp_path / "estate", append=True, days=1)
    _assert_equal_load(open_estate(tmp_path / "estate"), truth, _days("2026-02-25", "2026-02-28"))


class _KilledError(Exception):
    """Stands for a kill."""


def test_killed_pull_goes_on(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """Killed after the second day, the same command later asks for the third only, as of the first start."""

    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "load" and "2026-02-26" in note:
            raise _KilledError(f"{done} of {total}")

    with pytest.raises(_KilledError):
        _pull(cloud, tmp_path / "estate", progress=kill)
    assert not (tmp_path / "estate").exists()
    assert (tmp_path / "estate.partial").stat().st_mode & 0o077 == 0
    calls = cloud.calls["list_items"]
    cloud.asked.clear()
    report = _pull(cloud, tmp_path / "estate", DEMO_AS_OF + timedelta(hours=5))
    assert {day for day, _, _ in cloud.asked} == {date(2026, 2, 26)}
    assert cloud.calls["list_items"] == calls, "the inventory is not read again"
    assert report.resumed and report.as_of == DEMO_AS_OF
    _assert_equal_load(open_estate(tmp_path / "estate"), truth, _days("2026-02-26", "2026-02-28"))
    assert [path.name for path in tmp_path.iterdir()] == ["estate"]


def test_other_scope_does_not_go_on(cloud: MemoryCloud, tmp_path: Path) -> None:
    """An unfinished pull of other vaults or days is in the way, and the message says which and what to do."""

    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "load":
            raise _KilledError(f"{done} of {total} {note}")

    with pytest.raises(_KilledError):
        _pull(cloud, tmp_path / "estate", progress=kill)
    with pytest.raises(EstateError, match=r"days was 3, is 2.*same options as then, or delete the folder"):
        _pull(cloud, tmp_path / "estate", days=2)
    vault = str(cloud.estate.document.vaults[0]["id"])
    with pytest.raises(EstateError, match="scope was"):
        _pull(cloud, tmp_path / "estate", scope=PullScope(vaults=(vault,)))


def test_forbidden_vault_stops_no_other(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """A vault that may not be read is reported with the right that is missing; the others are in the estate."""
    vault_id = str(truth.document.vaults[1]["id"])
    cloud.errors["list_policies", vault_id] = ForbiddenError("missing right: backupPolicies/read")
    report = _pull(cloud, tmp_path / "estate")
    assert not report.complete and report.vaults == len(truth.document.vaults) - 1
    assert [failure.what for failure in report.failures] == [f"vault {vault_id}"]
    assert "missing right: backupPolicies/read" in report.failures[0].why


def test_vault_that_fails_later_keeps_what_was_known(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """On append, what the estate knew of a vault stands in for it: its VMs must not seem unprotected."""
    _pull(cloud, tmp_path / "estate", DEMO_AS_OF - timedelta(days=1))
    vault_id = str(truth.document.vaults[1]["id"])
    cloud.errors["list_items", vault_id] = CloudError("busy")
    report = _pull(cloud, tmp_path / "estate", append=True)
    assert not report.complete and report.items == len(truth.document.protected_items)
    assert len(open_estate(tmp_path / "estate").document.vault_settings) == len(truth.document.vaults)


def test_no_vault_at_all_writes_nothing(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """Where every vault fails there is an error, no estate, and nothing that would have to be deleted."""
    for vault in truth.document.vaults:
        cloud.errors["list_policies", str(vault["id"])] = ForbiddenError("missing right: x")
    with pytest.raises(ForbiddenError, match="missing right"):
        _pull(cloud, tmp_path / "estate")
    with pytest.raises(CloudError, match="no Recovery Services vault was found"):
        _pull(cloud, tmp_path / "estate", scope=PullScope(subscriptions=("00000000-0000-0000-0000-00000000000f",)))
    assert not list(tmp_path.iterdir())


def test_a_scope_without_vaults_is_named(cloud: MemoryCloud, tmp_path: Path) -> None:
    """The message holds the ids that were given, so that a slip is seen."""
    unknown = "11111111-1111-1111-1111-111111111111"
    other = "22222222-2222-2222-2222-222222222222"
    for ids, named in (
        ((unknown,), f"subscription {unknown}:"),
        ((unknown, other), f"subscriptions {unknown}, {other}:"),
    ):
        with pytest.raises(CloudError, match=f"no Recovery Services vault was found in {named} see whether the ids"):
            _pull(cloud, tmp_path / "estate", scope=PullScope(subscriptions=ids))


def test_failed_and_silent_vms_are_two_things(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """A failed request, no data and too little data are told apart; the failed VM is asked again on append."""
    failed, silent = str(truth.document.vms[0]["id"]), str(truth.document.vms[1]["id"])
    cloud.refused[failed] = MissingLoad("request failed: HTTP 500", final=True)
    cloud.silent.add(silent)
    report = _pull(cloud, tmp_path / "estate")
    assert report.failed == {ArmId(failed): "request failed: HTTP 500"} and report.no_data == (silent,)
    assert failed not in report.too_little and len(report.too_little) == 28
    assert open_estate(tmp_path / "estate").document.load_gaps == {
        ArmId(failed): "request failed: HTTP 500",
        ArmId(silent): NO_DATA,
    }
    assert sum(vm_id == failed for _, vm_id, _ in cloud.asked) == 1, "a final refusal is not asked for again"
    cloud.refused.clear()
    cloud.asked.clear()
    again = _pull(cloud, tmp_path / "estate", DEMO_AS_OF + timedelta(minutes=10), append=True)
    assert {vm_id for day, vm_id, _ in cloud.asked if day < DEMO_AS_OF.date()} >= {ArmId(failed)}
    assert ArmId(silent) not in {vm_id for day, vm_id, _ in cloud.asked if day < DEMO_AS_OF.date()}
    assert again.complete and again.no_data == (silent,)


def test_everything_failing_is_an_error(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """Where no VM's load can be had on the first day, the pull stops with the reason instead of trying every day."""
    for vm in truth.document.vms:
        cloud.refused[str(vm["id"])] = MissingLoad("request failed: missing right: metrics", final=True)
    with pytest.raises(CloudError, match=r"no load could be pulled for any of 30 VMs.*missing right: metrics"):
        _pull(cloud, tmp_path / "estate")
    assert {day for day, _, _ in cloud.asked} == {date(2026, 2, 28)}
    assert not (tmp_path / "estate").exists()
    cloud.refused.clear()
    assert _pull(cloud, tmp_path / "estate").complete


def test_one_spelling_for_all_time(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """Items and directory may change the case of a VM's id: its load stays under the estate's first spelling."""
    _pull(cloud, tmp_path / "estate", DEMO_AS_OF - timedelta(days=1))
    cloud.items = [shouting(item) for item in truth.document.protected_items]
    cloud.vms = [{**vm, "id": str(vm["id"]).lower()} for vm in truth.document.vms[1:]]
    _pull(cloud, tmp_path / "estate", append=True)
    mine = open_estate(tmp_path / "estate")
    _assert_equal_load(mine, truth, _days("2026-02-25", "2026-02-28"))
    listed = {str(vm_id) for day in mine.load.dates() for vm_id in mine.load.read_day(day).vm_ids}
    assert {str(vm.id) for vm in mine.inventory().vms.values()} >= listed
    assert listed <= {str(vm["id"]) for vm in truth.document.vms}


def test_vm_that_only_its_item_tells_of(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """A VM that the directory does not show is pulled by its item's id; VMs without protection are left out."""
    gone = str(truth.document.vms[0]["id"])
    stranger = {**truth.document.vms[0], "id": gone + "-unprotected"}
    cloud.vms = [*truth.document.vms[1:], stranger]
    report = _pull(cloud, tmp_path / "estate")
    assert report.unprotected == 1 and report.vms == 30
    assert open_estate(tmp_path / "estate").load.read_vm(gone).dates


def test_switched_off_vm_is_known_to_be_off(cloud: MemoryCloud, truth: Estate, tmp_path: Path) -> None:
    """A VM that is off now has been so since its last sample; of others a gap says nothing."""
    off, quiet = truth.document.vms[0], truth.document.vms[1]
    power = {"extended": {"instanceView": {"powerState": {"code": "PowerState/deallocated"}}}}
    cloud.vms = [{**off, "properties": {**off["properties"], **power}}, *truth.document.vms[1:]]
    cloud.silent |= {str(off["id"]), str(quiet["id"])}
    report = _pull(cloud, tmp_path / "estate")
    load = open_estate(tmp_path / "estate").load.read_day(date(2026, 2, 27))
    assert load.running is not None
    assert (load.running[load.vm_ids.index(str(off["id"]))] == 0).all()
    assert (load.running == 0).sum() == 288
    assert report.no_data == (str(quiet["id"]),)
    whole = (date(2026, 2, 26), date(2026, 2, 28))
    holes = {
        tuple(map(str, hole.vms)): (hole.reason, hole.first, hole.last) for hole in report.holes if len(hole.vms) == 1
    }
    assert holes[(str(off["id"]),)] == ("off", *whole)
    assert holes[(str(quiet["id"]),)][1:] == whole


def test_an_append_after_the_retention_reports_what_is_lost(cloud: MemoryCloud, tmp_path: Path) -> None:
    """Where the last pull is older than what Azure keeps, the days between are a hole of every VM."""
    _pull(cloud, tmp_path / "estate")
    late = DEMO_AS_OF + timedelta(days=100)
    report = _pull(cloud, tmp_path / "estate", late, append=True)
    (lost,) = [hole for hole in report.holes if hole.reason == "retention"]
    assert (lost.first, lost.last) == (date(2026, 3, 2), (late - timedelta(days=93)).date() - timedelta(days=1))
    assert len(lost.vms) == 30
    assert not any(hole.reason == "retention" for hole in _pull(cloud, tmp_path / "estate", late, append=True).holes)


def test_imported_estate_is_not_appended_to(truth: Estate, cloud: MemoryCloud) -> None:
    """An estate of another source has other ids and another truth."""
    with pytest.raises(EstateError, match="holds an estate from 'demo'"):
        _pull(cloud, truth.path, append=True)
    with pytest.raises(EstateError, match="is not empty"):
        _pull(cloud, truth.path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "nothing to pull"),
        ({"subscriptions": ("production",)}, "--subscription 'production' is not the id"),
        ({"vaults": ("/subscriptions/x/../vaults/v",)}, "--vault .* is not the ARM id"),
        ({"management_groups": ("a b'",)}, "--management-group .* is not the name"),
    ],
)
def test_names_are_checked(names: dict[str, tuple[str, ...]], message: str) -> None:
    """What is no id is refused before anything is asked."""
    with pytest.raises(ConfigError, match=message):
        PullScope(**names)
