"""Commands that go on with a plan, ready to be pasted: with every option that the running command was given."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer.rollout.journal import journal_path


@dataclass(frozen=True)
class Commands:
    """Command lines for one plan and its journal; a word is quoted where a shell needs it.

    Parameters
    ----------
    plan
        File of the plan.
    journal
        Journal of its ``apply``.
    estate
        Words of the option that says where the estate is.
    service
        Words of the options that say which cloud or emulator is meant.  Without them, a command that is pasted after a
        trial on the emulator would write to Azure.
    writing
        Words of the options that every command that writes needs, such as ``--guard-request``.
    returning
        Words of the options that a rollback needs as well, such as ``--delete-created``.
    first
        Words of the options that a journal keeps, or that are about this run only.  A command that replaces the
        running one needs them, too.
    """

    plan: Path
    journal: Path
    estate: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    returning: tuple[str, ...] = ()
    first: tuple[str, ...] = ()

    def apply(self, *words: str, resume: bool = True) -> str:
        """Command that applies the plan, or goes on with it."""
        journal = () if self.journal == journal_path(self.plan) else ("--journal", str(self.journal))
        return _line(
            "apply", self.plan, (*journal, *_resume(resume), *words, *self.estate, *self.service, *self.writing)
        )

    def rollback(self, *words: str, resume: bool = False) -> str:
        """Command that takes the plan back, or goes on with that."""
        options = (
            *self._plan(),
            *_resume(resume),
            *words,
            *self.returning,
            *self.estate,
            *self.service,
            *self.writing,
        )
        return _line("rollback", self.journal, options)

    def resume(self, command: str) -> str:
        """Command that goes on with ``apply`` or with ``rollback``."""
        return self.rollback(resume=True) if command == "rollback" else self.apply()

    def watch(self) -> str:
        """Command that looks at the first backups."""
        journal = () if self.journal == journal_path(self.plan) else ("--journal", str(self.journal))
        return _line("watch", self.plan, (*journal, *self.estate, *self.service))

    def rehearse(self, *words: str) -> str:
        """Command that shows every write of the plan, with its time, as JSON."""
        return _line("rehearse", self.plan, (*words, *self.estate, "--format", "json"))

    def report_journal(self) -> str:
        """Command that shows every write of the journal."""
        return _line("report", self.journal, ())

    def _writing(self) -> tuple[str, ...]:
        return (*self.estate, *self.service, *self.writing)

    def _plan(self) -> tuple[str, ...]:
        """``--plan``, unless the plan is beside the journal, where ``rollback`` looks for it."""
        return () if self.journal.with_name(self.plan.name) == self.plan else ("--plan", str(self.plan))


def _resume(resume: bool) -> tuple[str, ...]:
    return ("--resume",) if resume else ()


def _line(command: str, file: Path, words: Sequence[str]) -> str:
    return shlex.join(["backup-optimizer", command, str(file), *words])
