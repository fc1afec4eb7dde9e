"""Each write is sent once and looked after: what turns away, what is accepted, what asks to stay away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from optimizer.emulator import CloudState, EmulatorSettings, Refusal
from optimizer.errors import CloudError, ConflictError, NotFoundError, RejectedError, UncertainError
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.journal import AcceptedRecord, Journal, Record, read_journal, state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.ports import Accepted, Look
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.scope import Approval
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import VAULT, policy_id, vm_id
from tests.rollout.azure_rollouts import Azure, azure, of_two_vaults, ready_of, small
from tests.rollout.conftest import PACE, Ready, run
from tests.rollout.fake_service import FakeService, Killed
from tests.rollout.small_rollouts import NOW

DAILY_LIMIT = "Operation is blocked as you have reached the limit on number of operations permitted in 24 hours"
ENDLESS = EmulatorSettings(operation_reads=10**9, operation_seconds=1e9)


def turn_away(
    status: int = 429, code: str = "ResourceRequestsThrottled", text: str = "Too many requests.", wait: str = ""
) -> Any:
    """Build an interference that refuses the write that comes."""

    def act(state: CloudState) -> None:
        del state
        raise Refusal(status, code, text, {"Retry-After": wait} if wait else {})

    return act


def change_item(cloud: Azure, vm: str, **properties: object) -> None:
    """Let somebody change the item of a VM."""
    (key,) = (key for key in cloud.emulator.state.contents.items if key.endswith(f";{vm}"))
    item = cloud.emulator.state.contents.items[key]
    cloud.emulator.state.contents.items[key] = {**item, "properties": {**item["properties"], **properties}}


def apply_now(cloud: Azure, *, resume: bool = False) -> RunOutcome:
    """Apply without waiting for what opens later."""
    prepared = cloud.prepare(resume=resume)
    state = cloud.folder / "state"
    return carry_out(prepared, Session(cloud.service, cloud.clock, Ledger(state)), pace=PACE)


# A write that was turned away is looked at again before it is sent again


@pytest.mark.parametrize(
    "change",
    [
        {"policyId": policy_id("weekly-7"), "policyName": "weekly-7"},
        {"policyId": "", "policyName": "", "protectionState": "ProtectionStopped"},
        {"extendedProperties": {"diskExclusionProperties": {"diskLunList": [3], "isInclusionList": False}}},
        {"protectionState": None},
        {"protectionState": "Quantum"},
    ],
    ids=["moved", "stopped", "other disks", "state of null", "unknown state"],
)
def test_what_somebody_does_after_a_429_is_not_overwritten(tmp_path: Path, change: Mapping[str, object]) -> None:
    """Between a 429 and the next try somebody changes the VM: it is left alone, and no protection starts again."""
    with azure(ready_of(small()), tmp_path) as cloud:

        def refuse_and_change(state: CloudState) -> None:
            change_item(cloud, "app-0", **change)
            turn_away(wait="60")(state)

        number = [write.name for write in cloud.ready.writes].index("app-0") + 1
        for write in range(1, len(cloud.ready.writes) + 1):  # the order of lanes does not matter
            cloud.emulator.interfere(_only_for(cloud, "app-0", refuse_and_change), before_write=write)
        outcome = cloud.apply()
        assert "app-0" not in cloud.written
        assert number in outcome.skipped
        (left,) = (one for one in cloud.emulator.snapshot().protected_items if one["id"].endswith(";app-0"))
        assert left["properties"] == {**left["properties"], **change}


def _only_for(cloud: Azure, vm: str, action: Any) -> Any:
    """Act once, right before the write of a VM."""
    acted: list[bool] = []

    def act(state: CloudState) -> None:
        begun = [r for r in read_journal(cloud.journal) if r.record == "intent"]
        if begun[-1].name == vm and not acted:
            acted.append(True)
            action(state)

    return act


def test_a_backup_that_begins_after_a_429_is_not_disturbed(tmp_path: Path) -> None:
    """The next try looks for jobs again: a backup that began meanwhile is over before the VM is written."""
    begin, end = NOW + timedelta(seconds=30), NOW + timedelta(minutes=40)
    job = (vm_id("app-0"), VAULT, begin, end, None, "OnDemandBackup", "Completed", None)
    jobs = pl.DataFrame([job], schema=JOB_SCHEMA, orient="row")
    with azure(ready_of(small()), tmp_path, jobs=jobs) as cloud:
        for write in range(1, len(cloud.ready.writes) + 1):
            cloud.emulator.interfere(_only_for(cloud, "app-0", turn_away(wait="60")), before_write=write)
        assert cloud.apply().complete
        assert cloud.moved("app-0").at >= end


@pytest.mark.parametrize("wait", ["", "7", "120"])
def test_a_short_wait_is_waited_for(tmp_path: Path, wait: str) -> None:
    """After a 429 the lane rests as long as it was asked to, or a minute, and the run goes on by itself."""
    with azure(ready_of(small()), tmp_path) as cloud:
        cloud.emulator.interfere(turn_away(wait=wait))
        assert len(apply_now(cloud).done) == 4  # the fifth opens at night
        assert cloud.emulator.writes[0].at >= NOW + timedelta(seconds=float(wait or 60))


@pytest.mark.parametrize("status", [429, 503])
def test_a_vault_rests_as_long_as_any_answer_asks(tmp_path: Path, status: int) -> None:
    """A 503 leaves it open what became of the write, and its Retry-After holds for the others of the vault."""
    with azure(ready_of(small()), tmp_path) as cloud:
        cloud.emulator.interfere(turn_away(status, "Busy", "The server is busy.", wait="250"))
        assert len(apply_now(cloud).done) == 4
        assert all(write.at >= NOW + timedelta(seconds=250) for write in cloud.emulator.writes)


# What asks to stay away for hours is obeyed


REQUESTS_TO_STAY_AWAY = {
    "header": ({"wait": "86400"}, 24),
    "text": ({"text": "Please retry after few hours."}, 4),
    "text in hours": ({"text": "Try again after 24 hours."}, 24),
    "flood guard": ({"status": 400, "code": "CloudDosTimeboudLimitReached", "text": "retry after few hours"}, 4),
    "daily limit": ({"status": 400, "code": "BMSUserErrorX", "text": DAILY_LIMIT}, 24),
    "daily limit as conflict": ({"status": 409, "code": "Conflict", "text": DAILY_LIMIT + "."}, 24),
}


@pytest.mark.parametrize("name", REQUESTS_TO_STAY_AWAY)
def test_a_lane_stays_closed_as_long_as_the_service_asks(tmp_path: Path, name: str) -> None:
    """The vault gets one request until then, in this run and in later ones; other vaults go on; then all is made."""
    refusal, hours = REQUESTS_TO_STAY_AWAY[name]
    opens = NOW + timedelta(hours=hours)
    with azure(ready_of(of_two_vaults()), tmp_path) as cloud:
        cloud.emulator.interfere(turn_away(**refusal))  # type: ignore[arg-type]
        outcome = apply_now(cloud)
        refused = cloud.ready.writes[0].vault_id if "two" in cloud.emulator.writes[0].object_id else ""
        assert sorted(cloud.written) in (["one-0", "first-0200"][::-1], ["second-0300", "two-0"]), refused
        assert len(outcome.pending) == 2
        assert all(f"closed until {opens:%Y-%m-%d %H:%M}" in reason for reason in outcome.pending.values())
        assert outcome.resume_at is not None
        assert opens <= outcome.resume_at <= opens + timedelta(minutes=1)
        requests = cloud.emulator.requests["policy.put"] + cloud.emulator.requests["item.put"]
        assert requests == 3
        cloud.clock.sleep(hours * 1800)
        again = apply_now(cloud, resume=True)
        assert again.resume_at == outcome.resume_at
        assert cloud.emulator.requests["policy.put"] + cloud.emulator.requests["item.put"] == requests
        cloud.clock.sleep(hours * 1800 + 60)
        assert apply_now(cloud, resume=True).complete
        assert len(cloud.emulator.writes) == 4


def test_a_run_that_waits_goes_on_by_itself(tmp_path: Path) -> None:
    """With --wait the run sleeps until the vault is open again; its calendar knew nothing of it."""
    with azure(ready_of(small()), tmp_path) as cloud:
        cloud.emulator.interfere(turn_away(wait="20000"))
        assert cloud.apply().complete
        assert cloud.emulator.writes[0].at >= NOW + timedelta(seconds=20000)
        assert cloud.emulator.requests["policy.put"] == 1 + 3


def test_the_calendar_begins_when_a_vault_opens(tmp_path: Path) -> None:
    """What is shown before the confirmation knows of the closed vault."""
    with azure(ready_of(of_two_vaults()), tmp_path) as cloud:
        Ledger(tmp_path / "state").close(VAULT.upper(), NOW + timedelta(hours=2), "come back later")
        prepared = cloud.prepare()
        assert any("rsv-one is closed until 2026-02-18 11:00 UTC" in remark for remark in prepared.remarks)
        writes = prepared.rollout.writes
        first = {timed.write.vault_id: timed.at for timed in reversed(writes)}
        assert first[ArmId(VAULT)] > NOW + timedelta(hours=2)
        assert min(first.values()) == NOW


def test_a_throttled_subscription_pauses_all_its_vaults(tmp_path: Path) -> None:
    """Azure Resource Manager counts per subscription, so a request to one vault closes the others too."""
    with azure(ready_of(of_two_vaults()), tmp_path) as cloud:
        cloud.emulator.interfere(turn_away(code="SubscriptionRequestsThrottled", wait="240"))
        assert apply_now(cloud).complete
        assert len(cloud.emulator.writes) == 4
        assert sum(write.at < NOW + timedelta(seconds=240) for write in cloud.emulator.writes) == 0


@pytest.mark.parametrize(
    ("refusal", "counts"),
    [
        ({}, 0),
        ({"status": 409, "code": "BMSUserErrorObjectLocked"}, 0),
        ({"status": 400, "code": "BMSUserErrorInvalidPolicyInput"}, 0),
        ({"status": 403, "code": "AuthorizationFailed"}, 0),
        ({"status": 500, "code": "InternalServerError"}, 1),
    ],
)
def test_what_was_turned_away_does_not_use_the_budget(tmp_path: Path, refusal: Mapping[str, Any], counts: int) -> None:
    """The ledger counts what may have been carried out, and nothing else."""
    with azure(ready_of(small()), tmp_path) as cloud:
        for write in range(1, 20):
            cloud.emulator.interfere(turn_away(**refusal), before_write=write)
        apply_now(cloud)
        assert not cloud.emulator.writes
        counted = Ledger(tmp_path / "state").since(NOW - timedelta(days=1))
        assert bool(counted) is bool(counts), counted


# What was accepted is never sent again


def test_an_endless_operation_leads_to_one_request(tmp_path: Path) -> None:
    """202 and InProgress for ever: one PUT, whatever number of runs; everything else is made; then it is found."""
    with azure(ready_of(small()), tmp_path, settings=ENDLESS) as cloud:
        moves = {write.number for write in cloud.ready.writes if write.kind != "create_policy"}
        outcome = apply_now(cloud)
        for _ in range(6):
            cloud.clock.sleep(3600)
            outcome = apply_now(cloud, resume=True)
        assert set(outcome.pending) <= moves
        assert any("still carrying it out" in reason for reason in outcome.pending.values())
        puts = cloud.emulator.requests["item.put"] + cloud.emulator.requests["policy.put"]
        intents = [record for record in read_journal(cloud.journal) if record.record == "intent"]
        assert puts == len(intents) == len({record.number for record in intents})
        accepted = [record for record in read_journal(cloud.journal) if isinstance(record, AcceptedRecord)]
        assert accepted
        assert all(record.operation.startswith("/subscriptions/") for record in accepted)
        end_operations(cloud)
        for _ in range(4):
            outcome = cloud.apply(resume=True)
            end_operations(cloud)
        assert outcome.complete
        assert sorted(cloud.written) == sorted({write.name for write in cloud.ready.writes})


class DyingOnAcceptance(Journal):
    """A journal whose process dies when Azure has accepted a write: before the line is on disk, or right after."""

    after = False

    def append(self, record: Record) -> None:
        """Add a record, unless the process dies over it."""
        if isinstance(record, AcceptedRecord) and not self.after:
            raise Killed
        super().append(record)
        if isinstance(record, AcceptedRecord):
            raise Killed


@pytest.mark.parametrize("after", [False, True], ids=["before the line", "after the line"])
def test_killed_at_the_acceptance_nothing_is_sent_again(tmp_path: Path, after: bool) -> None:
    """Whether or not the operation is in the journal, a resumed run looks for its effect instead of sending again."""
    slow = EmulatorSettings(operation_reads=10**9, operation_seconds=120)
    dying = type("Dying", (DyingOnAcceptance,), {"after": after})
    with azure(ready_of(small()), tmp_path, settings=slow) as cloud:
        state = cloud.folder / "state"
        with pytest.raises(Killed):
            carry_out(cloud.prepare(), Session(cloud.service, cloud.clock, Ledger(state)), pace=PACE, journal_of=dying)
        assert cloud.apply(resume=True).complete
        assert cloud.emulator.requests["item.put"] == 2
        assert sorted(cloud.written) == sorted({write.name for write in cloud.ready.writes})


def test_a_slow_operation_does_not_hold_the_others(tmp_path: Path) -> None:
    """An operation that takes hours is left open; the other VM of the vault is moved meanwhile."""
    slow = small()
    with azure(ready_of(slow), tmp_path) as cloud:
        state = cloud.emulator.state
        plain = state._begin

        def begin(object_id: str, *args: Any, **kwargs: Any) -> Any:
            operation = plain(object_id, *args, **kwargs)
            if object_id.endswith(";app-0"):
                operation.reads_left, operation.due = 10**9, cloud.clock.now() + timedelta(hours=2)
            return operation

        state._begin = begin  # type: ignore[method-assign]  # slow for one object only
        assert cloud.apply().complete
        assert cloud.moved("app-1").at < cloud.moved("app-0").at
        assert cloud.moved("app-0").at - NOW >= timedelta(hours=2)
        assert len(cloud.emulator.writes) == len(cloud.ready.writes)


class Scripted(FakeService):
    """A service that accepts writes of items, and whose operations show what a test says."""

    def __init__(
        self, ready: Ready, *looks: Look | CloudError, operation: str = "/subscriptions/s/operations/1"
    ) -> None:
        super().__init__(ready.document)
        self.looks, self.operation = list(looks), operation
        self.puts = self.asked = 0
        self.effective = False

    def put_item(self, item_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Accept it; it takes effect only where the test says so."""
        self.puts += 1
        if self.effective:
            super().put_item(item_id, properties)
        return Accepted(self.operation)

    def look_at_operation(self, operation: str) -> Look:
        """The next look of the script; the last one goes on for ever."""
        self.asked += 1
        assert operation == self.operation
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, CloudError):
            raise look
        return look


