"""A vault from which the service asked to stay away gets no request at all, in this run and in the next ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optimizer.errors import ThrottledError
from optimizer.model.clock import VirtualClock
from optimizer.ports import Accepted, Resource
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import VAULT
from tests.rollout.azure_rollouts import of_two_vaults, ready_of, small
from tests.rollout.conftest import PACE, Ready, prepare_back, run
from tests.rollout.fake_service import FakeService, Killed
from tests.rollout.small_rollouts import NOW

HOURS = 4
UNTIL = NOW + timedelta(hours=HOURS)


def few_hours(code: str = "CloudDosTimeboudLimitReached") -> ThrottledError:
    """Build a refusal that asks to stay away for hours."""
    return ThrottledError(f"{code}: retry after few hours", code=code, retry_after_seconds=3600.0 * HOURS)


class Guarded(FakeService):
    """A service that counts its requests by vault, and refuses one kind of them in the first vault."""

    refused = ""
    code = "CloudDosTimeboudLimitReached"

    def __post_init__(self) -> None:
        """Begin without requests."""
        super().__post_init__()
        self.requests: Counter[str] = Counter()

    def _count(self, kind: str, object_id: str) -> None:
        is_first = object_id.lower().startswith(VAULT.lower())
        self.requests["first" if is_first else "second"] += 1
        if is_first and kind == self.refused:
            raise few_hours(self.code)

    def get_policy(self, policy_id: str) -> Resource | None:
        """A policy as it is now."""
        self._count("get_policy", policy_id)
        return super().get_policy(policy_id)

    def get_item(self, item_id: str) -> Resource | None:
        """An item as it is now."""
        self._count("get_item", item_id)
        return super().get_item(item_id)

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Policies of a vault."""
        self._count("list_policies", vault_id)
        return super().list_policies(vault_id)

    def list_items(self, vault_id: str) -> list[Resource]:
        """Items of a vault."""
        self._count("list_items", vault_id)
        return super().list_items(vault_id)

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """A vault and what is attached to it."""
        self._count("vault_settings", vault_id)
        return super().vault_settings(vault_id)

    def running_jobs(self, vault_id: str) -> list[Resource]:
        """Jobs of a vault in progress."""
        self._count("running_jobs", vault_id)
        return super().running_jobs(vault_id)

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> Accepted | None:
        self._count("write", object_id)
        return super()._write(kind, object_id, effect)


@pytest.fixture(scope="module")
def one() -> Ready:
    """A plan for one vault."""
    return ready_of(small())


@pytest.fixture(scope="module")
def two() -> Ready:
    """A plan for two vaults."""
    return ready_of(of_two_vaults())


REFUSED = ["list_policies", "list_items", "vault_settings", "get_policy", "running_jobs", "write"]


@pytest.mark.parametrize("refused", REFUSED)
def test_after_a_closure_no_request_is_sent(one: Ready, tmp_path: Path, refused: str) -> None:
    """Whichever request is refused for hours, runs before the time send nothing and report it; later runs go on."""
    clock, service = VirtualClock(NOW), Guarded(one.document)
    service.refused = refused
    outcome = run(one, service, tmp_path, clock=clock, wait=False)
    assert outcome.resume_at is not None
    for _ in range(2):
        service.requests.clear()
        clock.sleep(600.0)
        outcome = run(one, service, tmp_path, clock=clock, wait=False, resume=True)
        assert service.requests == {}
        assert outcome.resume_at is not None
        assert UNTIL <= outcome.resume_at <= UNTIL + timedelta(minutes=5)
        assert all("closed until 2026-02-18 13:0" in reason for reason in outcome.pending.values())
    service.refused = ""
    clock.sleep(3600.0 * HOURS)
    assert run(one, service, tmp_path, clock=clock, resume=True).complete


def prepared_remarks(ready: Ready, service: FakeService, folder: Path, clock: VirtualClock) -> tuple[str, ...]:
    """Return what is shown before the confirmation."""
    prepared = prepare_apply(
        ready.case, Session(service, clock, Ledger(folder / "state")), RunJournal(folder / "j.jsonl")
    )
    return prepared.remarks


