"""Reads CPU and memory of VMs as metrics batches: 50 VMs of one subscription and region, and one UTC day each."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from azure.core import exceptions as azure
from azure.core.rest import HttpRequest

from optimizer.azure.connection import REGION
from optimizer.azure.errors import redact, translated
from optimizer.azure.limiter import AdaptiveLimiter, SplitBudget
from optimizer.azure.memory import MemorySizes
from optimizer.azure.metrics_answer import BatchAnswer, Floats, read_answer
from optimizer.azure.traffic import RETRIES
from optimizer.errors import AuthError, CloudError, ForbiddenError, NotFoundError, RejectedError, UncertainError
from optimizer.intake import LoadChunk, LoadTarget, MissingLoad
from optimizer.model.arm_id import NO_ID, ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.timegrid import BINS_PER_DAY

if TYPE_CHECKING:
    from azure.monitor.querymetrics import MetricsClient

VMS_PER_REQUEST = 50
"""Maximum number of VMs in one batch (docs/azure.md, "What `pull` reads")."""

CPU, MEMORY_PERCENT, MEMORY_BYTES = "Percentage CPU", "Available Memory Percentage", "Available Memory Bytes"

_NAMESPACE = "Microsoft.Compute/virtualMachines"
_PATH = "/subscriptions/{subscription}/metrics:getBatch"
_API_VERSION = "2024-02-01"
"""API version of ``metrics:getBatch``; requests are sent without the client's own method, which drops resource ids."""

_SUBSCRIPTION = re.compile(r"[0-9a-f-]{36}", re.IGNORECASE)
_TRIES = 4
"""Tries for answers that break off in the middle, which the client does not repeat."""

_TRIES_OF_A_PART, _RETRIES_OF_A_PART = 2, 1
"""Tries and retries while a batch is narrowed down: fewer, so that retries do not multiply with the parts."""

MOST_PARTS = 120
"""Maximum number of requests for parts of failed batches. Finding one VM among 50 takes about a dozen, so this finds
ten such VMs at once."""

Memory = Literal["percent", "bytes"]
Statistic = Literal["average", "maximum"]


@dataclass(frozen=True)
class Batch:
    """One metrics request.

    Parameters
    ----------
    targets
        VMs to read, at most 50, of one subscription and region.
    names
        Names of the metrics.
    """

    targets: tuple[LoadTarget, ...]
    names: tuple[str, ...]
    day: date
    end: datetime

    @property
    def vm_ids(self) -> tuple[ArmId, ...]:
        """VM ids of the request."""
        return tuple(target.vm_id for target in self.targets)

    @property
    def start(self) -> datetime:
        """First instant for which any of the VMs needs metrics."""
        return max(datetime.combine(self.day, time.min, UTC), min(target.start for target in self.targets))


