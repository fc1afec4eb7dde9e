"""A planned estate in the shape of Azure that the tests of roll-outs share; it is read, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pytest

from optimizer.documents.plan_document import PlanDocument
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.journal import Journal
from optimizer.model.clock import VirtualClock
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.ports import BackupService
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.prepare.scope import Approval, RollbackScope, RunScope
from optimizer.rollout.prepare.vm_filter import VmFilter
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.write import Write
from optimizer.workflow import make_plan
from tests.plan.estates import arm_estate
from tests.prices import fixed_prices

PACE = Pace(settle_seconds=1.0, settle_looks=2, busy_seconds=60.0)


@dataclass(frozen=True)
class Ready:
    """An estate and its plan, ready to be applied."""

    estate: Estate
    plan: PlanDocument
    plan_path: Path

    @property
    def document(self) -> EstateDocument:
        """Of the estate."""
        return self.estate.document

    @property
    def case(self) -> PlanCase:
        """The plan with its path and its estate."""
        return PlanCase(self.plan, self.plan_path, self.document)

    @property
    def baseline(self) -> Baseline:
        """The state before the first write, and the rules."""
        return Baseline(self.inventory, self.plan.rules)

    @cached_property
    def inventory(self) -> Inventory:
        """Of the estate."""
        return self.estate.inventory(self.plan.rules.service_from)

    @cached_property
    def writes(self) -> tuple[Write, ...]:
        """Of the plan."""
        return writes_of(self.plan, self.document, self.inventory)

    @property
    def noon(self) -> datetime:
        """A time after the estate was taken at which most gates are open."""
        return self.estate.as_of.replace(hour=12, minute=0)


def ready(folder: Path, rules: Rules | None = None) -> Ready:
    """Plan the estate in the shape of Azure."""
    estate = arm_estate(folder / "estate")
    path = folder / "plan.json"
    return Ready(estate, make_plan(estate, rules, effort=5, path=path), path)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """Plan without rules, at prices that do not depend on the defaults."""
    return ready(tmp_path_factory.mktemp("rollout"), Rules(prices=fixed_prices()))


def run(
    ready: Ready,
    service: BackupService,
    folder: Path,
    *,
    clock: VirtualClock | None = None,
    resume: bool = False,
    wait: bool = True,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    approval: Approval = Approval(),  # noqa: B008  # frozen
    journal_of: type[Journal] = Journal,
) -> RunOutcome:
    """Apply a plan with journal and ledger in a folder."""
    clock = clock or VirtualClock(ready.noon)
    ledger = Ledger(folder / "state")
    prepared = prepare_apply(
        ready.case,
        Session(service, clock, ledger),
        RunJournal(folder / "plan.journal.jsonl", resume=resume),
        scope=scope,
        approval=approval,
    )
    until = latest_end(prepared.rollout, clock.now()) if wait else None
    return carry_out(prepared, Session(service, clock, ledger), until=until, pace=PACE, journal_of=journal_of)


def prepare_back(
    ready: Ready,
    service: BackupService,
    folder: Path,
    clock: VirtualClock,
    *selectors: VmFilter,
    resume: bool = False,
    delete: bool = False,
) -> Prepared:
    """The way back of what the journal in a folder says was made."""
    return prepare_rollback(
        ready.case,
        Session(service, clock, Ledger(folder / "state")),
        folder / "plan.journal.jsonl",
        RunJournal(folder / "plan.rollback.jsonl", "rollback", resume=resume),
        scope=RollbackScope(only=selectors, delete_created=delete),
    )
