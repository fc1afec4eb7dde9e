"""A pull with the real clients from the emulated cloud: the estate is the cloud, whatever goes wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from optimizer.azure.connection import Connection
from optimizer.azure.pull import azure_source
from optimizer.cli.pull import PARTLY_FAILED
from optimizer.cli.pull import pull as pull_command
from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.emulator import Emulator, EmulatorSettings, Faults
from optimizer.errors import CloudError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.pull.estate_pull import pull_to_folder
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_report import PullReport
from optimizer.intake.pull.pull_source import PullScope
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.ports import no_progress
from tests.azure.clouds import resources_by_id, subscriptions_of
from tests.conftest import NOW

DAYS = 2
JOB_KEYS = ["vm", "start", "operation", "status", "error_code"]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """What there is in the cloud: load of a week, jobs, vaults in two regions."""
    folder = tmp_path_factory.mktemp("truth") / "estate"
    generate_demo(folder, vms=60, weeks=1)
    return open_estate(folder)


@contextmanager
def _cloud(truth: Estate, now: datetime = DEMO_AS_OF, **options: Any) -> Iterator[Emulator]:
    jobs = truth.jobs().filter(pl.col("end") < now)
    with Emulator.of_estate(
        truth.document, clock=VirtualClock(now), load=truth.load, jobs=jobs, **options
    ) as emulator:
        yield emulator


def _pull(emulator: Emulator, truth: Estate, out: Path, now: datetime = DEMO_AS_OF, **given: Any) -> PullReport:
    opened = {key: given.pop(key) for key in ("concurrency", "statistic", "workspaces") if key in given}
    scope = given.pop("scope", PullScope(subscriptions=subscriptions_of(truth.document)))
    progress = given.pop("progress", no_progress)
    options = PullOptions(**{"days": DAYS, **given})
    with azure_source(Connection.to_emulator(emulator.endpoint, emulator.ca_file), **opened) as source:
        return pull_to_folder(scope, out, source, options, clock=VirtualClock(now), progress=progress)


def _assert_load(mine: Estate, truth: Estate, days: list[date], tolerance: float = 0.011) -> None:
    assert list(mine.load.dates()) == days
    for day in days:
        got, want = mine.load.read_day(day), truth.load.read_day(day)
        assert set(got.vm_ids) == {
            vm_id for vm_id, row in zip(want.vm_ids, want.cpu_percent, strict=True) if not np.isnan(row).all()
        }
        rows = [want.vm_ids.index(vm_id) for vm_id in got.vm_ids]
        np.testing.assert_allclose(got.cpu_percent, want.cpu_percent[rows], atol=tolerance)
        np.testing.assert_allclose(got.mem_percent, want.mem_percent[rows], atol=tolerance)


def _last_days(number: int) -> list[date]:
    return [(DEMO_AS_OF - timedelta(days=n)).date() for n in range(number, 0, -1)]


def test_pull_is_the_estate_of_the_cloud(truth: Estate, tmp_path: Path) -> None:
    """Policies and items whole, VMs but for their power state, load, jobs with their errors and scheduled times."""
    with _cloud(truth, settings=EmulatorSettings(page_size=7, graph_page_size=20)) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate", concurrency=3)
    assert report.complete, report.failures
    mine, document = open_estate(tmp_path / "estate"), truth.document
    assert resources_by_id(mine.document.policies) == resources_by_id(emulator.snapshot().policies)
    assert resources_by_id(mine.document.vaults).keys() == resources_by_id(document.vaults).keys()
    items = resources_by_id(mine.document.protected_items)
    for key, item in resources_by_id(document.protected_items).items():
        assert items[key]["properties"].items() >= item["properties"].items()
    vms = resources_by_id(mine.document.vms)
    for key, vm in resources_by_id(document.vms).items():
        assert vms[key]["id"] == vm["id"]
        assert vms[key]["tags"] == vm["tags"]
        assert vms[key]["properties"].items() >= vm["properties"].items()
    _assert_load(mine, truth, _last_days(DAYS))
    _assert_jobs(mine, truth)
    kinds = {str(part["type"]).rpartition("/")[2] for part in mine.document.vault_settings}
    assert "backupconfig" in kinds
    assert report.vms == 60 and report.requests["metrics"] == sum(emulator.requests[kind] for kind in ("metrics",))


def _assert_jobs(mine: Estate, truth: Estate) -> None:
    wanted = truth.jobs().filter(pl.col("end") < DEMO_AS_OF)
    got = mine.jobs()
    seconds = pl.col("start").dt.truncate("1s")
    assert (
        got.select(seconds, "vm", "operation", "status", "error_code")
        .sort("start", "vm")
        .equals(wanted.select(seconds, "vm", "operation", "status", "error_code").sort("start", "vm"))
    )
    known = got.filter(pl.col("scheduled").is_not_null())
    assert known.height > 0.5 * got.height
    both = known.with_columns(seconds).join(wanted.with_columns(seconds), on=["start", "vm"])
    assert (both["scheduled"] == both["scheduled_right"]).all()


def test_second_pull_asks_only_for_what_is_new(truth: Estate, tmp_path: Path) -> None:
    """A day later: one day of load, the jobs since, and together what one pull would have brought."""
    yesterday = DEMO_AS_OF - timedelta(days=1)
    with _cloud(truth, yesterday) as emulator:
        first = _pull(emulator, truth, tmp_path / "estate", yesterday)
    with _cloud(truth) as emulator:
        second = _pull(emulator, truth, tmp_path / "estate", append=True)
        with _cloud(truth) as other:
            _pull(other, truth, tmp_path / "at-once", days=DAYS + 1)
    assert first.complete and second.complete
    assert second.requests["metrics"] * DAYS == first.requests["metrics"]
    mine, at_once = open_estate(tmp_path / "estate"), open_estate(tmp_path / "at-once")
    _assert_load(mine, truth, _last_days(DAYS + 1))
    assert mine.jobs().select(JOB_KEYS).equals(at_once.jobs().select(JOB_KEYS))
    assert mine.jobs().height > first.jobs and mine.jobs().height == first.jobs + second.jobs


@pytest.mark.parametrize(
    "faults",
    [
        Faults(rate_429=0.2, seed=1),
        Faults(rate_429=0.2, retry_after=0.02, seed=2),
        Faults(rate_500=0.1, rate_502=0.1, seed=3),
        Faults(drop_before=0.05, drop_after=0.05, seed=4),
        Faults(most_per_second=40),
    ],
    ids=["429", "429-retry-after", "5xx", "drops", "throttle"],
)
def test_faults_change_nothing(truth: Estate, tmp_path: Path, faults: Faults) -> None:
    """Throttled, failing and lost requests are repeated, and the estate is the same as without them."""
    with _cloud(truth, faults=faults) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate")
    assert report.complete, (report.failures, report.failed)
    _assert_load(open_estate(tmp_path / "estate"), truth, _last_days(DAYS))


def test_vault_without_rights_names_the_right(truth: Estate, tmp_path: Path) -> None:
    """One vault answers 403: the right and the role are named, and the other vaults are in the estate."""
    vault = str(truth.document.vaults[1]["id"])
    denied = frozenset({f"Microsoft.RecoveryServices/Vaults/backupPolicies/read {vault}"})
    with _cloud(truth, settings=EmulatorSettings(denied_actions=denied)) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate")
    assert not report.complete and report.vaults == len(truth.document.vaults) - 1
    (failure,) = report.failures
    assert failure.what == f"vault {vault}"
    assert "backupPolicies/read" in failure.why and "Backup Schedule Optimizer Reader" in failure.why


def test_metrics_without_rights_stop_the_pull(truth: Estate, tmp_path: Path) -> None:
    """Where the load of no VM may be read, the pull says which right is missing, and leaves no estate."""
    denied = frozenset({"Microsoft.Insights/metrics/read"})
    with (
        _cloud(truth, settings=EmulatorSettings(denied_actions=denied)) as emulator,
        pytest.raises(CloudError, match=r"no load could be pulled.*Microsoft\.Insights/metrics/read"),
    ):
        _pull(emulator, truth, tmp_path / "estate")
    assert not (tmp_path / "estate").exists()


@pytest.mark.parametrize("status", [400, 501])
def test_one_failing_vm_costs_only_itself(truth: Estate, tmp_path: Path, status: int) -> None:
    """A VM for whose sake whole requests are refused, and one with an error in the answer, are told apart from all."""
    refused, erring = (str(truth.document.vms[n]["id"]) for n in (3, 4))
    settings = EmulatorSettings(
        failing_metrics=frozenset({refused}), failing_metrics_status=status, metric_errors=frozenset({erring})
    )
    with _cloud(truth, settings=settings) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate")
    assert report.failed.keys() == {ArmId(refused), ArmId(erring)}
    assert all(why.startswith("request failed: ") for why in report.failed.values())
    mine = open_estate(tmp_path / "estate")
    assert mine.document.load_gaps.keys() >= {ArmId(refused), ArmId(erring)}
    load = mine.load.read_day(_last_days(1)[0])
    assert {refused, erring}.isdisjoint(load.vm_ids) and len(load.vm_ids) >= 50


def test_memory_from_bytes_and_the_size(truth: Estate, tmp_path: Path) -> None:
    """VMs without a percentage of memory get it from the bytes that are free and the size's memory."""
    without = frozenset(str(vm["id"]) for vm in truth.document.vms[:30])
    with _cloud(truth, settings=EmulatorSettings(no_memory_percentage=without)) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate")
    assert report.complete and report.requests["vm sizes"] >= 1
    _assert_load(open_estate(tmp_path / "estate"), truth, _last_days(DAYS), tolerance=0.05)