class MetricsReader:
    """A :class:`optimizer.intake.pull.pull_source.LoadReader` that queries Azure Monitor.

    Parameters
    ----------
    client
        Function that returns a client for metrics, given the region.
    sizes
        Memory of VM sizes, for VMs without a percentage metric for memory.
    limiter
        Limiter of the number of parallel requests.
    most
        Maximum number of parallel requests.
    statistic
        Statistic to read: ``average``, or ``maximum`` for maxima in addition to averages.
    """

    def __init__(
        self,
        client: Callable[[str], MetricsClient],
        sizes: MemorySizes,
        limiter: AdaptiveLimiter,
        most: int,
        statistic: Statistic = "average",
    ) -> None:
        self._client = client
        self._sizes = sizes
        self._limiter = limiter
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="metrics")
        self._most = most
        self._aggregations = ("average", "maximum", "minimum") if statistic == "maximum" else ("average",)
        self._lock = threading.Lock()
        self._without_percentage: set[str] = set()
        """VMs and regions that report memory only in bytes."""
        self._alone: set[ArmId] = set()
        """VMs that made a batch fail; each gets a batch of its own."""
        self._spare = SplitBudget(MOST_PARTS)

    def close(self) -> None:
        """Start no more requests, and wait for the running ones."""
        self._pool.shutdown(cancel_futures=True)

    def read_day(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> Iterator[LoadChunk]:
        """Load of each target on a day, in one chunk per request, as the answers arrive.

        Raises
        ------
        AuthError
            The sign-in was refused.
        """
        waiting = iter(self._batches(targets, day, end))
        running = {self._pool.submit(self._read, batch) for batch in islice(waiting, 2 * self._most)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {self._pool.submit(self._read, batch) for batch in islice(waiting, len(done))}
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()

    def _batches(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> list[Batch]:
        midnight = datetime.combine(day, time.min, UTC)
        groups: dict[tuple[Caseless, str, Memory, bool, ArmId], list[LoadTarget]] = defaultdict(list)
        with self._lock:
            alone = set(self._alone)
        for target in targets:
            memory, vm = self._memory_of(target), ArmId(target.vm_id)
            scope = (Caseless(target.subscription), target.region, memory, target.start > midnight)
            groups[*scope, vm if vm in alone else NO_ID].append(target)
        until = min(end, midnight + timedelta(days=1))
        return [
            Batch(tuple(part), (CPU, MEMORY_PERCENT if memory == "percent" else MEMORY_BYTES), day, until)
            for (_, _, memory, _, _), group in sorted(groups.items())
            for part in _parts(sorted(group, key=lambda target: (target.start, ArmId(target.vm_id))))
        ]

    def _memory_of(self, target: LoadTarget) -> Memory:
        with self._lock:
            known = self._without_percentage
            return "bytes" if target.region in known or ArmId(target.vm_id) in known else "percent"

    def _is_alone(self, batch: Batch) -> bool:
        with self._lock:
            return len(batch.targets) == 1 and ArmId(batch.vm_ids[0]) in self._alone

    def _read(self, batch: Batch) -> LoadChunk:
        """Load of a batch; a VM that makes the batch fail loses only its own load."""
        target = batch.targets[0]
        if not (REGION.fullmatch(target.region) and _SUBSCRIPTION.fullmatch(target.subscription)):
            where = f"region {target.region!r}, subscription {target.subscription!r}"
            return _nothing(batch, MissingLoad(f"request failed: Azure has no such location: {where}", final=True))
        return _joined([self._measure(part, answer) for part, answer in self._answers(batch)])

    def _answers(self, batch: Batch, *, is_part: bool = False) -> Iterator[tuple[Batch, BatchAnswer | MissingLoad]]:
        """Answers for a batch, or for parts of it if one VM makes the whole batch fail.

        A refusal (4xx) is about one of the VMs, so the batch is split once until that VM is found. A failure (5xx, an
        unreadable answer) may affect all VMs. The batch is then split only as far as the budget allows, with few
        retries for each part, because the parts themselves are retries.
        """
        try:
            answer = self._ask(batch, is_part=is_part)
        except AuthError:
            raise
        except CloudError as exc:
            if MEMORY_PERCENT in batch.names and Caseless(f"metric: {MEMORY_PERCENT}").key in Caseless(str(exc)).key:
                with self._lock:
                    self._without_percentage.add(batch.targets[0].region)
                yield from self._answers(replace(batch, names=(CPU, MEMORY_BYTES)), is_part=is_part)
            else:
                yield from self._narrow_down(batch, exc)
            return
        if not is_part:
            self._spare.earn()
        if len(batch.targets) == 1:
            with self._lock:
                self._alone.discard(ArmId(batch.vm_ids[0]))
        yield batch, answer

    def _narrow_down(self, batch: Batch, exc: CloudError) -> Iterator[tuple[Batch, BatchAnswer | MissingLoad]]:
        """Answers for the halves of a failed batch, or the failure itself if halves would reveal nothing."""
        refused, failed = isinstance(exc, RejectedError | NotFoundError), _is_failure(exc)
        refusal = MissingLoad(f"request failed: {exc}", final=refused or isinstance(exc, ForbiddenError))
        if len(batch.targets) == 1 or not (refused or failed):
            if failed:  # on the next day that is read, the VM gets its own batch and cannot make others fail
                with self._lock:
                    self._alone |= set(map(ArmId, batch.vm_ids))
            yield batch, refusal
        elif failed and not self._spare.take(2):
            why = "smaller batches were not tried, because too many requests fail"
            yield batch, replace(refusal, reason=f"{refusal.reason}; {why}")
        else:
            half = len(batch.targets) // 2
            for targets in (batch.targets[:half], batch.targets[half:]):
                yield from self._answers(replace(batch, targets=targets), is_part=True)

    def _measure(self, batch: Batch, answer: BatchAnswer | MissingLoad) -> LoadChunk:
        if isinstance(answer, MissingLoad):
            return _nothing(batch, answer)
        values = self._in_percent(batch, answer)
        refused = {
            batch.vm_ids[row]: MissingLoad(f"request failed: {redact(text)}", final=True)
            for row, text in answer.refused.items()
            if np.isnan(values["cpu_percent"][row]).all()
        }
        chunk = LoadChunk(batch.vm_ids, values, refused, answer.points)
        if MEMORY_PERCENT not in batch.names:
            return chunk
        known = ~np.isnan(values["cpu_percent"]).all(axis=1)
        rows = np.flatnonzero(known & np.isnan(values["mem_percent"]).all(axis=1))
        return self._fill_from_bytes(batch, chunk, rows.tolist()) if rows.size else chunk

    def _fill_from_bytes(self, batch: Batch, chunk: LoadChunk, rows: list[int]) -> LoadChunk:
        """Fill in memory from bytes for VMs with CPU load but no memory percentage; it stays unknown if that fails."""
        less = replace(batch, targets=tuple(batch.targets[row] for row in rows), names=(MEMORY_BYTES,))
        index = dict(zip(less.vm_ids, rows, strict=True))
        points = chunk.points
        for part, answer in self._answers(less):
            if isinstance(answer, MissingLoad):
                continue
            filled = self._in_percent(part, answer)
            known = ~np.isnan(filled["mem_percent"]).all(axis=1)
            with self._lock:
                self._without_percentage |= {ArmId(part.vm_ids[row]) for row in np.flatnonzero(known)}
            for metric in ("mem_percent", "mem_max"):
                if metric in filled:
                    chunk.values[metric][[index[vm_id] for vm_id in part.vm_ids]] = filled[metric]
            points += answer.points
        return replace(chunk, points=points)

    def _ask(self, batch: Batch, *, is_part: bool) -> BatchAnswer:
        target = batch.targets[0]
        vms = f"{len(batch.targets)} VMs" if len(batch.targets) > 1 else f"VM {ArmId(target.vm_id).name!r}"
        where = f"(subscription {target.subscription}, {target.region})"
        what = f"read the metrics of {vms} on {batch.day} {where}"
        tries = _TRIES_OF_A_PART if is_part else _TRIES
        for tries_left in reversed(range(tries)):
            with translated(what):
                try:
                    with self._limiter.slot():
                        content = self._post(batch, is_part=is_part)
                    return read_answer(content, batch.vm_ids, batch.day, self._aggregations)
                except (azure.ServiceResponseError, azure.DecodeError, azure.IncompleteReadError):
                    if not tries_left:
                        raise
                except msgspec.DecodeError as exc:
                    if not tries_left:
                        raise UncertainError(
                            f"cannot {what}: the answer cannot be read ({exc}); try again", status=200
                        ) from exc
        raise AssertionError("the last try returns or raises")

    def _post(self, batch: Batch, *, is_part: bool) -> bytes:
        target = batch.targets[0]
        request = HttpRequest(
            "POST",
            _PATH.format(subscription=target.subscription),
            params={
                "api-version": _API_VERSION,
                "metricnamespace": _NAMESPACE,
                "metricnames": ",".join(batch.names),
                "starttime": f"{batch.start:%Y-%m-%dT%H:%M:%SZ}",
                "endtime": f"{batch.end:%Y-%m-%dT%H:%M:%SZ}",
                "interval": "PT5M",
                "aggregation": ",".join(self._aggregations),
            },
            headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
            json={"resourceids": list(batch.vm_ids)},
        )
        again = {"retry_failures": _RETRIES_OF_A_PART} if is_part or self._is_alone(batch) else {}
        response = self._client(target.region).send_request(request, stream=True, **RETRIES, **again)
        try:
            content: bytes = response.read()
            response.raise_for_status()
        finally:
            response.close()
        return content

    def _in_percent(self, batch: Batch, answer: BatchAnswer) -> dict[str, Floats]:
        """Metrics as the estate stores them: CPU unchanged, and used instead of available memory."""
        blank = np.full((len(batch.targets), BINS_PER_DAY), np.nan, dtype=np.float32)

        def grid(name: str, aggregation: str) -> Floats:
            return answer.values.get((Caseless(name), aggregation), blank)

        values = {"cpu_percent": _plausible(grid(CPU, "average")), "mem_percent": self._used(batch, grid, "average")}
        if "maximum" in self._aggregations:
            values["cpu_max"] = _plausible(grid(CPU, "maximum"))
            values["mem_max"] = self._used(batch, grid, "minimum")  # the least available memory is the most used
        return values

    def _used(self, batch: Batch, grid: Callable[[str, str], Floats], aggregation: str) -> Floats:
        if MEMORY_BYTES not in batch.names:
            return _plausible(100 - grid(MEMORY_PERCENT, aggregation))
        available = grid(MEMORY_BYTES, aggregation)
        used = np.full_like(available, np.nan)
        for row, target in enumerate(batch.targets):
            if not np.isnan(available[row]).all():
                memory = self._sizes.bytes_of(target.subscription, target.region, target.size)
                if memory:
                    used[row] = 100 * (1 - available[row] / memory)
        return _plausible(used)


def _is_failure(exc: CloudError) -> bool:
    """Whether the service answered but failed: 5xx, 408, or an unreadable answer; not a lost connection."""
    return isinstance(exc, UncertainError) and exc.status is not None


def _plausible(values: Floats) -> Floats:
    """Clip percentages to 0 to 100: up to 5 points beyond is rounding, and anything further becomes NaN."""
    beyond = (values < -5) | (values > 105)
    clipped: Floats = np.clip(np.where(beyond, np.float32(np.nan), values), 0, 100)
    return clipped


def _parts(targets: Sequence[LoadTarget]) -> Iterator[Sequence[LoadTarget]]:
    for first in range(0, len(targets), VMS_PER_REQUEST):
        yield targets[first : first + VMS_PER_REQUEST]


def _nothing(batch: Batch, refusal: MissingLoad) -> LoadChunk:
    return LoadChunk(batch.vm_ids, {}, dict.fromkeys(batch.vm_ids, refusal))


def _joined(chunks: Sequence[LoadChunk]) -> LoadChunk:
    vm_ids = tuple(vm_id for chunk in chunks for vm_id in chunk.vm_ids)
    values = {}
    for metric in {metric for chunk in chunks for metric in chunk.values}:
        parts = [
            chunk.values.get(metric, np.full((len(chunk.vm_ids), BINS_PER_DAY), np.nan, dtype=np.float32))
            for chunk in chunks
        ]
        values[metric] = np.concatenate(parts)
    failed = {vm_id: refusal for chunk in chunks for vm_id, refusal in chunk.failed.items()}
    return LoadChunk(vm_ids, values, failed, sum(chunk.points for chunk in chunks))
