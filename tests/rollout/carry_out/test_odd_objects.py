"""One odd object or answer costs its own VM or its own vault, never the rest of the plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.cli.rollout import exit_code_of
from optimizer.errors import EstateError
from optimizer.journal import read_journal, state_of
from optimizer.ports import Resource
from tests.rollout.azure_rollouts import azure, of_two_vaults, ready_of, small, with_items
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService

ODD_TYPE = "AzureIaaSVMProtectedItem"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protectedItemType": ODD_TYPE}, ODD_TYPE),
        ({"protectedItemType": ["x"]}, "protectedItemType"),
        ({"sourceResourceId": "app-0", "virtualMachineId": "app-0"}, "sourceResourceId"),
    ],
)
def test_an_item_that_could_not_be_sent_is_not_planned(change: dict[str, Any], reason: str) -> None:
    """What the sender would refuse is no move of a plan, and the estate says why."""
    items = [one for one in with_items(small(), {"app-0": change}).inventory.items if one.unwritable]
    assert [one.runs for one in items] == [True]
    assert reason in items[0].unwritable


def test_a_plan_with_such_an_item_makes_its_other_writes(tmp_path: Path) -> None:
    """A plan that moves such an item nevertheless blocks that write and makes the others; resumptions end in order."""
    odd = with_items(small(), {"app-0": {"protectedItemType": ODD_TYPE}})
    ready = Ready(ready_of(odd).estate, ready_of(small()).plan, Path("plan.json"))
    with azure(ready, tmp_path) as cloud:
        outcome = cloud.apply()
        (blocked,) = outcome.blocked
        assert ODD_TYPE in blocked.reason
        assert len(outcome.done) == len(ready.plan.changes) - 1
        assert "app-0" not in cloud.written
        again = cloud.apply(resume=True)
        assert (again.blocked, again.done, again.broken) == (outcome.blocked, outcome.done, ())


def test_a_refusal_by_the_senders_own_check_is_a_failed_write(tmp_path: Path) -> None:
    """What the sender refuses to send is recorded as failed and not counted; all other writes are made."""
    ready, item_id = ready_of(small()), "/item"
    service = FakeService(ready.document)

    def refuse(object_id: str) -> None:
        if "app-0" in object_id:
            AzureBackupService(Connection()).put_item(item_id, {})

    service.before_write = refuse
    outcome = run(ready, service, tmp_path)
    (failed,) = outcome.failed
    assert "not sent" in outcome.reasons[failed]
    assert len(outcome.done) == len(ready.plan.changes) - 1
    assert not outcome.broken


class Odd(FakeService):
    """A service some of whose answers nobody expects."""

    on_item: Callable[[str], None] = staticmethod(lambda _: None)

    def get_item(self, item_id: str) -> Resource | None:
        """The item, or trouble."""
        self.on_item(item_id)
        return super().get_item(item_id)


@pytest.mark.parametrize("error", [ValueError("odd answer"), RecursionError("deep"), KeyError("properties")])
@pytest.mark.parametrize("when", ["before", "while sent"])
def test_an_unexpected_error_ends_its_lane_alone(tmp_path: Path, error: Exception, when: str) -> None:
    """The other vault is written, the outcome names vault, write and error, and a resumption goes on."""
    ready = ready_of(of_two_vaults())
    service = Odd(ready.document)

    def fail(object_id: str) -> None:
        if "one-0" in object_id:
            raise error

    if when == "before":
        service.on_item = fail
    else:
        service.before_write = fail
    outcome = run(ready, service, tmp_path)
    odd, other = (
        next(write for write in ready.writes if write.name == name and write.kind == "reassign_item")
        for name in ("one-0", "two-0")
    )
    assert other.number in outcome.done
    assert type(error).__name__ in outcome.pending[odd.number]
    (broken,) = outcome.broken
    assert exit_code_of(outcome) == 1
    assert "one-0" in broken
    assert (odd.number in state_of(read_journal(tmp_path / "plan.journal.jsonl")).open) == (when == "while sent")
    service.on_item = service.before_write = lambda _: None
    outcome = run(ready, service, tmp_path, resume=True)
    assert outcome.complete
    assert not outcome.broken
    assert exit_code_of(outcome) == 0


def test_a_disk_that_fails_ends_every_lane(tmp_path: Path) -> None:
    """Without journal and ledger no vault may be written."""
    ready = ready_of(of_two_vaults())
    service = Odd(ready.document)

    def fail(object_id: str) -> None:
        raise EstateError(f"cannot write {object_id}: the disk is full")

    service.on_item = fail
    with pytest.raises(EstateError, match="full"):
        run(ready, service, tmp_path)