def test_unknown_memory_of_sizes_is_told(truth: Estate, tmp_path: Path) -> None:
    """Where the sizes may not be read either, memory stays unknown, processor load is kept, and the right is named."""
    settings = EmulatorSettings(
        no_memory_percentage=frozenset(str(vm["id"]) for vm in truth.document.vms),
        denied_actions=frozenset({"Microsoft.Compute/skus/read"}),
    )
    with _cloud(truth, settings=settings) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate")
    assert report.failures and not report.failed
    assert all("Microsoft.Compute/skus/read" in failure.why for failure in report.failures)
    load = open_estate(tmp_path / "estate").load.read_day(_last_days(1)[0])
    assert np.isnan(load.mem_percent).all() and not np.isnan(load.cpu_percent).all()


def test_maxima_where_asked_for(truth: Estate, tmp_path: Path) -> None:
    """With the statistic maximum, maxima of both metrics are there and never below the averages."""
    with _cloud(truth) as emulator:
        _pull(emulator, truth, tmp_path / "estate", statistic="maximum")
    load = open_estate(tmp_path / "estate").load.read_day(_last_days(1)[0])
    assert load.cpu_max is not None and load.mem_max is not None
    for most, mean in ((load.cpu_max, load.cpu_percent), (load.mem_max, load.mem_percent)):
        known = ~np.isnan(mean)
        assert (most[known] >= mean[known] - 0.011).all()


