"""A request whose answer was lost stays ours until it is settled, whatever is refused or selected in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.errors import ApplyError, CloudError, RejectedError, ThrottledError
from optimizer.journal import (
    UNKNOWABLE,
    DoneRecord,
    FailedRecord,
    IntentRecord,
    Record,
    SkippedRecord,
    read_journal,
    state_of,
)
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import Rules
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.vm_filter import parse_filter
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.conftest import PACE, Ready, prepare_back, run
from tests.rollout.fake_service import FakeService, Killed
from tests.rollout.late_service import LateService, locked
from tests.rollout.small_rollouts import NOW, world

TWO_AT_ONCE = Rules.model_validate({"rule": [{"name": "two at once", "max_concurrent": 2, "per": "vault"}]})


def three_vms(starts: tuple[str, str, str], targets: tuple[str, str, str]) -> Ready:
    """Three VMs, each in a policy of its own start, under a cap of two at once."""
    policies = {start: f"p{start[:2]}" for start in starts}
    found = [standard_policy(name, start, items=starts.count(start)) for start, name in policies.items()]
    places = {f"app-{n}": policies[start] for n, start in enumerate(starts)}
    return ready_of(world(found, places, {f"app-{n}": start for n, start in enumerate(targets)}, TWO_AT_ONCE))


@pytest.fixture(scope="module")
def joining() -> Ready:
    """Two VMs join one that starts at 02:00 at the end of the plan: it leaves 02:00 before."""
    return three_vms(("23:00", "02:00", "06:00"), ("02:00", "12:00", "02:00"))


@pytest.fixture(scope="module")
def leaving() -> Ready:
    """The same plan the other way round, so that its way back is what ``joining`` applies."""
    return three_vms(("02:00", "12:00", "02:00"), ("23:00", "02:00", "06:00"))


def place_of(service: FakeService, object_id: str) -> ArmId:
    """Return the policy of an item."""
    return ArmId(service.items[object_id.lower()]["properties"]["policyId"])


def starting_at_two(service: FakeService) -> int:
    """Count the VMs whose policy starts at 02:00."""
    ids = [str(item["properties"]["policyId"]).lower() for item in service.items.values()]
    starts = [service.policies[key]["properties"]["schedulePolicy"]["scheduleRunTimes"][0] for key in ids]
    return sum("T02:00" in start for start in starts)


def back(ready: Ready, service: FakeService, folder: Path, clock: VirtualClock, *vms: str, resume: bool) -> RunOutcome:
    """Roll back and wait for what opens within a day and a half."""
    chosen = [parse_filter(f"vm={vm}") for vm in vms]
    prepared = prepare_back(ready, service, folder, clock, *chosen, resume=resume)
    until = clock.now() + timedelta(hours=36)
    return carry_out(prepared, Session(service, clock, Ledger(folder / "state")), until=until, pace=PACE)


def written_late(ready: Ready, service: LateService) -> Write:
    """Return the write whose request is carried out late."""
    return next(write for write in ready.writes if write.object_id == service.late)


def refused_for_good() -> CloudError:
    """Build a refusal after which a write is not tried again."""
    return RejectedError("not allowed", code="UserErrorNotAllowed")


def throttled() -> CloudError:
    """Build the refusal of a vault that got too many requests."""
    return ThrottledError("too many requests", retry_after_seconds=30.0)


@pytest.mark.parametrize("refusal", [locked, throttled, refused_for_good])
@pytest.mark.parametrize("minutes", [8, 20, 40])
def test_a_late_effect_is_taken_back_after_refusals(
    joining: Ready, tmp_path: Path, refusal: Callable[[], CloudError], minutes: int
) -> None:
    """A request of unknown outcome takes effect after its repetition was refused: rollback moves the VM back."""
    clock = VirtualClock(NOW)
    service = LateService(joining.document, clock=clock, delay=timedelta(minutes=minutes), refusal=refusal)
    run(joining, service, tmp_path, clock=clock)
    late = written_late(joining, service)
    outcome = back(joining, service, tmp_path, clock, resume=False)
    clock.sleep(3600.0)
    service.advance()
    assert outcome.complete, outcome
    assert service.due is None
    assert place_of(service, late.object_id) == late.policy_before
    assert {place_of(service, w.object_id) for w in joining.writes if w.vms} == {
        w.policy_before for w in joining.writes if w.vms
    }


@pytest.mark.parametrize("minutes", [20, 90])
def test_a_late_effect_after_a_refusal_is_ours(joining: Ready, tmp_path: Path, minutes: int) -> None:
    """The write that took effect late is found by the next run, and counts as made by this journal."""
    clock = VirtualClock(NOW)
    service = LateService(joining.document, clock=clock, delay=timedelta(minutes=minutes))
    run(joining, service, tmp_path, clock=clock, wait=False)
    late = written_late(joining, service)
    before = state_of(read_journal(tmp_path / "plan.journal.jsonl"))
    assert late.number in before.unsettled
    clock.sleep(60.0 * minutes)
    outcome = run(joining, service, tmp_path, clock=clock, resume=True)
    assert late.number in outcome.done
    assert late.number not in outcome.found
    assert late.number in {write.number for write in prepare_back(joining, service, tmp_path, clock).writes}


@pytest.mark.parametrize("minutes", [3, 8, 20, 40])
def test_a_late_effect_counts_toward_the_limits_from_then_on(joining: Ready, tmp_path: Path, minutes: int) -> None:
    """A request that took effect late leaves no room a day after it was sent, but a day after it took effect."""
    clock = VirtualClock(NOW)
    service = LateService(joining.document, clock=clock, delay=timedelta(minutes=minutes))
    run(joining, service, tmp_path, clock=clock)
    late = written_late(joining, service)
    records = read_journal(tmp_path / "plan.journal.jsonl")
    sent = next(one.at for one in records if isinstance(one, IntentRecord) and one.number == late.number)
    counted = [
        one
        for one in Ledger(tmp_path / "state").since(sent - UNKNOWABLE, "item")
        if one.key.endswith(f"#{late.number}")
    ]
    assert max(one.at for one in counted) >= sent + (timedelta(minutes=minutes) if minutes > 5 else timedelta())
    assert len({one.key for one in Ledger(tmp_path / "state").since(sent - UNKNOWABLE, "item")}) == sum(
        write.kind == "reassign_item" for write in joining.writes
    )


@pytest.mark.parametrize("minutes", [7, 25, 45])
def test_caps_hold_while_a_lost_request_may_take_effect(joining: Ready, tmp_path: Path, minutes: int) -> None:
    """A VM that may still arrive counts under a cap: at no time do more VMs start together than the rule allows."""
    clock, most = VirtualClock(NOW), 0
    service = LateService(joining.document, clock=clock, delay=timedelta(minutes=minutes))
    for n, vm in enumerate(("app-0", "app-2", "app-0", "app-1", "app-2")):
        with suppress(ApplyError):  # the VM cannot move before another has
            run(joining, service, tmp_path, clock=clock, wait=False, scope=scope_of(vm), resume=n > 0)
        service.advance()
        most = max(most, starting_at_two(service))
    clock.sleep(3600.0)
    service.advance()
    assert max(most, starting_at_two(service)) == 2


def scope_of(vm: str, most: int | None = None) -> RunScope:
    """Select one VM."""
    return RunScope(only=(parse_filter(f"vm={vm}"),), max_moves=most)


class KilledAfterward(FakeService):
    """A service whose caller is killed right after its first request for an item took effect."""

    kill = True

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> None:
        super()._write(kind, object_id, effect)
        if self.kill and kind == "item":
            self.kill = False
            raise Killed


class KilledBefore(FakeService):
    """A service whose caller is killed right before its first request for an item arrives."""

    kill = True

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> None:
        if self.kill and kind == "item":
            self.kill = False
            raise Killed
        super()._write(kind, object_id, effect)


KILLED = [KilledAfterward, KilledBefore]


@pytest.mark.parametrize("kind", KILLED)
def test_an_open_write_elsewhere_counts_toward_the_maximum(
    joining: Ready, tmp_path: Path, kind: type[FakeService]
) -> None:
    """With --max-moves 1, a VM whose move is of unknown outcome leaves no room for another, and is named."""
    service, clock = kind(joining.document), VirtualClock(NOW)
    with pytest.raises(Killed):
        run(joining, service, tmp_path, clock=clock, scope=scope_of("app-0", 1))
    with pytest.raises(ApplyError, match=r"may have moved 1 VM \(the outcome of app-0 is not known yet"):
        run(joining, service, tmp_path, clock=clock, resume=True, scope=scope_of("app-2", 1))
    assert sum(service.accepted.values()) == (kind is KilledAfterward)
    outcome = run(joining, service, tmp_path, clock=clock, resume=True, scope=scope_of("app-0", 1))
    assert outcome.complete
    assert sum(service.accepted.values()) == 1


@pytest.mark.parametrize("kind", KILLED)
def test_an_open_write_elsewhere_counts_under_a_cap(joining: Ready, tmp_path: Path, kind: type[FakeService]) -> None:
    """A VM outside --only that may have arrived at 02:00 keeps the third away; the run looks at it and reports it."""
    service, clock = kind(joining.document), VirtualClock(NOW)
    with pytest.raises(Killed):
        run(joining, service, tmp_path, clock=clock, scope=scope_of("app-0"))
    outcome = run(joining, service, tmp_path, clock=clock, resume=True, scope=scope_of("app-2"))
    begun = next(write for write in joining.writes if write.name == "app-0")
    assert starting_at_two(service) <= 2
    assert (begun.number in outcome.done) == (kind is KilledAfterward)
    assert outcome.complete is False
    assert service.accepted["item", begun.object_id.lower()] <= 1
    if kind is KilledBefore:
        assert "may still take effect" in outcome.pending[begun.number]
        assert place_of(service, begun.object_id) == begun.policy_before


@pytest.mark.parametrize("kind", KILLED)
def test_an_open_way_back_elsewhere_counts_under_a_cap(
    leaving: Ready, tmp_path: Path, kind: type[FakeService]
) -> None:
    """A rollback of other VMs takes a way back of unknown outcome into account, and looks at it."""
    service, clock = kind(leaving.document), VirtualClock(NOW)
    service.kill = False  # type: ignore[attr-defined]
    assert run(leaving, service, tmp_path, clock=clock).complete
    service.kill = True  # type: ignore[attr-defined]
    with pytest.raises(Killed):
        back(leaving, service, tmp_path, clock, "app-0", resume=False)
    outcome = back(leaving, service, tmp_path, clock, "app-2", resume=True)
    assert starting_at_two(service) <= 2
    assert outcome.complete is False
    assert back(leaving, service, tmp_path, clock, "*", resume=True).complete
    for write in leaving.writes:
        if write.vms:
            assert place_of(service, write.object_id) == write.policy_before


def test_a_rollback_of_others_counts_what_may_never_have_moved(leaving: Ready, tmp_path: Path) -> None:
    """A VM whose move was never carried out still starts at 02:00: rolling others back keeps the cap."""
    service, clock = KilledBefore(leaving.document), VirtualClock(NOW)
    service.kill = False
    for n, vm in enumerate(("app-2", "app-1")):
        run(leaving, service, tmp_path, clock=clock, scope=scope_of(vm), resume=n > 0)
    service.kill = True
    with pytest.raises(Killed):
        run(leaving, service, tmp_path, clock=clock, resume=True, scope=scope_of("app-0"))
    back(leaving, service, tmp_path, clock, "app-2", resume=False)
    assert starting_at_two(service) <= 2


def test_missing_ends_count_toward_the_maximum(joining: Ready, tmp_path: Path) -> None:
    """Without the lines of its ends, a finished run still uses up --max-moves; a later run finds what it made."""
    service, clock, path = FakeService(joining.document), VirtualClock(NOW), tmp_path / "plan.journal.jsonl"
    run(joining, service, tmp_path, clock=clock, scope=scope_of("app-1", 1))
    lines = [line for line in path.read_text().splitlines() if '"record":"done"' not in line]
    path.write_text("\n".join(line for line in lines if '"record":"end"' not in line) + "\n")
    with pytest.raises(ApplyError, match="--max-moves 1 is too small"):
        run(joining, service, tmp_path, clock=clock, resume=True, scope=scope_of("app-0", 1))
    outcome = run(joining, service, tmp_path, clock=clock, resume=True, scope=scope_of("app-0", 2))
    assert outcome.complete
    assert outcome.found == ()


def records(*kinds: str) -> Iterator[Record]:
    """Build the records of one write, one a minute."""
    for minute, kind in enumerate(kinds):
        at = NOW + (UNKNOWABLE if kind == "refused a day later" else timedelta(minutes=minute))
        match kind:
            case "intent":
                yield IntentRecord(
                    number=1,
                    at=at,
                    kind="reassign_item",
                    vault_id=VAULT,
                    object_id="item",
                    name="app",
                    before=None,
                    body={},
                )
            case "found":
                yield DoneRecord(number=1, at=at, how="found", after=None)
            case "skipped":
                yield SkippedRecord(number=1, at=at, reason="changed by somebody else")
            case _:
                yield FailedRecord(number=1, at=at, error=kind, lost=kind == "lost", locked=kind == "locked")


@pytest.mark.parametrize(
    ("kinds", "ours"),
    [
        ("intent found", True),
        ("intent lost found", True),
        ("intent lost intent refused found", True),
        ("intent lost intent locked intent refused found", True),
        ("intent lost skipped found", True),
        ("intent skipped found", True),
        ("intent refused found", False),
        ("intent refused intent refused found", False),
        ("intent refused skipped found", False),
        ("intent lost intent refused-a-day-later found", False),
        ("found", False),
        ("skipped found", False),
    ],
)
def test_what_is_found_is_ours_while_a_request_is_not_settled(kinds: str, ours: bool) -> None:
    """Only a refusal of every request, or a look a day later, settles that somebody else made the change."""
    found = list(records(*(kind.replace("-", " ") for kind in kinds.split())))
    assert (1 in state_of(found[:-1]).unsettled) == ours
    state = state_of(found)
    assert (1 in state.ours) == ours
    assert not state.unsettled


def test_a_locked_object_is_remembered() -> None:
    """A refusal because of another operation marks the lost request, and a later lost one keeps the mark."""
    found = list(records("intent", "lost", "intent", "locked", "intent", "lost"))
    unsettled = state_of(found).unsettled[1]
    assert unsettled.locked
    assert unsettled.intent == found[4]
