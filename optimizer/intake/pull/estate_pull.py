"""``pull``: builds an estate from Azure; it can resume and append, and partial failures do not stop it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from optimizer.errors import AuthError, CloudError, EstateError
from optimizer.estate import Estate, EstateDocument, EstateWriter, open_estate, require_free_folder
from optimizer.files import require_local
from optimizer.intake.pull.load_gaps import Gaps, LoadGaps
from optimizer.intake.pull.load_holes import LoadCoverage, LoadHole, retention_hole
from optimizer.intake.pull.load_pull import LoadPull, load_targets
from optimizer.intake.pull.partial_pull import DayResult, Partial, open_partial, request_of
from optimizer.intake.pull.pull_days import known_vms, oldest, window
from optimizer.intake.pull.pull_inventory import Found, PullFailure, find_inventory
from optimizer.intake.pull.pull_jobs import NewJobs, read_new_jobs
from optimizer.intake.pull.pull_options import MAX_DAYS, PullOptions
from optimizer.intake.pull.pull_report import PullReport
from optimizer.intake.pull.pull_source import LoadTarget, PullScope, PullSource
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.ports import Clock, Progress, no_progress

_JOBS_AGAIN = timedelta(days=3)
"""How long before the last pull an appending pull lists jobs again, since jobs that still ran have ended by now."""


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
    request = request_of(scope, options, old.fingerprint if old else "")
    with open_partial(out, request, now, old.as_of if old else None) as partial:
        return _Pull(scope, out, source, options, old, partial, clock, progress).run()


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
    clock: Clock
    progress: Progress
    began: float = field(default_factory=time.monotonic)

    def run(self) -> PullReport:
        """Run all stages."""
        as_of = self.partial.as_of
        found = self.partial.inventory()
        if found is None:
            found = self._find(as_of)
            self.partial.keep_inventory(found)
        jobs = read_new_jobs(found, as_of, self.old)
        targets = load_targets(found, as_of, self.options.days, self.old)
        load = LoadPull(self.source, self.partial, self.old, self.progress)
        results = load.run(found, targets, window(as_of, self.options.days)[1])
        return self._write(_Pulled(found, jobs, targets, results, load.received))

    def _document(self) -> EstateDocument | None:
        return self.old.document if self.old else None

    def _find(self, as_of: datetime) -> Found:
        since = as_of - timedelta(days=self.options.job_days)
        if self.old:
            since = max(self.old.as_of - _JOBS_AGAIN, as_of - timedelta(days=MAX_DAYS))
        between = (since, as_of)
        found = find_inventory(self.scope, self.source, between, self._document(), self.options.workers, self.progress)
        self._add_logged_jobs(found, between)
        return found

    def _add_logged_jobs(self, found: Found, between: tuple[datetime, datetime]) -> None:
        if self.source.workspace_jobs is None:
            return
        try:
            found.logged_jobs = self.source.workspace_jobs.read_jobs(*between)
        except AuthError:
            raise
        except CloudError as exc:
            found.failures.append(PullFailure("jobs of the workspaces", str(exc)))

    def _write(self, pulled: _Pulled) -> PullReport:
        vm_ids = [target.vm_id for target in pulled.targets]
        load_gaps = LoadGaps(vm_ids, self.old)
        coverage = LoadCoverage(pulled.targets, pulled.results, window(self.partial.as_of, self.options.days)[1])
        with EstateWriter(self.out, self._document()) as writer:
            self._add_load(writer, pulled.results, load_gaps, coverage)
            if pulled.jobs.frame.height:
                writer.add_jobs(pulled.jobs.frame)
            gaps = load_gaps.find(pulled.results)
            resources = pulled.found.resources(self.partial.as_of)
            document = writer.commit(resources, created_at=self.clock.now(), load_gaps=gaps.reasons)
        return self._report(pulled, document, gaps, tuple(self._holes(pulled, coverage, gaps)))

    def _add_load(
        self, writer: EstateWriter, results: Mapping[date, DayResult], gaps: LoadGaps, coverage: LoadCoverage
    ) -> None:
        """Write the load of all days, and record it in the estate."""
        for day in sorted(results):
            if self.old is not None:
                coverage.add(self.old.load.read_day(day))
            if results[day].vms:
                load = self.partial.read_day(day)
                gaps.add(load)
                coverage.add(load)
                writer.add_load(load)

    def _holes(self, pulled: _Pulled, coverage: LoadCoverage, gaps: Gaps) -> Iterator[LoadHole]:
        """Days without load, with the probable reason."""
        if self.old is not None:
            before = known_vms(self.old.document)
            known = [target.vm_id for target in pulled.targets if target.vm_id in before]
            yield from retention_hole(known, self.old.as_of, oldest(self.partial.as_of))
        with_workspace = self.source.workspace_load is not None
        yield from coverage.holes(pulled.found.vms, gaps.failed, with_workspace=with_workspace)

    def _report(
        self,
        pulled: _Pulled,
        document: EstateDocument,
        gaps: Gaps,
        holes: tuple[LoadHole, ...],
    ) -> PullReport:
        found = pulled.found
        history = sorted({part.date for part in document.load})
        troubles = (PullFailure(*trouble) for trouble in self.source.troubles().items())
        return PullReport(
            vaults=len(found.vaults),
            vms=len(found.spelling()),
            policies=len(found.policies),
            items=len(found.protected_items),
            jobs=pulled.jobs.frame.height,
            unassigned_jobs=pulled.jobs.unassigned,
            not_found=found.absent("gone"),
            hidden=found.absent("hidden"),
            unprotected=found.unprotected,
            points=pulled.points,
            days=sum(result.vms > 0 for result in pulled.results.values()),
            history_from=min(history, default=None),
            history_to=max(history, default=None),
            history_days=len(history),
            as_of=self.partial.as_of,
            resumed=self.partial.resumed,
            requests=dict(self.source.requests()),
            seconds=round(time.monotonic() - self.began, 3),
            no_data=gaps.no_data,
            too_little=gaps.too_little,
            failed=gaps.failed,
            failures=(*found.failures, *troubles),
            holes=holes,
        )


@dataclass(frozen=True)
class _Pulled:
    """Everything that a pull received.

    Parameters
    ----------
    found
        Inventory.
    jobs
        New jobs.
    targets
        VMs whose load was requested.
    results
        Result of each day.
    points
        Number of load values.
    """

    found: Found
    jobs: NewJobs
    targets: list[LoadTarget]
    results: Mapping[date, DayResult]
    points: int