def test_workspace_stands_in(truth: Estate, tmp_path: Path) -> None:
    """A VM of which the metrics have nothing gets its load from the workspace."""
    workspace = "00000000-0000-4000-8000-00000000000a"
    missing = frozenset(str(vm["id"]) for vm in truth.document.vms[:5])
    settings = EmulatorSettings(
        metric_errors=missing,
        workspaces={workspace: frozenset({"InsightsMetrics", "AddonAzureBackupJobs", "CoreAzureBackup"})},
    )
    with _cloud(truth, settings=settings) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate", workspaces=(workspace,))
    assert report.requests["logs"] >= DAYS
    assert not missing & report.failed.keys(), report.failed
    _assert_load(open_estate(tmp_path / "estate"), truth, _last_days(DAYS), tolerance=0.05)


def test_partial_answer_of_a_workspace_is_used_and_told(truth: Estate, tmp_path: Path) -> None:
    """What a workspace did give is load; VMs of which nothing came have failed, and so have the jobs."""
    workspace = "00000000-0000-4000-8000-00000000000a"
    missing = frozenset(str(vm["id"]) for vm in truth.document.vms[:4])
    settings = EmulatorSettings(
        metric_errors=missing, workspaces={workspace: frozenset({"Perf", "AddonAzureBackupJobs"})}, partial_logs=True
    )
    with _cloud(truth, settings=settings) as emulator:
        report = _pull(emulator, truth, tmp_path / "estate", workspaces=(workspace,))
    assert not report.complete and not report.failed.keys() >= missing
    assert [failure.what for failure in report.failures] == ["jobs of the workspaces"]
    load = open_estate(tmp_path / "estate").load
    assert any(load.read_vm(vm_id).dates for vm_id in missing)


