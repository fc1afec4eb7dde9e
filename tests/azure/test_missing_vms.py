"""A pull tells VMs that are gone from VMs that this account may not read, and asks nothing else of either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from optimizer.azure.connection import Connection
from optimizer.azure.pull import azure_source
from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.emulator import Emulator, EmulatorSettings
from optimizer.errors import AuthError, DataError, ForbiddenError, UncertainError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.pull.estate_pull import pull_to_folder
from optimizer.intake.pull.missing_vms import MOST_LOOKS, look_for
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_report import PullReport
from optimizer.intake.pull.pull_source import PullScope
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.model.raw import id_of
from optimizer.ports import Resource
from optimizer.report.terminal.pull import render_pull
from optimizer.report.terminal.sheet import to_text
from tests.azure.clouds import subscriptions_of


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """What there was in the cloud before VMs were deleted."""
    folder = tmp_path_factory.mktemp("truth") / "estate"
    generate_demo(folder, vms=24, weeks=1)
    return open_estate(folder)


def running(truth: Estate) -> list[str]:
    """VMs that are backed up, sorted."""
    return sorted(item.vm_id for item in truth.inventory().items)


@contextmanager
def cloud(truth: Estate, gone: set[str], **settings: Any) -> Iterator[Emulator]:
    """The cloud, without some VMs; their protection is still there."""
    document = truth.document.model_copy(
        update={"vms": tuple(vm for vm in truth.document.vms if id_of(vm) not in gone)}
    )
    clock = VirtualClock(DEMO_AS_OF)
    with Emulator.of_estate(document, clock=clock, load=truth.load, settings=EmulatorSettings(**settings)) as emulator:
        yield emulator


def pulled(emulator: Emulator, truth: Estate, out: Path, **options: Any) -> PullReport:
    """Pull a day of everything."""
    scope = PullScope(subscriptions=subscriptions_of(truth.document))
    with azure_source(Connection.to_emulator(emulator.endpoint, emulator.ca_file)) as source:
        return pull_to_folder(scope, out, source, PullOptions(days=1, **options), clock=VirtualClock(DEMO_AS_OF))


def test_vms_that_are_gone_are_idle_and_no_failure(truth: Estate, tmp_path: Path) -> None:
    """Their load is not asked for, the pull is complete, and the other items are as they were."""
    gone = set(running(truth)[:3])
    with cloud(truth, gone) as emulator:
        report = pulled(emulator, truth, tmp_path / "estate")
    assert report.complete, (report.failures, report.failed)
    assert set(report.not_found) == gone
    assert not report.hidden
    assert not gone & {*report.no_data, *report.too_little}
    document = open_estate(tmp_path / "estate").document
    assert document.missing_vms == dict.fromkeys(gone, "gone")
    found, before = open_estate(tmp_path / "estate").inventory(), truth.inventory()
    assert {item.id for item in found.items} == {item.id for item in before.items if item.vm_id not in gone}
    assert {item.vm_id for item in found.idle_items if item.unwritable.startswith("VM not found")} == gone
    text = " ".join(to_text(render_pull(report)[0]).split())
    assert "3 protected VMs were not found (" in text


def test_a_vm_that_is_deleted_between_two_pulls_is_gone(truth: Estate, tmp_path: Path) -> None:
    """What the estate knew of it does not stand in for it, and the first fingerprint does not mention it."""
    with cloud(truth, set()) as emulator:
        pulled(emulator, truth, tmp_path / "estate")
    assert "missing_vms" not in (tmp_path / "estate" / "estate.json").read_text(encoding="utf-8")
    gone = set(running(truth)[-2:])
    with cloud(truth, gone) as emulator:
        report = pulled(emulator, truth, tmp_path / "estate", append=True)
    assert set(report.not_found) == gone
    idle = open_estate(tmp_path / "estate").inventory().idle_items
    assert {item.vm_id for item in idle if item.unwritable.startswith("VM not found")} == gone


def test_vms_that_may_not_be_read_keep_running_where_they_are(truth: Estate, tmp_path: Path) -> None:
    """Resource Graph leaves them out without a word; asked for one by one, 403 is told from 404."""
    vms = running(truth)
    group = vms[0].partition("/providers/")[0]
    hidden = {vm for vm in vms if vm.lower().startswith(group.lower() + "/")}
    gone = {next(vm for vm in vms if vm not in hidden)}
    right = f"Microsoft.Compute/virtualMachines/read {group}"
    with cloud(truth, gone, denied_actions=frozenset({right})) as emulator:
        report = pulled(emulator, truth, tmp_path / "estate")
    assert set(report.hidden) >= hidden
    assert set(report.not_found) == gone
    found = open_estate(tmp_path / "estate").inventory()
    kept = {item.vm_id: item.unwritable for item in found.items}
    assert all(kept[vm].startswith("VM not visible to this account") for vm in hidden)
    assert not [vm for vm, why in kept.items() if why.startswith("VM not visible") and vm not in report.hidden]
    assert "This account may not read" in " ".join(to_text(render_pull(report)[0]).split())


GROUP = "/subscriptions/s/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{}"


def test_each_answer_has_its_meaning() -> None:
    """404 is gone, 403 closes the resource group, 200 is there; what could not be asked is left alone and said."""
    asked: list[str] = []
    answers: dict[str, Resource | Exception | None] = {
        "gone": None,
        "there": {"id": GROUP.format("a", "THERE"), "location": "westeurope"},
        "closed-1": ForbiddenError("no right"),
        "odd": DataError("no id of a VM"),
        "lost": UncertainError("no answer"),
    }

    def find_vm(vm_id: str) -> Resource | None:
        asked.append(vm_id.rpartition("/")[2])
        answer = answers[asked[-1]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    closed = [GROUP.format("closed", f"closed-{number}") for number in (1, 2, 3)]
    looked = look_for([*(GROUP.format("a", name) for name in ("gone", "there", "odd", "lost")), *closed], find_vm)
    assert {vm_id.rpartition("/")[2]: how for vm_id, how in looked.missing.items()} == {
        "gone": "gone",
        "odd": "gone",
        "lost": "hidden",
        "closed-1": "hidden",
        "closed-2": "hidden",
        "closed-3": "hidden",
    }
    assert list(looked.found) == [GROUP.format("a", "there").lower()]
    assert looked.troubles == {ArmId(GROUP.format("a", "lost")): "no answer"}
    assert "closed-2" not in asked


def test_a_sign_in_that_is_refused_stops_the_search_and_requests_are_bounded() -> None:
    """Nothing else could be read either; and an estate of which nothing is listed costs no request per VM."""

    def refuse(vm_id: str) -> None:
        raise AuthError(vm_id)

    with pytest.raises(AuthError):
        look_for(["x"], refuse)
    asked: list[str] = []
    looked = look_for([GROUP.format("g", f"vm-{number:04d}") for number in range(MOST_LOOKS + 7)], asked.append)  # type: ignore[func-returns-value, arg-type]
    assert len(asked) == MOST_LOOKS
    assert list(looked.missing.values()).count("hidden") == 7
    assert len(looked.troubles) == 1