@pytest.fixture(scope="module")
def one_move() -> Ready:
    """Build a plan that moves one VM."""
    return ready_of(of_two_vaults())


def attempt(
    ready: Ready, service: FakeService, folder: Path, clock: VirtualClock, *, resume: bool = False
) -> RunOutcome:
    return run(ready, service, folder, clock=clock, resume=resume, wait=False, approval=Approval())


RUNNING, OVER = Look(ended=False), Look(ended=True)


@pytest.mark.parametrize(
    ("look", "end"),
    [
        (Look(ended=True, failure=RejectedError("no", code="UserErrorX")), "failed"),
        (Look(ended=True, failure=ConflictError("locked", code="ObjectLocked")), "again"),
        (Look(ended=True, failure=UncertainError("cancelled")), "again"),
        (RUNNING, "open"),
        (UncertainError("no answer"), "open"),
        (NotFoundError("no such operation"), "open"),
        (OVER, "later"),
    ],
    ids=["refused", "locked", "cancelled", "in progress", "no look succeeds", "unknown", "succeeded"],
)
def test_how_an_operation_without_effect_ends(
    one_move: Ready, tmp_path: Path, look: Look | CloudError, end: str
) -> None:
    """Refused is final, what was in the way may pass, and what may still have an effect is not sent again."""
    service, clock = Scripted(one_move, look), VirtualClock(NOW)
    attempt(one_move, service, tmp_path, clock)
    state = state_of(read_journal(tmp_path / "plan.journal.jsonl"))
    moves = {write.number for write in one_move.writes if write.kind == "reassign_item"}
    match end:
        case "failed":
            assert moves == set(state.failed)
            assert service.puts == 2
        case "again":
            assert service.puts > 2
        case "later":  # it may still show; only then it counts as not carried out
            assert moves == set(state.failed)
            assert service.puts == 2
        case _:
            assert state.open == moves
            assert service.puts == 2


