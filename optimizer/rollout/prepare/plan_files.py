"""Files of a plan: the plan itself, its journal, its rollback file, and its estate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optimizer.documents import known_estate, open_estate_of, read_plan, rollback_path, write_rollback
from optimizer.errors import EstateError
from optimizer.journal import journal_path, plan_of_journal, rollback_journal_path
from optimizer.ports import BackupReader, silent
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.plan_case import PlanCase


@dataclass(frozen=True)
class PlanFiles:
    """Files of a plan.

    Wherever a function takes the path of a plan, it also takes its files, for a journal or an estate that is not where
    it is looked for: ``PlanFiles("plan.json", estate="/backup/estate")``.

    Parameters
    ----------
    plan
        Path of the plan.
    journal
        Path of the journal of ``apply``. None: beside the plan.
    estate
        Folder or URL of the estate. None: the one named in the plan.
    """

    plan: str | Path
    journal: str | Path | None = None
    estate: str | Path | None = None

    @classmethod
    def of(cls, plan: str | Path | PlanFiles) -> PlanFiles:
        """Files of the plan at a path."""
        return plan if isinstance(plan, PlanFiles) else cls(plan)

    @classmethod
    def of_journal(
        cls,
        journal: str | Path | PlanFiles,
        plan: str | Path | None = None,
        estate: str | Path | None = None,
    ) -> PlanFiles:
        """Files of the plan that a journal belongs to.

        Parameters
        ----------
        journal
            Path of the journal, or the files themselves.
        plan
            Path of the plan. None: beside the journal.
        estate
            Folder or URL of the estate. None: the one named in the plan.

        Raises
        ------
        ApplyError
            There is no plan beside the journal.
        """
        if isinstance(journal, PlanFiles):
            return journal
        return cls(plan_of_journal(Path(journal)) if plan is None else plan, journal, estate)

    @property
    def plan_path(self) -> Path:
        """Path of the plan."""
        return Path(self.plan)

    @property
    def journal_path(self) -> Path:
        """Path of the journal of ``apply``."""
        return journal_path(self.plan_path) if self.journal is None else Path(self.journal)

    def apply_journal(self, *, resume: bool) -> RunJournal:
        """Journal of ``apply``, which exists already if the run is to ``resume`` it."""
        return RunJournal(self.journal_path, "apply", resume)

    def rollback_journal(self, *, resume: bool) -> RunJournal:
        """Journal of the rollback, which exists already if the run is to ``resume`` it."""
        return RunJournal(rollback_journal_path(self.journal_path), "rollback", resume)

    def case(self) -> PlanCase:
        """Plan and estate, which must be as they were when the plan was made.

        Raises
        ------
        PlanFormatError
            The file is not a plan.
        StalePlanError
            The estate has changed since the plan was made.
        EstateError
            The estate cannot be read.
        """
        plan = read_plan(self.plan_path)
        return PlanCase(plan, self.plan_path, open_estate_of(plan, self.plan_path, self.estate).document)

    def known_case(self, reader: BackupReader | None = None, remark: Callable[[str], None] = silent) -> PlanCase:
        """Plan, and its estate as it was; if the estate has changed or is gone, the rollback file takes its place.

        Parameters
        ----------
        reader
            The service, from which objects are read that are in neither of the two.
        remark
            Called with a message if the rollback file takes the place of an estate that was named.

        Raises
        ------
        PlanFormatError
            The file is not a plan.
        EstateError
            Neither the estate nor a rollback file can be read.
        """
        plan = read_plan(self.plan_path)
        document = known_estate(plan, self.plan_path, self.estate, reader=reader, remark=remark)
        return PlanCase(plan, self.plan_path, document)

    def keep_rollback_file(self, case: PlanCase, remark: Callable[[str], None] = silent) -> None:
        """Write the rollback file of a plan that has none.

        Parameters
        ----------
        case
            The plan, and its estate.
        remark
            Called with a message if the file cannot be written.
        """
        path = rollback_path(self.plan_path)
        if path.exists():
            return
        try:
            write_rollback(case.plan, case.document, path, written_by="apply")
        except EstateError as exc:
            remark(f"no rollback file, so 'rollback' will need the estate of the plan: {exc}")
