"""Commands that continue with a plan, ready to paste, with every option of the running command that they need."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer.journal.records import journal_path


@dataclass(frozen=True)
class Commands:
    """Command lines for one plan and its journal, quoted for a shell.

    Parameters
    ----------
    plan
        Path of the plan.
    journal
        Journal of the plan's ``apply``.
    estate
        Words of the option that gives the location of the estate.
    service
        Words of the options that select the cloud or the emulator. Without them, a command pasted after a trial on
        the emulator would write to Azure.
    writing
        Words of the options that every writing command needs, such as ``--guard-request``.
    returning
        Words of the options that a rollback needs in addition, such as ``--delete-created``.
    first
        Words of the options that the journal records, or that apply to this run only. A command that replaces the
        running one needs them too.
    """

    plan: Path
    journal: Path
    estate: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    returning: tuple[str, ...] = ()
    first: tuple[str, ...] = ()

    def apply(self, *words: str, resume: bool = True) -> str:
        """Command that applies the plan or, with ``resume``, continues to apply it."""
        return _line("apply", self.plan, (*self._journal(), *_resume(resume), *words, *self._writing()))

    def rollback(self, *words: str, resume: bool = False) -> str:
        """Command that rolls the plan back or, with ``resume``, continues the rollback."""
        options = (*self._plan(), *_resume(resume), *words, *self.returning, *self._writing())
        return _line("rollback", self.journal, options)

    def resume(self, command: str) -> str:
        """Command that continues ``apply`` or ``rollback``."""
        return self.rollback(resume=True) if command == "rollback" else self.apply()

    def watch(self) -> str:
        """Command that checks the first backups at the new times."""
        return _line("watch", self.plan, (*self._journal(), *self.estate, *self.service))

    def rehearse(self, *words: str) -> str:
        """Command that lists every write of the plan with its time, as JSON."""
        return _line("rehearse", self.plan, (*words, *self.estate, "--format", "json"))

    def report_journal(self) -> str:
        """Command that lists every write of the journal."""
        return _line("report", self.journal, ())

    def _writing(self) -> tuple[str, ...]:
        return (*self.estate, *self.service, *self.writing)

    def _journal(self) -> tuple[str, ...]:
        """``--journal`` option, unless the journal is beside the plan."""
        return () if self.journal == journal_path(self.plan) else ("--journal", str(self.journal))

    def _plan(self) -> tuple[str, ...]:
        """``--plan`` option, unless the plan is next to the journal, where ``rollback`` looks for it."""
        return () if self.journal.with_name(self.plan.name) == self.plan else ("--plan", str(self.plan))


def _resume(resume: bool) -> tuple[str, ...]:
    return ("--resume",) if resume else ()


def _line(command: str, file: Path, words: Sequence[str]) -> str:
    return shlex.join(["backup-optimizer", command, str(file), *words])
