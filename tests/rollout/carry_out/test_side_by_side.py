"""Lanes written side by side: as fast as the calendar says, in order within a lane, the same every time."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.documents.applied import apply_in_memory
from optimizer.emulator import Emulator, EmulatorSettings
from optimizer.errors import ThrottledError, UncertainError
from optimizer.journal import DoneRecord, IntentRecord, Journal, Record, read_journal, state_of
from optimizer.model.clock import SystemClock, VirtualClock
from optimizer.ports import Accepted
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.prepared import latest_end
from optimizer.rollout.prepare.scope import RollbackScope, RunScope
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.benchmarks.rollout_lanes import SlowService, measure, plan_of
from tests.rollout.conftest import PACE, Ready
from tests.rollout.fake_service import Killed
from tests.rollout.small_rollouts import NOW
from tests.rollout.standing_clock import StandingClock


@pytest.fixture(scope="module")
def many_vaults() -> Ready:
    """Build a plan for six vaults with four moves each."""
    return plan_of(24, 6)


def vault_of(object_id: str) -> str:
    return object_id.lower().partition("/backup")[0].rpartition("/")[2]


def apply_all(
    ready: Ready,
    service: SlowService,
    folder: Path,
    *,
    workers: int = 4,
    journal_of: Callable[[Path], Journal] = Journal,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
) -> RunOutcome:
    """Begin or resume, and wait for what opens."""
    journal, ledger = folder / "plan.journal.jsonl", Ledger(folder / "state")
    prepared = prepare_apply(
        ready.case,
        Session(service, service.clock, ledger),
        RunJournal(journal, resume=journal.exists()),
        scope=replace(scope, workers=workers),
    )
    until = latest_end(prepared.rollout, service.clock.now())
    return carry_out(prepared, Session(service, service.clock, ledger), until=until, pace=PACE, journal_of=journal_of)


def assert_applied(ready: Ready, service: SlowService) -> None:
    """The end is as planned, with each write made once."""
    assert compare_estates(apply_in_memory(ready.document, ready.plan.changes), service.snapshot()) == ()
    assert set(service.accepted.values()) == {1}
    assert sum(service.accepted.values()) == len(ready.plan.changes)


@pytest.mark.parametrize("workers", [1, 2, 4, 20])
def test_calendar_and_execution_take_the_same_time(many_vaults: Ready, tmp_path: Path, workers: int) -> None:
    """With any number of workers they end within 5 % of each other, and no more lanes are at work than workers."""
    timing = measure(many_vaults, workers, tmp_path)
    assert timing.writes == len(many_vaults.plan.changes)
    assert timing.deviation < 0.05


def test_more_workers_are_faster_up_to_the_number_of_lanes() -> None:
    """Four workers need about a quarter of the time for what is open all along, and 20 no less than six lanes need."""
    ready = plan_of(24, 6)
    creations = [write for write in ready.writes if write.kind == "create_policy"]
    ends = {}
    for workers in (1, 2, 4, 6, 20):
        rollout = build_rollout(creations, ready.baseline, now=NOW, limits=RolloutLimits(workers=workers))
        ends[workers] = (max(timed.at for timed in rollout.writes) - NOW) / timedelta(minutes=1) + 1
    assert ends == {1: 24, 2: 12, 4: 6, 6: 4, 20: 4}


@pytest.mark.parametrize("workers", [0, -1])
def test_there_is_at_least_one_worker(many_vaults: Ready, workers: int) -> None:
    """No workers is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least 1"):
        build_rollout([], many_vaults.baseline, now=NOW, limits=RolloutLimits(workers=workers))


def test_a_lane_is_written_one_by_one_in_the_calendars_order(many_vaults: Ready, tmp_path: Path) -> None:
    """Within a vault the next request begins after the last one has ended; vaults overlap."""
    service = SlowService(many_vaults, VirtualClock(NOW))
    assert apply_all(many_vaults, service, tmp_path).complete
    assert_applied(many_vaults, service)
    assert service.most_at_work == 4
    times = defaultdict(list)
    for at, _, object_id in service.times:
        times[vault_of(object_id)].append(at)
    assert len(times) == 6
    for of_vault in times.values():
        assert all(later - earlier >= timedelta(seconds=60) for earlier, later in pairwise(of_vault))


def test_a_roll_out_is_the_same_every_time(many_vaults: Ready, tmp_path: Path) -> None:
    """On a clock that jumps several workers write in the same order at the same times, run after run."""
    seen = []
    for number in range(3):
        service = SlowService(many_vaults, VirtualClock(NOW))
        apply_all(many_vaults, service, tmp_path / str(number))
        seen.append((service.times, service.order))
    assert seen[0] == seen[1] == seen[2]


class Hanging(SlowService):
    """A service at which one vault does not work."""

    trouble: Exception = UncertainError("no answer")
    broken = "rsv-00"

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> Accepted | None:
        if vault_of(object_id) == self.broken:
            self.times.append((self.clock.now(), "refused", object_id))
            self.clock.sleep(300.0)  # as long as a connection may take to time out
            raise self.trouble
        return super()._write(kind, object_id, effect)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.thorough), 4])