def test_an_effect_counts_more_than_the_operation(one_move: Ready, tmp_path: Path) -> None:
    """Where the object is as planned the write is done, though its operation never ends or cannot be looked at."""
    for number, look in enumerate((RUNNING, OVER, UncertainError("no answer"), NotFoundError("gone"))):
        service = Scripted(one_move, look)
        service.effective = True
        assert attempt(one_move, service, tmp_path / str(number), VirtualClock(NOW)).complete
        assert service.puts == 2


def test_an_acceptance_without_an_address_is_not_sent_again_for_a_day(one_move: Ready, tmp_path: Path) -> None:
    """Nobody can learn how it ends: only after a day without effect it counts as over."""
    service, clock = Scripted(one_move, RUNNING, operation=""), VirtualClock(NOW)
    attempt(one_move, service, tmp_path, clock)
    for _ in range(3):
        clock.sleep(6 * 3600)
        attempt(one_move, service, tmp_path, clock, resume=True)
    assert service.puts == 2
    assert service.asked == 0
    clock.sleep(7 * 3600)
    service.effective = True
    for _ in range(3):
        outcome = run(one_move, service, tmp_path, clock=clock, resume=True)
    assert outcome.complete
    assert service.puts == 4


def test_short_operations_are_looked_at_soon_and_long_ones_seldom(one_move: Ready, tmp_path: Path) -> None:
    """An operation of seconds is seen within seconds; one without end is looked at a few dozen times an hour."""
    service, clock = Scripted(one_move, RUNNING, RUNNING, OVER), VirtualClock(NOW)
    service.effective = True
    assert attempt(one_move, service, tmp_path / "short", clock).complete
    assert clock.now() - NOW < timedelta(seconds=10)
    service, clock = Scripted(one_move, RUNNING), VirtualClock(NOW)
    attempt(one_move, service, tmp_path / "long", clock)
    hours = (clock.now() - NOW) / timedelta(hours=1)
    assert service.asked / len(one_move.writes) / max(hours, 0.25) < 120


