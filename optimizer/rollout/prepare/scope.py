"""Scope of a run, and its approval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer.errors import JournalError
from optimizer.journal import RunRecord
from optimizer.model.inventory import Inventory
from optimizer.rollout.calendar.rollout_limits import DEFAULT_WORKERS, RolloutLimits
from optimizer.rollout.prepare.vm_filter import VmFilter, as_words, is_meant, parse_filter
from optimizer.rollout.writes.write import Write

Command = Literal["apply", "rollback", "rehearse"]


@dataclass(frozen=True)
class Approval:
    """Approval of a run.

    Parameters
    ----------
    approved_by, ticket
        Approver and ticket as the journal records them; empty if not given.
    """

    approved_by: str = ""
    ticket: str = ""

    def carried_on(self, run: RunRecord) -> Approval:
        """The approval, completed with values of an earlier run."""
        return Approval(self.approved_by or run.approved_by, self.ticket or run.ticket)


@dataclass(frozen=True)
class RunScope:
    """How much of a plan a run covers, and how much of it at a time.

    Parameters
    ----------
    only
        Filters for the VMs. Empty: all VMs.
    max_moves
        Maximum number of VMs that may move. None: no maximum.
    wave_percent
        Share of the VMs, in percent, that go first as a pilot. None: no pilot.
    workers
        Number of vaults that are written side by side.
    """

    only: tuple[VmFilter, ...] = ()
    max_moves: int | None = None
    wave_percent: float | None = None
    workers: int = DEFAULT_WORKERS

    @classmethod
    def of(
        cls,
        *only: str,
        max_moves: int | None = None,
        wave_percent: float | None = None,
        workers: int = DEFAULT_WORKERS,
    ) -> RunScope:
        """Scope of the VMs that any of the texts selects, such as ``vault=weu-01``.

        Raises
        ------
        UsageError
            A text does not select VMs.
        """
        return cls(tuple(map(parse_filter, only)), max_moves, wave_percent, workers)

    @property
    def is_part(self) -> bool:
        """Whether the scope may leave VMs out."""
        return bool(self.only) or self.max_moves is not None

    def carried_on(self, run: RunRecord) -> RunScope:
        """The scope, completed with values of an earlier run; see :func:`recorded_scope` for errors."""
        earlier = recorded_scope(run)
        return replace(
            self,
            only=self.only or earlier.only,
            max_moves=earlier.max_moves if self.max_moves is None else self.max_moves,
            wave_percent=earlier.wave_percent if self.wave_percent is None else self.wave_percent,
        )

    def words(self, *, besides: str = "") -> list[str]:
        """Command-line words for the scope, without the filters of one kind (``besides``)."""
        words = as_words(vms for vms in self.only if vms.kind != besides)
        words += [] if self.max_moves is None else ["--max-moves", f"{self.max_moves}"]
        return words + ([] if self.wave_percent is None else ["--wave", f"{self.wave_percent:g}"])

    def options(self) -> dict[str, Any]:
        """Options in the form in which the journal records them."""
        only = [f"{vms.kind}={vms.pattern}" for vms in self.only]
        pairs = {"only": only, "max_moves": self.max_moves, "wave": self.wave_percent}
        return {key: value for key, value in pairs.items() if value not in (None, [])}


@dataclass(frozen=True)
class RollbackScope:
    """How much of a journal a rollback undoes.

    Parameters
    ----------
    only
        Filters for the VMs. Empty: all VMs.
    delete_created
        Whether to delete the policies that the plan created, if they protect nothing.
    workers
        Number of vaults that are written side by side.
    """

    only: tuple[VmFilter, ...] = ()
    delete_created: bool = False
    workers: int = DEFAULT_WORKERS

    @classmethod
    def of(cls, *only: str, delete_created: bool = False, workers: int = DEFAULT_WORKERS) -> RollbackScope:
        """Scope of the VMs that any of the texts selects, such as ``vault=weu-01``.

        Raises
        ------
        UsageError
            A text does not select VMs.
        """
        return cls(tuple(map(parse_filter, only)), delete_created, workers)

    def carried_on(self, run: RunRecord) -> RollbackScope:
        """The scope, with the filters of an earlier run if it has none; see :func:`recorded_scope` for errors."""
        return replace(self, only=self.only or recorded_scope(run).only)

    def covers(self, write: Write, inventory: Inventory) -> bool:
        """Whether the filters match every VM of a write or, if it moves no VM, its vault."""
        return is_meant(write, inventory, self.only)

    def limits(self) -> RolloutLimits:
        """Limits of the roll-out: a rollback has no pilot."""
        return RolloutLimits(self.workers)

    def words(self, *, besides: str = "") -> list[str]:
        """Command-line words for the filters, without those of one kind (``besides``)."""
        return as_words(vms for vms in self.only if vms.kind != besides)

    def options(self) -> dict[str, Any]:
        """Options in the form in which the journal records them."""
        only = [f"{vms.kind}={vms.pattern}" for vms in self.only]
        return {"only": only} if only else {}


def recorded_scope(run: RunRecord) -> RunScope:
    """Scope that a run recorded in the journal.

    Raises
    ------
    JournalError
        An option is not one that a run can record.
    """
    only, most, wave = (run.options.get(name) for name in ("only", "max_moves", "wave"))
    if not (_is_list_of_texts(only) and _is_number(most, int) and _is_number(wave, int | float, below=100)):
        raise JournalError(
            f"the journal's run {run.run} has options that no run records: {run.options}; give the journal as 'apply' "
            "or 'rollback' wrote it"
        )
    return RunScope.of(*(only or ()), max_moves=most, wave_percent=wave)


def _is_list_of_texts(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(text, str) for text in value))


def _is_number(value: Any, kind: Any, *, below: float | None = None) -> bool:
    """Whether a recorded option is absent, or a number of this kind above 0 and below a limit."""
    if value is None:
        return True
    return isinstance(value, kind) and not isinstance(value, bool) and value > 0 and (below is None or value < below)
