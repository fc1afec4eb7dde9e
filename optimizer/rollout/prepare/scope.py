"""What a run covers, and who approved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from optimizer.rollout.prepare.vm_filter import VmFilter, as_words, parse_filter

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


@dataclass(frozen=True)
class RunScope:
    """Part of a plan that a run covers.

    Parameters
    ----------
    only
        Selectors of VMs.  Empty: all VMs.
    max_moves
        Maximum number of VMs that may move.  None: no maximum.
    wave_percent
        Share of the VMs, in percent, that go first as a pilot.  None: no pilot.
    """

    only: tuple[VmFilter, ...] = ()
    max_moves: int | None = None
    wave_percent: float | None = None

    @classmethod
    def of(cls, *only: str, max_moves: int | None = None, wave_percent: float | None = None) -> RunScope:
        """RunScope of the VMs that any of the texts selects, such as ``vault=weu-01``; see :func:`parse_filter`.

        Raises
        ------
        UsageError
            A text does not select VMs.
        """
        return cls(tuple(map(parse_filter, only)), max_moves, wave_percent)

    def words(self, *, besides: str = "") -> list[str]:
        """Command-line words for the scope, without the selectors of one kind (``besides``)."""
        words = as_words(one for one in self.only if one.kind != besides)
        words += [] if self.max_moves is None else ["--max-moves", f"{self.max_moves}"]
        return words + ([] if self.wave_percent is None else ["--wave", f"{self.wave_percent:g}"])

    def options(self) -> dict[str, Any]:
        """Options in the form in which the journal records them."""
        only = [f"{selector.kind}={selector.pattern}" for selector in self.only]
        pairs = {"only": only, "max_moves": self.max_moves, "wave": self.wave_percent}
        return {key: value for key, value in pairs.items() if value not in (None, [])}