def test_stopped_vm_is_known_to_be_off(truth: Estate, tmp_path: Path) -> None:
    """A VM that Resource Graph shows as deallocated is off since its last sample."""
    off = str(truth.document.vms[2]["id"])
    with _cloud(truth, settings=EmulatorSettings(stopped_vms=frozenset({off}))) as emulator:
        _pull(emulator, truth, tmp_path / "estate", now=DEMO_AS_OF + timedelta(hours=4))
    load = open_estate(tmp_path / "estate").load.read_day(DEMO_AS_OF.date())
    assert load.vm_ids == (off,) and load.running is not None
    assert load.running[0].tolist() == [0] * 48 + [-1] * 240


class _KilledError(Exception):
    """Stands for a kill."""


def test_killed_pull_goes_on(truth: Estate, tmp_path: Path) -> None:
    """Killed in the middle of the load, the same command asks for the remaining days only."""

    def kill(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "load" and _last_days(2)[0].isoformat() in note:
            raise _KilledError(f"{done} of {total}")

    with _cloud(truth) as emulator:
        with pytest.raises(_KilledError):
            _pull(emulator, truth, tmp_path / "estate", progress=kill)
        before = emulator.requests["items.list"]
        report = _pull(emulator, truth, tmp_path / "estate")
        assert emulator.requests["items.list"] == before
    assert report.resumed and report.complete
    _assert_load(open_estate(tmp_path / "estate"), truth, _last_days(DAYS))


def test_scope_by_vault_and_by_management_group(truth: Estate, tmp_path: Path) -> None:
    """One vault by its id in another case, or all of a management group."""
    vault = str(truth.document.vaults[0]["id"])
    with _cloud(truth) as emulator:
        one = _pull(emulator, truth, tmp_path / "one", scope=PullScope(vaults=(vault.lower(),)))
        group = _pull(emulator, truth, tmp_path / "group", scope=PullScope(management_groups=("root",)))
    assert one.complete and one.vaults == 1 and one.unprotected > 0
    assert group.complete and group.vaults == len(truth.document.vaults)


def test_command_says_that_a_part_failed(truth: Estate, tmp_path: Path) -> None:
    """The command exits with 6, its JSON has the failures, and neither it nor the estate has a token."""
    vault = str(truth.document.vaults[1]["id"])
    denied = frozenset({f"Microsoft.RecoveryServices/Vaults/backupProtectedItems/read {vault}"})
    with _cloud(truth, NOW, settings=EmulatorSettings(denied_actions=denied)) as emulator:
        options = ["--emulator", emulator.endpoint, "--ca-file", str(emulator.ca_file), "--format", "json"]
        scope = [part for name in subscriptions_of(truth.document) for part in ("--subscription", name)]
        result = CliRunner().invoke(
            pull_command, [*scope, "--out", str(tmp_path / "estate"), "--days", "1", *options], catch_exceptions=False
        )
    assert result.exit_code == PARTLY_FAILED
    assert [failure["what"] for failure in json.loads(result.stdout)["failures"]] == [f"vault {vault}"]
    assert "Bearer" not in (tmp_path / "estate" / "estate.json").read_text(encoding="utf-8")
