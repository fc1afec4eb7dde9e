"""Numbers for tables and charts: services and vaults before and after, half hours, and the load of one VM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
import numpy.typing as npt

from optimizer.documents import PlanDocument, ScheduleEntry, TodayAndPlan, TodayAndPlanCount
from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.occupancy import (
    exact_service_overlaps,
    expected_overlaps,
    item_services,
    service_occupancy,
    spread_over_starts,
    starts_per_slot,
    starts_today,
    typical_day,
)
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import (
    BIN_MINUTES,
    BINS_PER_DAY,
    MINUTES_PER_DAY,
    SLOT_MINUTES,
    SLOTS_PER_DAY,
    Frequency,
    parse_minute,
)
from optimizer.report.formats import decimal, is_zero

OTHERS = "all other services"


class VmHistory(Protocol):
    """Load of one VM: one row of 288 bins (5 minutes each) per UTC day, in percent; NaN if unknown."""

    @property
    def dates(self) -> Sequence[date]:
        """UTC day of each row."""
        ...

    @property
    def cpu_percent(self) -> npt.NDArray[np.float32]:
        """Mean CPU load of each bin."""
        ...

    @property
    def mem_percent(self) -> npt.NDArray[np.float32]:
        """Mean memory load of each bin."""
        ...

    @property
    def cpu_max(self) -> npt.NDArray[np.float32] | None:
        """Maximum CPU load of each bin; None if the source has none."""
        ...

    @property
    def mem_max(self) -> npt.NDArray[np.float32] | None:
        """Maximum memory load of each bin; None if the source has none."""
        ...


@dataclass(frozen=True)
class ServiceComparison:
    """A service before and after a plan.

    Parameters
    ----------
    risk, overlaps
        At-risk backups and expected overlapping snapshots per 30 days. The overlaps of all services add up to the
        figure of the summary.
    peak_windows
        Largest number of start windows that overlap in a half hour.
    """

    name: str
    vms: int
    moved: int
    risk: TodayAndPlan
    overlaps: TodayAndPlan
    peak_windows: TodayAndPlanCount


@dataclass(frozen=True)
class VaultComparison:
    """A vault before and after a plan.

    Parameters
    ----------
    risk
        At-risk backups per 30 days.
    peak_starts
        Largest number of starts in a half hour of the week.
    """

    name: str
    vms: int
    moved: int
    risk: TodayAndPlan
    peak_starts: TodayAndPlanCount


@dataclass(frozen=True)
class ServiceHours:
    """Services, and the times at which their windows overlap.

    Parameters
    ----------
    services
        All services, those with the most expected overlaps today first.
    names
        Names of the chart's rows: the first services, and :data:`OTHERS` if there are more.
    today, plan
        Shape (len(names), 48): largest number of overlapping windows of the service in a half hour of a UTC day, over
        all weekdays. For the other services, this is the largest number of any one of them.
    """

    services: tuple[ServiceComparison, ...]
    names: tuple[str, ...]
    today: IntArray
    plan: IntArray


def compare_services(
    inventory: Inventory,
    plan: PlanDocument,
    max_rows: int = 40,
) -> ServiceHours:
    """Compare the services before and after a plan, and the times at which their windows overlap.

    Parameters
    ----------
    inventory, plan
        The plan, and the inventory that it was made for.
    max_rows
        Maximum number of services with a row of their own in the chart.
    """
    now, then = starts_today(inventory), plan.starts_in(inventory)
    names, service = item_services(inventory)
    _, before = service_occupancy(inventory, now)
    _, after = service_occupancy(inventory, then)
    exact_is_known = plan.summary.overlaps_exact is not None
    overlaps, overlaps_after = (_overlaps(inventory, starts, exact_is_known=exact_is_known) for starts in (now, then))
    order = np.lexsort((np.arange(len(names)), -(overlaps + overlaps_after), -overlaps))

    def sum_up(weights: FloatArray) -> FloatArray:
        total: FloatArray = np.bincount(service, weights=weights, minlength=len(names)).astype(np.float64)
        return total

    sizes, moved = np.bincount(service, minlength=len(names)), sum_up((now != then).astype(np.float64))
    risk, risk_after = map(sum_up, _risks(inventory, plan))
    services = tuple(
        ServiceComparison(
            name=names[g],
            vms=int(sizes[g]),
            moved=int(moved[g]),
            risk=TodayAndPlan(today=risk[g], plan=risk_after[g]),
            overlaps=TodayAndPlan(today=overlaps[g], plan=overlaps_after[g]),
            peak_windows=TodayAndPlanCount(today=int(before[g].max()), plan=int(after[g].max())),
        )
        for g in order.tolist()
    )
    labels = [names[g] for g in order[:max_rows].tolist()] + ([OTHERS] if len(names) > max_rows else [])
    today, planned = (_chart_rows(typical_day(occupancy)[order], max_rows) for occupancy in (before, after))
    return ServiceHours(services, tuple(labels), today, planned)


def _overlaps(inventory: Inventory, starts: IntArray, *, exact_is_known: bool) -> FloatArray:
    """Expected overlaps of each service, which add up to the figure that the summary shows.

    The count leaves out snapshots that are scheduled two hours apart. If its total is shown as 0.00, the summary has
    the exact number instead, as far as the plan states it, and so have the services.
    """
    counted = expected_overlaps(inventory, starts)
    shows_nothing = is_zero(decimal(float(counted.sum())))
    return exact_service_overlaps(inventory, starts) if shows_nothing and exact_is_known else counted


def _chart_rows(windows: IntArray, max_rows: int) -> IntArray:
    """Rows of the first services; if there are more, one more row with the largest number of any other service."""
    if len(windows) <= max_rows:
        return windows
    return np.vstack([windows[:max_rows], windows[max_rows:].max(axis=0)])


def compare_vaults(inventory: Inventory, plan: PlanDocument) -> tuple[VaultComparison, ...]:
    """Compare the vaults before and after a plan, those with the most VMs first; vaults without VMs are left out."""
    now, then = starts_today(inventory), plan.starts_in(inventory)
    risk_now, risk_then = _risks(inventory, plan)
    compared = []
    for key, vault in inventory.vaults.items():
        rows = np.array([item.vault_id == key for item in inventory.items], dtype=np.bool_)
        if rows.any():
            today, planned = (_peak_starts(inventory, starts, rows) for starts in (now, then))
            compared.append(
                VaultComparison(
                    name=vault.name,
                    vms=int(rows.sum()),
                    moved=int((now != then)[rows].sum()),
                    risk=TodayAndPlan(today=risk_now[rows].sum(), plan=risk_then[rows].sum()),
                    peak_starts=TodayAndPlanCount(today=today, plan=planned),
                )
            )
    return tuple(sorted(compared, key=lambda vault: (-vault.vms, vault.name)))


def _peak_starts(inventory: Inventory, starts: IntArray, rows: npt.NDArray[np.bool_]) -> int:
    runs = np.array([inventory.policy(item).recurrence.runs_per_week for item in inventory.items], dtype=np.float64)
    return round(float(spread_over_starts(inventory, starts, runs * rows).max()))


def _risks(inventory: Inventory, plan: PlanDocument) -> tuple[FloatArray, FloatArray]:
    """At-risk backups of every item per 30 days, today and in the plan; shape (num_items,)."""
    entry_of = {entry.vm: entry for entry in plan.schedule}
    entries = [entry_of[item.vm_id] for item in inventory.items]
    return (
        np.array([entry.risk_today for entry in entries], dtype=np.float64),
        np.array([entry.risk for entry in entries], dtype=np.float64),
    )


@dataclass(frozen=True)
class HalfHours:
    """Backups that start in each half hour of a UTC day; arrays of shape (48,).

    Parameters
    ----------
    risk_today, risk_plan
        At-risk backups per 30 days, by the half hour in which their window begins.
    starts_today, starts_plan
        Starts per day, as the mean over the weekdays.
    """

    risk_today: FloatArray
    risk_plan: FloatArray
    starts_today: FloatArray
    starts_plan: FloatArray


def count_half_hours(inventory: Inventory, plan: PlanDocument) -> HalfHours:
    """Count the backups that start in each half hour of a UTC day, and those of them that are at risk."""
    now, then = starts_today(inventory), plan.starts_in(inventory)
    risk_now, risk_then = _risks(inventory, plan)

    def fold(week: FloatArray) -> FloatArray:
        day: FloatArray = week.reshape(7, SLOTS_PER_DAY).sum(axis=0)
        return day

    return HalfHours(
        risk_today=fold(spread_over_starts(inventory, now, risk_now)),
        risk_plan=fold(spread_over_starts(inventory, then, risk_then)),
        starts_today=fold(starts_per_slot(inventory, now)) / 7,
        starts_plan=fold(starts_per_slot(inventory, then)) / 7,
    )


@dataclass(frozen=True)
class LoadProfile:
    """Load of one VM by time of day in the zone of its policy, over all days of the history.

    Parameters
    ----------
    entry
        The VM's entry in the schedule.
    name
        Name of the VM.
    days
        Number of UTC days of history.
    cpu_mean, cpu_p95, memory_mean
        Length 288, in percent; None if no day has data.
    busy_share
        Length 288: share of the days on which CPU or memory is above its threshold; None if no day has data.
    windows_today, windows_plan
        Start windows as ``(begin, end)`` in minutes of the day, split at midnight.
    """

    entry: ScheduleEntry
    name: str
    days: int
    cpu_mean: tuple[float | None, ...]
    cpu_p95: tuple[float | None, ...]
    memory_mean: tuple[float | None, ...]
    busy_share: tuple[float | None, ...]
    windows_today: tuple[tuple[int, int], ...]
    windows_plan: tuple[tuple[int, int], ...]


def most_helped(plan: PlanDocument, count: int = 12) -> tuple[ScheduleEntry, ...]:
    """VMs whose risk falls most in the plan; if no risk falls, those with the highest risk."""
    helped = [entry for entry in plan.schedule if entry.risk_today - entry.risk > 1e-9]
    if helped:
        return tuple(sorted(helped, key=lambda entry: (entry.risk - entry.risk_today, entry.vm))[:count])
    return tuple(sorted(plan.schedule, key=lambda entry: (-entry.risk_today, entry.vm))[:count])


def load_profile(
    inventory: Inventory,
    item: ProtectedItem,
    entry: ScheduleEntry,
    history: VmHistory,
    threshold: Threshold,
) -> LoadProfile:
    """Summarize the load of one VM by time of day.

    Parameters
    ----------
    item, entry
        The VM's protected item, and its entry in the plan's schedule.
    history
        Load history of the VM.
    threshold
        Threshold above which load counts as busy, and the statistic of a bin that is compared with it.
    """
    policy = inventory.policy(item)
    offset = inventory.pattern(policy).offsets[0]
    cpu, memory = _statistic(history, threshold)
    cpu, memory = (_in_local_days(array, history.dates, offset) for array in (cpu, memory))
    known = ~(np.isnan(cpu) & np.isnan(memory))
    hot = (cpu > threshold.cpu_percent) | (memory > threshold.memory_percent)
    share = np.full(BINS_PER_DAY, np.nan)
    np.divide((hot & known).sum(axis=0), known.sum(axis=0), out=share, where=known.sum(axis=0) > 0)
    return LoadProfile(
        entry=entry,
        name=inventory.vm(item).name,
        days=len(history.dates),
        cpu_mean=_column_means(cpu),
        cpu_p95=_column_p95(cpu),
        memory_mean=_column_means(memory),
        busy_share=_rounded(share, 3),
        windows_today=_windows(item, inventory, entry.start_today),
        windows_plan=_windows(item, inventory, entry.start),
    )


def _statistic(history: VmHistory, threshold: Threshold) -> tuple[FloatArray, FloatArray]:
    cpu, memory = history.cpu_percent, history.mem_percent
    if threshold.statistic == "maximum":
        cpu = cpu if history.cpu_max is None else history.cpu_max
        memory = memory if history.mem_max is None else history.mem_max
    return cpu.astype(np.float64), memory.astype(np.float64)


def _in_local_days(load: FloatArray, dates: Sequence[date], offset_minutes: int) -> FloatArray:
    """Convert rows of UTC days to rows of local days; uses all days, because the risk of weekly backups does too."""
    if not dates:
        return np.full((1, BINS_PER_DAY), np.nan)
    first, length = dates[0], (dates[-1] - dates[0]).days + 3
    bins = np.full(length * BINS_PER_DAY, np.nan)
    for row, day in zip(load, dates, strict=True):
        begin = ((day - first).days + 1) * BINS_PER_DAY + offset_minutes // BIN_MINUTES
        bins[begin : begin + BINS_PER_DAY] = row
    return bins.reshape(length, BINS_PER_DAY)


def _rounded(values: FloatArray, digits: int) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else round(value, digits) for value in values.tolist())


def _column_means(values: FloatArray) -> tuple[float | None, ...]:
    known = ~np.isnan(values)
    means = np.full(values.shape[1], np.nan)
    np.divide(np.where(known, values, 0).sum(axis=0), known.sum(axis=0), out=means, where=known.any(axis=0))
    return _rounded(means, 1)


def _column_p95(values: FloatArray) -> tuple[float | None, ...]:
    """95th percentile of the known values in each column, by nearest rank (``numpy`` warns about empty columns)."""
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    rank = np.maximum(np.ceil(0.95 * count).astype(np.int64) - 1, 0)
    return _rounded(np.take_along_axis(ordered, rank[None, :], axis=0)[0], 1)


def _windows(item: ProtectedItem, inventory: Inventory, start: str) -> tuple[tuple[int, int], ...]:
    """Start windows of one day in local time, split at midnight."""
    hour, minute = start.split(":")
    recurrence = inventory.policy(item).recurrence
    windows = []
    for after in recurrence.runs_after_start if recurrence.frequency is Frequency.HOURLY else (0,):
        begin = (int(hour) * 60 + int(minute) + after) % MINUTES_PER_DAY
        end = begin + inventory.timing(item).window_minutes
        windows.append((begin, min(end, MINUTES_PER_DAY)))
        if end > MINUTES_PER_DAY:
            windows.append((0, end - MINUTES_PER_DAY))
    return tuple(windows)


def window_starts(inventory: Inventory, item: ProtectedItem, entry: ScheduleEntry) -> tuple[list[int], list[int]]:
    """Minutes of the UTC day at which the start windows of a VM begin, today and in the plan.

    Parameters
    ----------
    item, entry
        The VM's protected item, and its entry in the plan's schedule.
    """
    runs = inventory.policy(item).recurrence.runs_after_start
    first, planned = parse_minute(entry.start_today_utc), parse_minute(entry.start_utc)
    return [(first + run) % MINUTES_PER_DAY for run in runs], [(planned + run) % MINUTES_PER_DAY for run in runs]


def half_hour_labels() -> tuple[str, ...]:
    """Labels ``00:00``, ``00:30``, ..., ``23:30``."""
    return tuple(f"{slot * SLOT_MINUTES // 60:02d}:{slot * SLOT_MINUTES % 60:02d}" for slot in range(SLOTS_PER_DAY))