@pytest.mark.parametrize("trouble", [UncertainError("no answer"), ThrottledError("slow down")], ids=["lost", "429"])
def test_a_lane_that_hangs_does_not_hold_the_others(
    many_vaults: Ready, tmp_path: Path, workers: int, trouble: Exception
) -> None:
    """Every other vault is through by the calendar's time, within what the broken one costs its workers."""
    service = Hanging(many_vaults, VirtualClock(NOW))
    service.trouble = trouble
    outcome = apply_all(many_vaults, service, tmp_path, workers=workers)
    assert {vault_of(write.object_id) for write in many_vaults.writes if write.number not in outcome.done} == {
        "rsv-00"
    }
    ours = [at for at, kind, _ in service.times if kind != "refused"]
    plain = SlowService(many_vaults, VirtualClock(NOW))
    apply_all(many_vaults, plain, tmp_path / "plain", workers=workers)
    usual = max(at for at, _, _ in plain.times)
    tries = sum(kind == "refused" for _, kind, _ in service.times)
    assert max(ours) <= usual + timedelta(seconds=400 * tries if workers == 1 else 400)


class Dying(Journal):
    """A journal whose process dies with its n-th line, whichever worker writes it."""

    line = 0

    def append(self, record: Record) -> None:
        """Add a record and die, if it is the one."""
        super().append(record)
        if len(self.records) == self.line:
            raise Killed


def dying_at(line: int) -> type[Dying]:
    return type("DyingAt", (Dying,), {"line": line})


@pytest.mark.thorough
def test_killed_at_any_line_several_workers_lose_nothing(tmp_path: Path) -> None:
    """Killed with four lanes under way, whatever was begun is looked at first; nothing is lost or made twice."""
    ready = plan_of(4, 2)
    whole = SlowService(ready, VirtualClock(NOW))
    apply_all(ready, whole, tmp_path / "whole")
    num_lines = len(read_journal(tmp_path / "whole" / "plan.journal.jsonl"))
    most_open = 0
    for line in range(1, num_lines + 1):
        folder, service = tmp_path / str(line), SlowService(ready, VirtualClock(NOW))
        with pytest.raises(Killed):
            apply_all(ready, service, folder, journal_of=dying_at(line))
        records = read_journal(folder / "plan.journal.jsonl")
        assert len(records) == line  # the other workers died with it
        most_open = max(most_open, len(state_of(records).open))
        for _ in range(3):
            outcome = apply_all(ready, service, folder)
        assert outcome.complete, (line, outcome)
        assert_applied(ready, service)
    assert most_open > 1


def test_a_rollback_is_side_by_side_too(many_vaults: Ready, tmp_path: Path) -> None:
    """The way back uses as many workers, and restores the start."""
    service = SlowService(many_vaults, VirtualClock(NOW))
    assert apply_all(many_vaults, service, tmp_path).complete
    ledger, journal = Ledger(tmp_path / "state"), tmp_path / "plan.journal.jsonl"
    prepared = prepare_rollback(
        many_vaults.case,
        Session(service, service.clock, ledger),
        journal,
        RunJournal(tmp_path / "plan.rollback.jsonl", "rollback"),
        scope=RollbackScope(workers=3),
    )
    service.most_at_work = 0
    until = latest_end(prepared.rollout, service.clock.now())
    assert carry_out(prepared, Session(service, service.clock, ledger), until=until, pace=PACE).complete
    created = {write.object_id.lower() for write in many_vaults.writes if write.kind == "create_policy"}
    assert compare_estates(many_vaults.document, service.snapshot(), besides=created) == ()
    assert service.most_at_work == 3


def test_the_second_wave_waits_for_pilots_of_all_lanes(many_vaults: Ready, tmp_path: Path) -> None:
    """VMs of the second wave move only after the pilot's first backups, in whatever vault the pilot is."""
    service = SlowService(many_vaults, VirtualClock(NOW))
    assert apply_all(many_vaults, service, tmp_path, scope=RunScope(wave_percent=25)).complete
    assert_applied(many_vaults, service)
    moves = [at for at, kind, _ in service.times if kind == "item"]
    gaps = [later - earlier for earlier, later in pairwise(moves)]
    assert max(gaps) > timedelta(hours=3)


@pytest.mark.thorough
def test_workers_share_the_budget_of_a_subscription(tmp_path: Path) -> None:
    """Six vaults of one subscription together write no more policies in a day than allowed."""
    ready = plan_of(18, 6)
    limits = ready.plan.rules.policies.model_copy(update={"scope": "subscription", "max_writes_per_day": 5})
    rules = ready.plan.rules.model_copy(update={"policies": limits})
    ready = Ready(ready.estate, ready.plan.model_copy(update={"rules": rules}), ready.plan_path)
    service = SlowService(ready, VirtualClock(NOW))
    apply_all(ready, service, tmp_path, workers=8)
    policies = [at for at, kind, _ in service.times if kind == "policy"]
    for at in policies:
        assert sum(at - timedelta(hours=24) < other <= at for other in policies) <= 5


