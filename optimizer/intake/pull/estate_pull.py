"""``pull``: builds an estate from Azure; it can resume and append, and partial failures do not stop it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from optimizer.arm import build_inventory
from optimizer.errors import AuthError, CloudError, EstateError
from optimizer.estate import Estate, EstateDocument, EstateWriter, LoadStore, open_estate, require_free_folder
from optimizer.files import require_local
from optimizer.intake.pull.job_slots import add_scheduled
from optimizer.intake.pull.load_holes import LoadCoverage, LoadHole, retention_hole
from optimizer.intake.pull.partial_pull import DayResult, Partial, Request, open_partial
from optimizer.intake.pull.pull_days import DayBlock, days_between, find_starts, known_vms, oldest, usable_rows, window
from optimizer.intake.pull.pull_inventory import Failure, Found, find_inventory, is_off, place_of
from optimizer.intake.pull.pull_options import MAX_DAYS, PullOptions
from optimizer.intake.pull.pull_report import ENOUGH_DAYS, NO_DATA, PullReport
from optimizer.intake.pull.pull_source import LoadReader, LoadTarget, PullScope, PullSource, Refusal
from optimizer.intake.pull.raw_jobs import JobReader, learn_error_titles, logged_jobs, merge_jobs, to_frame
from optimizer.intake.spelling import source_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.model.raw import id_of
from optimizer.model.rules import DEFAULT_SERVICE_FROM
from optimizer.ports import Clock, Progress, no_progress

_JOBS_AGAIN = timedelta(days=3)
"""How long before the last pull an appending pull lists jobs again, since jobs that still ran have ended by now."""

_MOST_FAILING_DAYS = 3
"""Number of consecutive days that may fail for a VM, without a final refusal, before it is skipped."""


def pull_to_folder(
    scope: PullScope,
    out: Path,
    source: PullSource,
    options: PullOptions | None = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
    progress: Progress = no_progress,
) -> PullReport:
    """Pull a new estate, or what is new since the last pull.

    Parameters
    ----------
    scope
        Subscriptions, management groups and vaults to pull.
    out
        The estate folder.
    source
        Connections to Azure.
    options
        Periods and other options; None means the defaults.
    clock
        Clock for the start of the pull; by default that of the machine.
    progress
        Called after each vault and each request for load.

    Raises
    ------
    CloudError
        Nothing could be pulled at all.
    EstateError
        The folder is not free, contains another kind of estate or cannot be written, or an unfinished pull blocks it.
    """
    options, out = options or PullOptions(), require_local(out)
    now = clock.now().replace(microsecond=0)
    old = _open_old(out) if options.append else None
    if old is None:
        require_free_folder(out, can_append=True)
    request = Request(
        scope.as_lists(),
        options.days,
        options.job_days,
        options.statistic,
        tuple(Caseless(workspace).key for workspace in options.workspaces),
        old.fingerprint if old else "",
    )
    with open_partial(out, request, now, old.as_of if old else None) as partial:
        return _Pull(scope, out, source, options, old, partial, progress, clock).run()


def _open_old(out: Path) -> Estate:
    estate = open_estate(out)
    if estate.document.source != "azure":
        raise EstateError(
            f"{out} holds an estate from {estate.document.source!r}, to which nothing can be pulled; choose a new "
            "folder"
        )
    return estate


@dataclass
class _Pull:
    """One run of a pull; its methods are the stages, in order."""

    scope: PullScope
    out: Path
    source: PullSource
    options: PullOptions
    old: Estate | None
    partial: Partial
    progress: Progress
    clock: Clock
    began: float = field(default_factory=time.monotonic)
    received: int = 0
    unassigned: Mapping[str, int] = field(default_factory=dict)
    targets: list[LoadTarget] = field(default_factory=list)

    def run(self) -> PullReport:
        """Run all stages."""
        as_of = self.partial.as_of
        found = self.partial.inventory()
        if found is None:
            found = self._find(as_of)
            self.partial.keep_inventory(found)
        jobs = self._jobs(found, as_of)
        results = self._pull_load(found, as_of)
        return self._write(found, jobs, results, as_of)

    def _document(self) -> EstateDocument | None:
        return self.old.document if self.old else None

    def _find(self, as_of: datetime) -> Found:
        since = as_of - timedelta(days=self.options.job_days)
        if self.old:
            since = max(self.old.as_of - _JOBS_AGAIN, as_of - timedelta(days=MAX_DAYS))
        between = (since, as_of)
        found = find_inventory(self.scope, self.source, between, self._document(), self.options.workers, self.progress)
        if self.source.workspace_jobs is not None:
            try:
                found.logged_jobs = self.source.workspace_jobs.read_jobs(*between)
            except AuthError:
                raise
            except CloudError as exc:
                found.failures.append(Failure("jobs of the workspaces", str(exc)))
        return found

    def _jobs(self, found: Found, as_of: datetime) -> pl.DataFrame:
        """New jobs, with their scheduled times where these are certain."""
        inventory = build_inventory(found.resources(as_of), DEFAULT_SERVICE_FROM)
        reader = JobReader(found.spelling(), inventory.job_owners, learn_error_titles(found.protected_items))
        rows = [row for vault_id, jobs in found.jobs.items() for row in reader.read(vault_id, jobs)]
        vaults = {id_of(vault): id_of(vault) for vault in found.vaults}
        rows = merge_jobs(rows, logged_jobs(found.logged_jobs, reader, vaults))
        self.unassigned = dict(sorted(reader.unassigned.items()))
        add_scheduled(rows, inventory)
        frame = to_frame(rows)
        if self.old is None:
            return frame
        known = self.old.jobs().select("start", "operation", pl.col("vm").str.to_lowercase())
        return frame.join(
            known.rename({"vm": "key"}),
            left_on=["start", "operation", pl.col("vm").str.to_lowercase()],
            right_on=["start", "operation", "key"],
            how="anti",
        )

    def _targets(self, found: Found, as_of: datetime) -> list[LoadTarget]:
        """Protected VMs, and the time from which the load of each is requested."""
        start, _ = window(as_of, self.options.days)
        spelling = found.spelling()
        vms = {id_of(vm): vm for vm in found.vms}
        regions = {id_of(vault): str(vault.get("location") or "") for vault in found.vaults}
        region_of: dict[ArmId, str] = {}
        for item in found.protected_items:
            region_of.setdefault(source_vm(item), regions.get(id_of(item).vault, ""))
        starts = find_starts(self.old, spelling.values(), start, oldest(as_of)) if self.old else {}
        return [
            LoadTarget(vm_id, *place_of(vms.get(key), key, region_of.get(key, "")), starts.get(vm_id, start))
            for key, vm_id in sorted(spelling.items(), key=lambda pair: pair[1])
            if found.missing.get(key) != "gone"
        ]

    def _pull_load(self, found: Found, as_of: datetime) -> dict[date, DayResult]:
        """Pull the load of each missing day, the newest first."""
        targets = self.targets = self._targets(found, as_of)
        _, end = window(as_of, self.options.days)
        days = days_between(min((target.start for target in targets), default=end), end)
        results = self.partial.days()
        silent = frozenset(str(id_of(vm)) for vm in found.vms if is_off(vm))
        trouble: Counter[str] = Counter()
        for number, day in enumerate(days):
            wanted = [target for target in targets if target.start.date() <= day and trouble[target.vm_id] >= 0]
            if day not in results:
                results[day] = self._pull_day(DayBlock(day, wanted, end), silent, number, len(days))
            silent = results[day].silent
            for target in wanted:
                _count_trouble(trouble, target.vm_id, results[day].refused.get(target.vm_id))
        return results

    def _pull_day(self, block: DayBlock, silent: frozenset[str], number: int, num_days: int) -> DayResult:
        refused = self._ask(self.source.metrics, block.targets, block, number, num_days)
        if self.source.workspace_load is not None:
            lacks = ~(block.has("cpu_percent") & block.has("mem_percent"))
            missing = [target for target, lack in zip(block.targets, lacks, strict=True) if lack]
            more = self._ask(self.source.workspace_load, missing, block, number, num_days)
            refused = {**more, **refused}
        has_load = block.has("cpu_percent")
        running = {target.vm_id for target, has in zip(block.targets, has_load, strict=True) if has}
        refused = {vm_id: refusal for vm_id, refusal in refused.items() if vm_id not in running}
        if number == 0:
            _require_some(refused, block.targets)
        old = self.old.load.read_day(block.day) if self.old else None
        load = block.to_load(silent - refused.keys(), old)
        result = DayResult(len(load.vm_ids), block.points, refused, silent - running - refused.keys())
        self.partial.keep_day(load, result)
        return result

    def _ask(
        self, reader: LoadReader, targets: Sequence[LoadTarget], block: DayBlock, number: int, num_days: int
    ) -> dict[str, Refusal]:
        refused: dict[str, Refusal] = {}
        done, before = 0, block.points
        for chunk in reader.read_day(targets, block.day, block.end) if targets else ():
            block.fill(chunk)
            refused |= chunk.failed
            done += len(chunk.vm_ids)
            seconds = time.monotonic() - self.began
            rate = (self.received + block.points - before) / max(seconds, 1e-3)
            total = len(block.targets)
            note = f"{block.day}, {rate:,.0f} points/s"
            self.progress("load", number * total + min(done, total), num_days * total, note)
        self.received += block.points - before
        return refused

    def _write(
        self, found: Found, jobs: pl.DataFrame, results: Mapping[date, DayResult], as_of: datetime
    ) -> PullReport:
        usable: Counter[str] = Counter()
        have: set[str] = set()
        coverage = LoadCoverage(self.targets, results, window(as_of, self.options.days)[1])
        with EstateWriter(self.out, self._document()) as writer:
            for day in sorted(results):
                if self.old is not None:
                    coverage.add(self.old.load.read_day(day))
                if results[day].vms:
                    load = self.partial.read_day(day)
                    usable.update(usable_rows(load))
                    have |= set(load.vm_ids)
                    coverage.add(load)
                    writer.add_load(load)
            if jobs.height:
                writer.add_jobs(jobs)
            vm_ids = sorted(vm_id for key, vm_id in found.spelling().items() if found.missing.get(key) != "gone")
            gaps = self._gaps(vm_ids, have, results)
            document = writer.commit(
                found.resources(as_of),
                created_at=self.clock.now(),
                load_gaps={ArmId(vm_id): why for vm_id, why in gaps.items()},
            )
        self._count_old(vm_ids, usable)
        too_little = tuple(vm for vm in vm_ids if usable[vm] < ENOUGH_DAYS and vm not in gaps)
        days = sum(result.vms > 0 for result in results.values())
        report = self._report(found, document, num_jobs=jobs.height, num_days=days, gaps=gaps, too_little=too_little)
        return replace(report, holes=tuple(self._holes(found, coverage, report.failed, as_of)))

    def _holes(
        self, found: Found, coverage: LoadCoverage, failed: Collection[str], as_of: datetime
    ) -> Iterator[LoadHole]:
        """Days without load, with the probable reason."""
        if self.old is not None:
            before = known_vms(self.old.document)
            known = [target.vm_id for target in self.targets if ArmId(target.vm_id) in before]
            yield from retention_hole(known, self.old.as_of, oldest(as_of))
        vms = {id_of(vm): vm for vm in found.vms}
        yield from coverage.holes(vms, failed, with_workspace=self.source.workspace_load is not None)

    def _report(
        self,
        found: Found,
        document: EstateDocument,
        *,
        num_jobs: int,
        num_days: int,
        gaps: Mapping[str, str],
        too_little: tuple[str, ...],
    ) -> PullReport:
        history = sorted({part.date for part in document.load})
        return PullReport(
            vaults=len(found.vaults),
            vms=len(found.spelling()),
            policies=len(found.policies),
            items=len(found.protected_items),
            jobs=num_jobs,
            unassigned_jobs=self.unassigned,
            not_found=tuple(sorted((vm_id for vm_id, how in found.missing.items() if how == "gone"), key=str)),
            hidden=tuple(sorted((vm_id for vm_id, how in found.missing.items() if how == "hidden"), key=str)),
            unprotected=found.unprotected,
            points=self.received,
            days=num_days,
            history_from=history[0] if history else None,
            history_to=history[-1] if history else None,
            history_days=len(history),
            as_of=self.partial.as_of,
            resumed=self.partial.resumed,
            requests=dict(self.source.requests()),
            seconds=round(time.monotonic() - self.began, 3),
            no_data=tuple(vm_id for vm_id, why in gaps.items() if why == NO_DATA),
            too_little=too_little,
            failed={vm_id: why for vm_id, why in gaps.items() if why != NO_DATA},
            failures=(*found.failures, *(Failure(*trouble) for trouble in self.source.troubles().items())),
        )

    def _gaps(self, vm_ids: Sequence[str], have: set[str], results: Mapping[date, DayResult]) -> dict[str, str]:
        """Reasons for VMs that have no load or a failed request.

        Parameters
        ----------
        vm_ids
            Ids of all VMs.
        have
            Ids of the VMs with load in this pull.
        """
        gaps: dict[str, str] = {}
        for day in sorted(results):
            gaps |= {vm_id: refusal.reason for vm_id, refusal in results[day].refused.items()}
        if self.old is not None:
            before = known_vms(self.old.document) - {
                vm_id for vm_id, why in self.old.document.load_gaps.items() if why == NO_DATA
            }
            have = have | {vm_id for vm_id in vm_ids if ArmId(vm_id) in before}
        gaps |= {vm_id: NO_DATA for vm_id in vm_ids if vm_id not in have and vm_id not in gaps}
        return dict(sorted(gaps.items()))

    def _count_old(self, vm_ids: Sequence[str], usable: Counter[str]) -> None:
        """Add usable days of the old estate, the newest first, until every VM has enough."""
        if self.old is None:
            return
        store = LoadStore(self.out, self.old.document.load)
        for day in reversed(store.dates()):
            if all(usable[vm_id] >= ENOUGH_DAYS for vm_id in vm_ids):
                break
            usable.update(usable_rows(store.read_day(day)))


def _count_trouble(trouble: Counter[str], vm_id: str, refusal: Refusal | None) -> None:
    """Count consecutive days that failed; -1 if further requests are pointless."""
    if refusal is None:
        trouble[vm_id] = 0
    elif refusal.final or trouble[vm_id] + 1 >= _MOST_FAILING_DAYS:
        trouble[vm_id] = -1
    else:
        trouble[vm_id] += 1


def _require_some(refused: Mapping[str, Refusal], targets: Sequence[LoadTarget]) -> None:
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