def test_a_closed_vault_is_reported_before_the_confirmation(one: Ready, tmp_path: Path) -> None:
    """The summary names the vault, the time, and what the service said."""
    clock, service = VirtualClock(NOW), Guarded(one.document)
    service.refused = "list_policies"
    (remark,) = (text for text in prepared_remarks(one, service, tmp_path, clock) if "closed" in text)
    assert remark.startswith("vault rsv-one is closed until 2026-02-18 13:00 UTC, as the service asked, so nothing is")
    assert "retry after few hours" in remark


@pytest.mark.parametrize(
    ("code", "second_is_written"), [("CloudDosTimeboudLimitReached", True), ("SubscriptionRequestsThrottled", False)]
)
def test_other_vaults_go_on_unless_the_subscription_is_closed(
    two: Ready, tmp_path: Path, code: str, second_is_written: bool
) -> None:
    """A closed vault keeps its own writes waiting; a throttled subscription keeps all of them waiting."""
    clock, service = VirtualClock(NOW), Guarded(two.document)
    service.refused, service.code = "list_policies", code
    outcome = run(two, service, tmp_path, clock=clock, wait=False)
    vaults = {write.number: write.vault_id for write in two.writes}
    assert {vaults[number] == VAULT for number in outcome.done} == ({False} if second_is_written else set())
    assert {number for number in vaults if vaults[number] == VAULT} <= outcome.pending.keys()


def test_a_run_that_waits_goes_on_when_the_vault_opens(one: Ready, tmp_path: Path) -> None:
    """A closure met by the first read is waited for, and every object is compared before it is written."""
    clock, service = VirtualClock(NOW), Guarded(one.document)
    service.refused = "list_items"
    ledger = Ledger(tmp_path / "state")
    journal = tmp_path / "plan.journal.jsonl"
    prepared = prepare_apply(one.case, Session(service, clock, ledger), RunJournal(journal))
    service.refused = ""
    moved = next(write for write in one.writes if write.kind == "reassign_item")
    service.items[moved.object_id.lower()]["properties"]["policyId"] = VAULT + "/backupPolicies/elsewhere"
    outcome = carry_out(prepared, Session(service, clock, ledger), until=NOW + timedelta(days=3), pace=PACE)
    assert outcome.skipped == (moved.number,)
    assert len(outcome.done) == len(one.writes) - 1


def test_a_rollback_sends_nothing_to_a_closed_vault(one: Ready, tmp_path: Path) -> None:
    """Neither the look at open writes nor the comparison asks a closed vault; the way back waits, and is whole."""
    clock, service = VirtualClock(NOW), Guarded(one.document)
    move = next(write for write in one.writes if write.kind == "reassign_item")
    before = service.before_write

    def kill(object_id: str) -> None:
        if object_id == move.object_id:
            service.before_write = before
            raise Killed

    service.before_write = kill
    scope = RunScope(only=(parse_filter(f"vm={move.name}"),))
    with pytest.raises(Killed):
        run(one, service, tmp_path, clock=clock, scope=scope)
    service.refused = "get_item"
    for _ in range(2):
        prepared = prepare_back(one, service, tmp_path, clock)
        assert {write.number for write in prepared.writes} == {move.number}
        assert any("closed until" in remark for remark in prepared.remarks)
        service.requests.clear()
        clock.sleep(600.0)
        prepare_back(one, service, tmp_path, clock)
        assert service.requests == {}


def test_a_refusal_without_a_time_is_an_error(one: Ready, tmp_path: Path) -> None:
    """Where the service does not say how long to stay away, the first read ends the run as before."""

    class Busy(FakeService):
        def list_policies(self, vault_id: str) -> list[Resource]:
            raise ThrottledError(f"too many requests for {vault_id}")

    with pytest.raises(ThrottledError, match="too many requests"):
        run(one, Busy(one.document), tmp_path, clock=VirtualClock(NOW))


def test_the_time_of_a_closure_is_kept_for_other_plans(one: Ready, tmp_path: Path) -> None:
    """The ledger holds the closure, so that every run on this machine obeys it."""
    clock, service = VirtualClock(NOW), Guarded(one.document)
    service.refused = "list_policies"
    run(one, service, tmp_path, clock=clock, wait=False)
    closure = Ledger(tmp_path / "state").closed(VAULT, clock.now())
    assert closure is not None
    assert isinstance(closure.closed_until, datetime)
    assert closure.closed_until == UNTIL