def test_real_threads_write_what_is_planned(tmp_path: Path) -> None:
    """Eight threads through the real clients: every write once, in the journal, in the ledger, in order per vault."""
    ready, clock = plan_of(24, 6), StandingClock(NOW.replace(hour=12))
    with Emulator.of_estate(ready.document, clock=clock, settings=EmulatorSettings(operation_reads=2)) as emulator:
        with AzureBackupService(Connection.to_emulator(emulator.endpoint, emulator.ca_file)) as service:
            ledger, journal = Ledger(tmp_path / "state"), tmp_path / "plan.journal.jsonl"
            prepared = prepare_apply(
                ready.case, Session(service, clock, ledger), RunJournal(journal), scope=RunScope(workers=8)
            )
            outcome = carry_out(prepared, Session(service, clock, ledger), pace=PACE)
        open_now = {timed.write.number for timed in prepared.rollout.writes if timed.opens <= clock.now()}
        assert set(outcome.done) >= open_now
        assert len(open_now) >= 24
        accepted = [write.object_id.lower() for write in emulator.writes]
        assert len(accepted) == len(set(accepted)) == len(outcome.done)
        records = read_journal(journal)
        assert set(state_of(records).done) == set(outcome.done)
        last: dict[str, int] = {}
        for record in records:
            if isinstance(record, IntentRecord):
                assert record.vault_id not in last, "a vault has two writes under way"
                last[record.vault_id] = record.number
            elif isinstance(record, DoneRecord):
                last = {vault: number for vault, number in last.items() if number != record.number}
        since = clock.now() - timedelta(days=1)
        assert len(ledger.since(since)) + len(ledger.since(since, "item")) == len(outcome.done)


# The clocks


def test_a_virtual_clock_runs_tasks_in_turns() -> None:
    """Time jumps to the first that wakes when all sleep; who sleeps longer sees the later time."""
    clock, seen = VirtualClock(NOW), []

    def task(name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            for _ in range(2):
                clock.sleep(seconds)
                seen.append((name, (clock.now() - NOW).total_seconds()))

        return run

    clock.side_by_side([task("a", 10), task("b", 4), task("c", 10)])
    assert seen == [("b", 4), ("b", 8), ("a", 10), ("c", 10), ("a", 20), ("c", 20)]
    assert clock.now() == NOW + timedelta(seconds=20)
    clock.sleep(5)
    assert clock.now() == NOW + timedelta(seconds=25)


@pytest.mark.parametrize("clock", [VirtualClock(NOW), SystemClock()], ids=["virtual", "system"])
def test_when_a_task_fails_the_others_end(clock: VirtualClock | SystemClock) -> None:
    """The exception of the task comes out, sleepers are woken, and nothing goes on behind the caller's back."""
    ended = threading.Event()

    def sleeper() -> None:
        try:
            clock.sleep(3600)
        finally:
            ended.set()

    def failing() -> None:
        clock.sleep(0.01)
        raise Killed

    before = threading.active_count()
    with pytest.raises(Killed):
        clock.side_by_side([sleeper, failing, sleeper])
    assert ended.is_set()
    assert threading.active_count() == before


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a program of its own, whatever a library left behind in this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("num_tasks", [1, 3])
def test_ctrl_c_stops_tasks_when_they_next_sleep(num_tasks: int) -> None:
    """A signal ends tasks that never fail by themselves, whatever their number, and none goes on afterwards."""
    clock, started = SystemClock(), threading.Event()
    calls: list[threading.Thread] = []
    threads: list[threading.Thread] = []

    def task() -> None:
        threads.append(threading.current_thread())
        started.set()
        while True:
            clock.sleep(0.01)

    def interrupted() -> bool:
        calls.append(threading.current_thread())
        return True

    def strike() -> None:
        started.wait()
        signal.raise_signal(signal.SIGINT)

    striker = threading.Thread(target=strike)
    striker.start()
    with pytest.raises(KeyboardInterrupt):
        clock.side_by_side([task] * num_tasks, interrupted)
    striker.join()
    assert set(calls) == {threading.current_thread()}
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("ctrl_c")
def test_what_need_not_be_awaited_does_not_hold_up_the_end() -> None:
    """After Ctrl-C a task that hangs is left behind as soon as nothing that it does matters."""
    clock, started, release = SystemClock(), threading.Event(), threading.Event()

    def hanging() -> None:
        started.set()
        release.wait()

    def strike() -> None:
        started.wait()
        signal.raise_signal(signal.SIGINT)

    striker = threading.Thread(target=strike)
    striker.start()
    answers = [False, True, True]
    with pytest.raises(KeyboardInterrupt):
        clock.side_by_side([hanging], answers.pop)
    assert answers == []
    release.set()
    striker.join()