def test_journals_of_older_versions_have_no_operations(one_move: Ready, tmp_path: Path) -> None:
    """An open write of an older journal is looked after by its object alone."""
    service, clock = Scripted(one_move, RUNNING), VirtualClock(NOW)
    attempt(one_move, service, tmp_path, clock)
    journal = tmp_path / "plan.journal.jsonl"
    lines = [line for line in journal.read_text().splitlines() if '"record":"accepted"' not in line]
    journal.write_text("\n".join(lines) + "\n")
    clock.sleep(3600)
    service.effective = True
    assert run(one_move, service, tmp_path, clock=clock, resume=True).complete
    assert service.puts == 4


def test_what_is_still_being_carried_out_can_be_taken_back(tmp_path: Path) -> None:
    """The way back of an open write waits for its operation: the VM is back in the end, whenever it took effect."""
    with azure(ready_of(small()), tmp_path, settings=ENDLESS) as cloud:
        apply_now(cloud)
        still_open = state_of(read_journal(cloud.journal)).open
        assert still_open
        outcome = take_back(cloud)
        assert still_open & outcome.pending.keys()
        assert any("still carrying out" in reason for reason in outcome.pending.values())
        end_operations(cloud)  # they take effect after the rollback began
        for _ in range(6):
            outcome = take_back(cloud, resume=True)
            end_operations(cloud)
        assert outcome.complete, outcome
        created = {write.object_id.lower() for write in cloud.ready.writes if write.kind == "create_policy"}
        assert compare_estates(cloud.ready.document, cloud.emulator.snapshot(), besides=created) == ()


def take_back(cloud: Azure, *, resume: bool = False) -> RunOutcome:
    """Roll back, and wait for what opens."""
    ready, state = cloud.ready, cloud.folder / "state"
    prepared = prepare_rollback(
        ready.case,
        Session(cloud.service, cloud.clock, Ledger(state)),
        cloud.journal,
        RunJournal(cloud.folder / "plan.rollback.jsonl", "rollback", resume=resume),
    )
    until = cloud.clock.now() + timedelta(hours=20)
    return carry_out(prepared, Session(cloud.service, cloud.clock, Ledger(state)), until=until, pace=PACE)


def end_operations(cloud: Azure) -> None:
    """Let every operation in progress end now."""
    for operation in list(cloud.emulator.state.operations.due(datetime.max.replace(tzinfo=NOW.tzinfo))):
        operation.due = cloud.clock.now()
    cloud.emulator.state.advance()
