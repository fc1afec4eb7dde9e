"""Finds the VMs that a pull has no or too little load of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from optimizer.estate import Estate
from optimizer.intake.pull.partial_pull import DayResult
from optimizer.intake.pull.pull_days import known_vms, usable_rows
from optimizer.intake.pull.pull_report import ENOUGH_DAYS, NO_DATA
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad


@dataclass(frozen=True)
class Gaps:
    """VMs without load, with failed requests, or with too little load.

    Parameters
    ----------
    reasons
        Why there is no load, by VM id: ``no data`` or the failed request.
    too_little
        VMs with too few usable days for a forecast of their own, except those without load.
    """

    reasons: Mapping[ArmId, str]
    too_little: tuple[ArmId, ...]

    @property
    def no_data(self) -> tuple[ArmId, ...]:
        """VMs without load whose requests did not fail."""
        return tuple(vm_id for vm_id, why in self.reasons.items() if why == NO_DATA)

    @property
    def failed(self) -> dict[ArmId, str]:
        """VMs whose requests failed, with reasons."""
        return {vm_id: why for vm_id, why in self.reasons.items() if why != NO_DATA}


class LoadGaps:
    """VMs without load, and VMs whose requests failed.

    Parameters
    ----------
    vm_ids
        Ids of all VMs of the pull.
    old
        Estate that is appended to.
    """

    def __init__(self, vm_ids: Sequence[ArmId], old: Estate | None) -> None:
        self._vm_ids, self._old = vm_ids, old
        self._usable: Counter[ArmId] = Counter()
        self._with_load: set[ArmId] = set()

    def add(self, load: DayLoad) -> None:
        """Take note of new load of a day."""
        self._usable.update(usable_rows(load))
        self._with_load |= set(load.vm_ids)

    def find(self, results: Mapping[date, DayResult]) -> Gaps:
        """Gaps after a pull.

        Parameters
        ----------
        results
            Results of the days of the pull; of several failures of a VM, that of the last day counts.
        """
        reasons = self._reasons(results)
        self._count_old()
        few = (vm_id for vm_id in self._vm_ids if self._usable[vm_id] < ENOUGH_DAYS)
        return Gaps(reasons, tuple(vm_id for vm_id in few if vm_id not in reasons))

    def _reasons(self, results: Mapping[date, DayResult]) -> dict[ArmId, str]:
        failed: dict[ArmId, str] = {}
        for day in sorted(results):
            failed |= {vm_id: refusal.reason for vm_id, refusal in results[day].refused.items()}
        with_load = self._with_load | self._known_before()
        silent = {vm_id: NO_DATA for vm_id in self._vm_ids if vm_id not in with_load}
        return dict(sorted((silent | failed).items(), key=_spelling))

    def _known_before(self) -> set[ArmId]:
        """VMs that the estate has load of."""
        if self._old is None:
            return set()
        document = self._old.document
        without = {vm_id for vm_id, why in document.load_gaps.items() if why == NO_DATA}
        before = known_vms(document) - without
        return {vm_id for vm_id in self._vm_ids if vm_id in before}

    def _count_old(self) -> None:
        """Add usable days of the old estate, the newest first, until every VM has enough."""
        days = reversed(self._old.load.dates()) if self._old else ()
        for day in days:
            if self._old is None or all(self._usable[vm_id] >= ENOUGH_DAYS for vm_id in self._vm_ids):
                break
            self._usable.update(usable_rows(self._old.load.read_day(day)))


def _spelling(gap: tuple[ArmId, str]) -> str:
    return str(gap[0])
