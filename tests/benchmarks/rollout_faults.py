"""Roll-outs through the real clients against an emulator at which everything goes wrong, and processes that die.

python -m tests.benchmarks.rollout_faults --runs 500 --json out.json

Each run has a seed: of the shares of refusals, failures and lost connections among writes, looks at operations and
reads, and, for every third run, of the line of the journal at which the process dies. It is resumed until it is
through. Then the estate must be the planned one, every change accepted once, and the journal say so.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.documents.applied import apply_in_memory
from optimizer.emulator import Emulator, EmulatorSettings, Faults
from optimizer.errors import CloudError
from optimizer.journal import DoneRecord, IntentRecord, Journal, Record, RunRecord, read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.ports import BackupService
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.prepared import latest_end
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.rollout.conftest import Ready, ready
from tests.rollout.fake_service import Killed

KILL_EVERY = 3
"""Every so many runs one is killed as well."""

MOST_RUNS = 80
"""Runs of one plan, resumptions included, before it counts as never through."""

PACE = Pace(settle_seconds=5.0, busy_seconds=300.0)


@dataclass(frozen=True)
class Trial:
    """What became of one plan.

    Parameters
    ----------
    seed
        Of its troubles.
    writes
        Writes that took effect.
    faults
        Troubles that befell requests, by kind.
    resumptions
        Times that it was resumed.
    kills
        Times that its process died.
    seconds
        How long it took.
    violations
        What is not as it should be.
    """

    seed: int
    writes: int
    faults: Counter[str]
    resumptions: int
    kills: int
    seconds: float
    violations: tuple[str, ...]


def faults_of(seed: int) -> Faults:
    """Troubles of a seed, from hardly any to a third of all requests."""
    draw = random.Random(f"shares {seed}")  # noqa: S311  # repeatable, not secret
    return Faults(
        rate_429=draw.uniform(0, 0.12),
        rate_500=draw.uniform(0, 0.08),
        rate_502=draw.uniform(0, 0.08),
        rate_503_while_polling=draw.uniform(0, 0.4),
        drop_before=draw.uniform(0, 0.06),
        drop_after=draw.uniform(0, 0.08),
        retry_after=draw.choice([None, 0, 0.01]),
        seed=seed,
    )


@dataclass
class _Death:
    """When the process dies: before or after a line of the journal is on disk, and only once."""

    line: int
    after: bool
    died: bool = False

    def journal(self, path: Path) -> Journal:
        """Open a journal at which the process dies."""
        return _Dying(path, self)

    def strike(self) -> None:
        """Die.

        Raises
        ------
        Killed
            Always.
        """
        self.died = True
        raise Killed


class _Dying(Journal):
    def __init__(self, path: Path, death: _Death) -> None:
        super().__init__(path)
        self._death = death

    def append(self, record: Record) -> None:
        """Add a record, unless the process dies over it."""
        strikes = not self._death.died and len(self.records) + 1 >= self._death.line
        if strikes and not self._death.after:
            self._death.strike()
        super().append(record)
        if strikes:
            self._death.strike()


def death_of(seed: int, num_changes: int) -> _Death | None:
    """The death of a run; None for one that lives."""
    if seed % KILL_EVERY:
        return None
    draw = random.Random(f"death {seed}")  # noqa: S311  # repeatable, not secret
    return _Death(draw.randint(1, 2 * num_changes + 1), draw.random() < 0.5)


@dataclass
class Applying:
    """A plan that is applied in one folder, run after run.

    Parameters
    ----------
    planned
        The plan.
    service, clock
        The service and its clock.
    folder
        Of journal, ledger and locks.
    death
        When the process dies; None: it lives.
    runs, kills
        Counted.
    """

    planned: Ready
    service: BackupService
    clock: VirtualClock
    folder: Path
    death: _Death | None = None
    runs: int = 0
    kills: int = field(default=0, init=False)

    @property
    def journal_path(self) -> Path:
        """Of the journal."""
        return self.folder / "plan.journal.jsonl"

    def once(self) -> RunOutcome | None:
        """Begin or resume; None where the process died or the service could not be read."""
        self.runs += 1
        ledger, resume = Ledger(self.folder / "state"), self.journal_path.exists()
        try:
            prepared = prepare_apply(
                self.planned.case,
                Session(self.service, self.clock, ledger),
                RunJournal(self.journal_path, resume=resume),
            )
            return carry_out(
                prepared,
                Session(self.service, self.clock, ledger),
                until=latest_end(prepared.rollout, self.clock.now()),
                pace=PACE,
                journal_of=self.death.journal if self.death is not None else Journal,
            )
        except CloudError:
            return None
        except Killed:
            self.kills += 1
            return None

    def until_through(self) -> RunOutcome | None:
        """Begin and resume until every write is made, or can no longer be."""
        outcome = None
        while self.runs < MOST_RUNS:
            outcome = self.once()
            if outcome is not None and (outcome.complete or outcome.failed or outcome.skipped):
                break
        return outcome


def violations_of(planned: Ready, emulator: Emulator, journal: Path, outcome: RunOutcome | None) -> tuple[str, ...]:
    """What is not as it should be once a plan is through."""
    found = [] if outcome is not None and outcome.complete else [f"never through: {outcome}"]
    found += compare_estates(apply_in_memory(planned.document, planned.plan.changes), emulator.snapshot())
    accepted = Counter(write.object_id.lower() for write in emulator.writes)
    wanted = Counter(write.object_id.lower() for write in planned.writes)
    found += [
        f"{name} was accepted {accepted[name]} times instead of {count}"
        for name, count in wanted.items()
        if accepted[name] != count
    ]
    found += [f"{name} was written and is not in the plan" for name in accepted.keys() - wanted.keys()]
    if not journal.exists():
        return (*found, "there is no journal")
    return (*found, *_journal_faults(read_journal(journal), len(planned.plan.changes)))


def _journal_faults(records: Sequence[Record], num_changes: int) -> Iterable[str]:
    state = state_of(records)
    if sorted(state.done) != list(range(1, num_changes + 1)) or state.open or state.failed or state.skipped:
        yield f"the journal ends with done {sorted(state.done)}, open {sorted(state.open)}, skipped {state.skipped}"
    runs = [record.run for record in records if isinstance(record, RunRecord)]
    if runs != list(range(1, len(runs) + 1)):
        yield f"the runs of the journal are numbered {runs}"
    begun: set[int] = set()
    done: set[int] = set()
    for record in records:
        if isinstance(record, IntentRecord):
            if record.number in done:
                yield f"write {record.number} was begun after it was done"
            begun.add(record.number)
        elif isinstance(record, DoneRecord):
            if record.number in done or record.number not in begun:
                yield f"write {record.number} is done twice, or without an intent"
            done.add(record.number)


@contextmanager
def _service(emulator: Emulator) -> Iterator[AzureBackupService]:
    """The real clients, connected; they are closed at the end."""
    connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
    service = AzureBackupService(connection)
    try:
        yield service
    finally:
        service.close()


def try_out(planned: Ready, seed: int, folder: Path) -> Trial:
    """Apply a plan among the troubles of a seed, and judge the end.

    Parameters
    ----------
    planned
        The plan.
    seed
        Of the troubles.
    folder
        For journal, ledger and locks; made where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began, clock = time.perf_counter(), VirtualClock(planned.noon)
    settings = EmulatorSettings(seed=seed)
    emulator = Emulator.of_estate(planned.document, clock=clock, faults=faults_of(seed), settings=settings)
    with emulator, _service(emulator) as service:
        death = death_of(seed, len(planned.plan.changes))
        applying = Applying(planned, service, clock, folder, death)
        outcome = applying.until_through()
        violations = violations_of(planned, emulator, applying.journal_path, outcome)
    return Trial(
        seed=seed,
        writes=len(emulator.writes),
        faults=emulator.faults_met,
        resumptions=applying.runs - 1,
        kills=applying.kills,
        seconds=time.perf_counter() - began,
        violations=violations,
    )


def measure(num_runs: int) -> dict[str, Any]:
    """The figures of so many runs; the seeds begin at 0."""
    with tempfile.TemporaryDirectory(prefix="rollout-faults-") as name:
        planned = ready(Path(name))
        began = time.perf_counter()
        trials = [try_out(planned, seed, Path(name) / f"run-{seed}") for seed in range(num_runs)]
        seconds = time.perf_counter() - began
    faults: Counter[str] = Counter()
    for trial in trials:
        faults.update(trial.faults)
    return {
        "runs": num_runs,
        "changes": len(planned.plan.changes),
        "writes": sum(trial.writes for trial in trials),
        "faults": dict(sorted(faults.items())),
        "kills": sum(trial.kills for trial in trials),
        "resumptions": sum(trial.resumptions for trial in trials),
        "seconds": round(seconds, 1),
        "slowest_run_seconds": round(max((trial.seconds for trial in trials), default=0.0), 2),
        "violations": {trial.seed: trial.violations for trial in trials if trial.violations},
    }


def main() -> None:
    """Parse, measure, print; an exit code of 1 says that something was violated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = measure(arguments.runs)
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    raise SystemExit(bool(figures["violations"]))


if __name__ == "__main__":
    main()
