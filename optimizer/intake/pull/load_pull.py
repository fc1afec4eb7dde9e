"""Pulls the load of the protected VMs, day by day."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from optimizer.errors import CloudError
from optimizer.estate import Estate
from optimizer.intake.pull.partial_pull import DayResult, Partial
from optimizer.intake.pull.pull_days import DayBlock, days_between, find_starts, oldest, window
from optimizer.intake.pull.pull_inventory import Found, is_off, place_of
from optimizer.intake.pull.pull_source import LoadReader, LoadTarget, MissingLoad, PullSource
from optimizer.intake.spelling import source_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of
from optimizer.ports import Progress

_MOST_FAILING_DAYS = 3
"""Number of consecutive days that may fail for a VM, without a final refusal, before it is skipped."""


def load_targets(found: Found, as_of: datetime, days: int, old: Estate | None) -> list[LoadTarget]:
    """Protected VMs, and the time from which the load of each is requested.

    Parameters
    ----------
    found
        Inventory of the pull.
    as_of
        Time of the pull.
    days
        Number of whole UTC days of load before today.
    old
        Estate that is appended to.
    """
    start, _ = window(as_of, days)
    spelling = found.spelling()
    starts = find_starts(old, spelling.values(), start, oldest(as_of)) if old else {}
    vms = {id_of(vm): vm for vm in found.vms}
    regions = _regions(found)
    existing = ((key, vm_id) for key, vm_id in spelling.items() if found.missing.get(key) != "gone")
    return [
        LoadTarget(vm_id, *place_of(vms.get(key), key, regions.get(key, "")), starts.get(vm_id, start))
        for key, vm_id in sorted(existing, key=lambda pair: str(pair[1]))
    ]


def _regions(found: Found) -> dict[ArmId, str]:
    """Region of the vault of each VM; of its first item if it has several."""
    of_vaults = {id_of(vault): str(vault.get("location") or "") for vault in found.vaults}
    regions: dict[ArmId, str] = {}
    for item in found.protected_items:
        regions.setdefault(source_vm(item), of_vaults.get(id_of(item).vault, ""))
    return regions


class LoadPull:
    """Requests for the load of VMs, the newest day first.

    Parameters
    ----------
    source
        Connections to Azure.
    partial
        Folder for the days that are complete.
    old
        Estate that is appended to.
    progress
        Called after each request.
    """

    def __init__(self, source: PullSource, partial: Partial, old: Estate | None, progress: Progress) -> None:
        self._source, self._partial, self._old, self._progress = source, partial, old, progress
        self._began = time.monotonic()
        self.received = 0
        """Number of load values that this run received."""

    def run(self, found: Found, targets: Sequence[LoadTarget], end: datetime) -> dict[date, DayResult]:
        """Pull the load of each missing day.

        Parameters
        ----------
        found
            Inventory of the pull.
        targets
            VMs to request.
        end
            End of the history.

        Raises
        ------
        CloudError
            The first day failed for every VM.
        """
        days = days_between(min((target.start for target in targets), default=end), end)
        results = self._partial.days()
        silent = frozenset(id_of(vm) for vm in found.vms if is_off(vm))
        trouble = _Trouble()
        for number, day in enumerate(days):
            wanted = [target for target in targets if target.start.date() <= day and trouble.may_ask(target.vm_id)]
            if day not in results:
                results[day] = self._pull_day(DayBlock(day, wanted, end), silent, number, len(days))
            silent = results[day].silent
            trouble.count(wanted, results[day].refused)
        return results

    def _pull_day(self, block: DayBlock, silent: frozenset[ArmId], number: int, num_days: int) -> DayResult:
        refused = self._ask(self._source.metrics, block.targets, block, number, num_days)
        if self._source.workspace_load is not None:
            others = self._ask(self._source.workspace_load, block.incomplete(), block, number, num_days)
            refused = others | refused
        running = block.with_load()
        refused = {vm_id: refusal for vm_id, refusal in refused.items() if vm_id not in running}
        if number == 0:
            _require_some(refused, block.targets)
        old = self._old.load.read_day(block.day) if self._old else None
        load = block.to_load(silent - refused.keys(), old)
        result = DayResult(len(load.vm_ids), block.points, refused, silent - running - refused.keys())
        self._partial.keep_day(load, result)
        return result

    def _ask(
        self, reader: LoadReader, targets: Sequence[LoadTarget], block: DayBlock, number: int, num_days: int
    ) -> dict[ArmId, MissingLoad]:
        """Fill a block with the answers to requests; the VMs whose requests failed, with reasons."""
        refused: dict[ArmId, MissingLoad] = {}
        total, done, before = len(block.targets), 0, block.points
        for chunk in reader.read_day(targets, block.day, block.end) if targets else ():
            block.fill(chunk)
            refused |= chunk.failed
            done += len(chunk.vm_ids)
            note = f"{block.day}, {self._rate(block.points - before):,.0f} points/s"
            self._progress("load", number * total + min(done, total), num_days * total, note)
        self.received += block.points - before
        return refused

    def _rate(self, fresh: int) -> float:
        """Values per second since the start, with those of the running request."""
        return (self.received + fresh) / max(time.monotonic() - self._began, 1e-3)


class _Trouble:
    """Consecutive days on which requests for a VM failed."""

    def __init__(self) -> None:
        self._days: Counter[ArmId] = Counter()
        self._given_up: set[ArmId] = set()

    def may_ask(self, vm_id: ArmId) -> bool:
        """Whether further requests for a VM make sense."""
        return vm_id not in self._given_up

    def count(self, targets: Sequence[LoadTarget], refused: Mapping[ArmId, MissingLoad]) -> None:
        """Note the outcome of a day for some VMs."""
        for target in targets:
            refusal = refused.get(target.vm_id)
            self._days[target.vm_id] = self._days[target.vm_id] + 1 if refusal else 0
            if refusal and (refusal.final or self._days[target.vm_id] >= _MOST_FAILING_DAYS):
                self._given_up.add(target.vm_id)


def _require_some(refused: Mapping[ArmId, MissingLoad], targets: Sequence[LoadTarget]) -> None:
    """Raise an error if the first day failed for every VM, since the other days would fail as well.

    Raises
    ------
    CloudError
        No load was received.
    """
    if targets and all(target.vm_id in refused for target in targets):
        reasons = Counter(refusal.reason for refusal in refused.values())
        reason = reasons.most_common(1)[0][0].removeprefix("request failed: ")
        raise CloudError(f"no load could be pulled for any of {len(targets)} VMs; the first reason: {reason}")
