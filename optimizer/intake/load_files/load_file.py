"""Checks a load file, and reads it a few days at a time into 5-minute bins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.errors import DataError, UsageError
from optimizer.intake.load_files.binning import (
    LEAD_BINS,
    Samples,
    find_intervals,
    in_key_order,
    merge_repeated,
    to_days,
)
from optimizer.intake.load_files.csv_load import LINE, as_parquet, left_out_at_clock_changes
from optimizer.intake.problems import Problems, list_columns, name_columns
from optimizer.model.arm_id import ArmId
from optimizer.model.load import FLOAT_METRICS, METRICS, DayLoad
from optimizer.model.timegrid import BIN_MINUTES, FIRST_YEAR, LAST_YEAR, resolve_zone

REQUIRED = ("vm", "ts", "cpu_percent", "mem_percent")
"""Columns that a load file must have."""

GROUP = "resource_group"
OPTIONAL = ("cpu_max", "mem_max", "running", GROUP)
"""Columns that a load file may have; others are not used."""

ROWS_PER_PASS = 8_000_000
"""Number of rows to process at once, which limits memory whatever the size and order of the file."""

MAX_INTERVAL_MINUTES = 60
"""Longest accepted interval between samples, in minutes; longer ones do not show the load in between."""

MAX_PERCENT, MAX_MEASURED_PERCENT = 100.0, 105.0
"""Counters overshoot slightly: values between the two limits are clipped, and larger ones are faults."""

MAX_HOLE_DAYS = 366
"""Maximum number of days between two days with load; a longer gap indicates wrong times."""

_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""Exceptions of polars for damaged files."""


@dataclass
class LoadCounts:
    """Counts of everything that occurred while a load file was read."""

    samples: int = 0
    unknown_vm_samples: int = 0
    duplicates: int = 0
    clipped: int = 0
    invalid: int = 0
    off_grid: int = 0
    known_rows: int = 0
    known_bins: int = 0
    largest_cpu: float = 0.0
    days: int = 0
    unsorted: bool = False
    intervals: set[int] = field(default_factory=set)
    seen: set[ArmId] = field(default_factory=set)

    def add_day(self, day: DayLoad) -> None:
        """Note the VMs of a day, and its CPU values."""
        self.seen.update(day.vm_ids)
        self.largest_cpu = max(self.largest_cpu, float(np.nanmax(day.cpu_percent, initial=0.0)))
        self.known_bins += int((~np.isnan(day.cpu_percent)).sum())

    def add_intervals(self, samples: Samples, minutes: npt.NDArray[np.int64]) -> None:
        """Note the interval of each VM with samples, and count samples between grid times."""
        self.intervals |= set(np.unique(minutes[np.unique(samples.rows)]).tolist())
        step = np.minimum(minutes, BIN_MINUTES)[samples.rows] * 60_000_000
        self.off_grid += int(((samples.offsets % step != 0) & samples.counted).sum())


class Overview(NamedTuple):
    """Summary of a first pass over the whole file.

    Parameters
    ----------
    names
        Names of all VMs in the file.
    rows
        Number of rows on each UTC day.
    first, last
        Earliest and latest ``ts``.
    """

    names: list[str]
    rows: dict[date, int]
    first: datetime
    last: datetime


@contextmanager
def open_load(path: Path, zone: str | None = None) -> Iterator[LoadFile]:
    """Open a load file in Parquet or CSV; a CSV is converted once to a temporary copy.

    Parameters
    ----------
    path
        Path of the load file.
    zone
        Windows or IANA name of the time zone for times that state none; None refuses such times.

    Raises
    ------
    DataError
        The file cannot be used.
    UsageError
        The time zone does not exist.
    """
    try:
        key = resolve_zone(zone).key if zone else None
    except ValueError as exc:
        raise UsageError(f"--zone: {exc}") from exc
    with as_parquet(path, key) as (parquet, notes):
        yield LoadFile(path, parquet, key, notes)


class LoadFile:
    """A load file with checked columns.

    Parameters
    ----------
    path
        Path of the file, as shown in messages.
    parquet
        Parquet file to read, if it is not ``path`` itself.
    zone
        IANA name of the time zone for times that state none; None refuses such times.
    notes
        Notes on the file for the user.

    Raises
    ------
    DataError
        The file cannot be read, or a column is missing or has the wrong type.
    """

    def __init__(
        self, path: Path, parquet: Path | None = None, zone: str | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        self.path, self.notes = path, notes
        if not path.is_file():
            raise DataError(f"cannot read {path}: there is no such file; give the path of load.parquet")
        try:
            self._raw = pl.scan_parquet(parquet or path)
            self._schema = self._raw.collect_schema()
        except (OSError, *_BROKEN) as exc:
            raise self._unreadable(exc) from exc
        self._require_columns()
        self.metrics = tuple(metric for metric in METRICS if metric in self._schema)
        self._take_zone(zone)
        self._check_types()
        self.unused = [column for column in self._schema if column not in {*REQUIRED, *OPTIONAL, LINE}]
        self._frame = self._raw.select(
            self._vm(),
            pl.col("ts").dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")),
            *(pl.col(metric).cast(pl.Float32) for metric in self.metrics),
        )

    def _require_columns(self) -> None:
        if missing := [column for column in REQUIRED if column not in self._schema]:
            raise DataError(
                f"{self.path} lacks {name_columns(missing)}; it has {list_columns(list(self._schema))}; needed "
                f"are {', '.join(REQUIRED)}, and allowed besides {', '.join(OPTIONAL)}"
            )

    def _take_zone(self, zone: str | None) -> None:
        """Read times without a time zone in the given zone; drop those that its clock skips or repeats."""
        stamp = self._schema["ts"]
        if zone is None or not isinstance(stamp, pl.Datetime) or stamp.time_zone is not None:
            return
        local = pl.col("ts").dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
        lost = self._collect(self._raw.select((local.is_null() & pl.col("ts").is_not_null()).sum())).item()
        if lost:
            self.notes += (left_out_at_clock_changes(zone, lost),)
        self._raw = self._raw.filter(local.is_not_null() | pl.col("ts").is_null()).with_columns(local)
        self._schema = self._raw.collect_schema()

    def _vm(self) -> pl.Expr:
        """VM as ``group/name`` if the file has resource groups and ``vm`` is a plain name."""
        vm = pl.col("vm").cast(pl.String)
        if GROUP not in self._schema:
            return vm
        group = pl.col(GROUP).cast(pl.String, strict=False).str.strip_chars()
        plain = (group.fill_null("") != "") & ~vm.str.contains("/", literal=True)
        return pl.when(plain).then(pl.concat_str(group, pl.lit("/"), vm)).otherwise(vm).alias("vm")

    def _unreadable(self, exc: Exception) -> DataError:
        return DataError(f"{self.path} is no readable Parquet file ({exc}); it may be cut off: export it again")

    def _check_types(self) -> None:
        stamp = self._schema["ts"]
        if not isinstance(stamp, pl.Datetime):
            raise DataError(f"{self.path}: ts is {stamp}; allowed: a timestamp with a zone, such as UTC")
        if stamp.time_zone is None:
            raise DataError(
                f"{self.path}: ts has no time zone (first value {self._first('ts')}); name its zone with "
                "--zone, such as --zone Europe/Berlin, or export it with a zone"
            )
        for metric in self.metrics:
            self._check_type(metric)

    def _check_type(self, metric: str) -> None:
        kind = self._schema[metric]
        if metric == "running":
            if kind != pl.Boolean:
                raise DataError(f"{self.path}: running is {kind}; allowed: true, false or null")
        elif kind == pl.String:
            self._check_text(metric)
        elif not (kind.is_numeric() or kind == pl.Null):
            raise DataError(f"{self.path}: {metric} is {kind}; allowed: numbers from 0 to 100, or null")

    def _check_text(self, metric: str) -> None:
        """Accept numbers that are written as text, and refuse other text."""
        problems = Problems(str(self.path))
        number = pl.col(metric).cast(pl.Float32, strict=False)
        bad = self._rows().filter(pl.col(metric).is_not_null() & number.is_null())
        for row, vm, value in self._collect(bad.select(LINE, "vm", metric)).iter_rows():
            fault = f"{self._line} {row}, VM {vm}: {metric} is {value!r}; allowed: a number or null"
            problems.add("text in numbers", fault)
        problems.raise_any()

    def _first(self, column: str) -> object:
        frame = self._collect(self._raw.select(column).head(1))
        return frame.item() if frame.height else "none"

    def _collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        try:
            return query.collect(engine="streaming")
        except (OSError, *_BROKEN) as exc:
            raise self._unreadable(exc) from exc

    def overview(self) -> Overview:
        """Summarize the VMs and times of the whole file.

        Raises
        ------
        DataError
            The file is empty or damaged, has rows without VM or time, or contains implausible times.
        """
        year = pl.col("ts").dt.convert_time_zone("UTC").dt.year()
        self._refuse_times(~year.is_between(FIRST_YEAR, LAST_YEAR), f"allowed: the years {FIRST_YEAR} to {LAST_YEAR}")
        days = self._collect(self._frame.group_by(pl.col("ts").dt.date()).agg(pl.len())).sort("ts")
        if not days.height:
            raise DataError(f"{self.path} is empty; export the load of at least some days")
        names = self._collect(self._frame.select(pl.col("vm").unique()))["vm"]
        span = self._collect(self._frame.select(first=pl.col("ts").min(), last=pl.col("ts").max()))
        if days["ts"].null_count() or names.null_count():
            self._refuse_nulls()
        self._refuse_far_days(dict(days.iter_rows()))
        return Overview(names.sort().to_list(), dict(days.iter_rows()), span["first"].item(), span["last"].item())

    def _refuse_nulls(self) -> None:
        rows = self._rows().filter(pl.col("vm").is_null() | pl.col("ts").is_null())
        problems = Problems(str(self.path))
        for row, vm, stamp in self._collect(rows.select(LINE, "vm", "ts")).iter_rows():
            fault = f"{self._line} {row}: vm is {vm!r}, ts is {stamp}; both are needed"
            problems.add("rows without VM or time", fault)
        problems.raise_any()

    @property
    def _line(self) -> str:
        """Unit of positions in messages: lines of a CSV, rows of a Parquet file."""
        return "line" if LINE in self._schema else "row"

    def _rows(self) -> pl.LazyFrame:
        """All rows, with their numbers in the column ``LINE``."""
        return self._raw if LINE in self._schema else self._raw.with_row_index(LINE, offset=1)

    def _refuse_far_days(self, rows: dict[date, int]) -> None:
        """Refuse rows beyond a gap of more than a year.

        One wrong time would otherwise stretch the history over centuries. The part with the most rows is taken to be
        right.
        """
        parts = _split_at_holes(rows)
        if len(parts) < 2:
            return
        kept = max(parts, key=lambda part: sum(rows[day] for day in part))
        dates = pl.col("ts").dt.convert_time_zone("UTC").dt.date()
        self._refuse_times(
            ~dates.is_between(kept[0], kept[-1]),
            f"most rows are from {kept[0]} to {kept[-1]}, and nothing is known for more than {MAX_HOLE_DAYS} days "
            "in between; correct the time, or leave the row out",
        )

    def _refuse_times(self, wrong: pl.Expr, advice: str) -> None:
        """Refuse rows with wrong times."""
        bad = self._rows().filter(wrong)
        stamp = pl.col("ts").dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        of_vms = bad.group_by("vm", pl.col("ts").dt.year().alias("year")).agg(
            pl.col(LINE).min(), stamp.sort_by(LINE).first(), pl.len()
        )
        problems = Problems(str(self.path))
        for vm, year, row, text, count in self._collect(of_vms).sort(LINE).iter_rows():
            fault = f"{self._line} {row}, VM {vm}: ts is {text}; {advice}"
            problems.add("times that cannot be right", fault, count, about=(vm, year))
        problems.raise_any()

    def read(
        self,
        overview: Overview,
        vm_ids: Sequence[ArmId],
        counts: LoadCounts,
        problems: Problems,
        *,
        drop_invalid: bool = False,
        rows_per_pass: int = ROWS_PER_PASS,
        find: Callable[[str], ArmId | None] | None = None,
    ) -> Iterator[DayLoad]:
        """Load of the given VMs by day, ascending; days without load are skipped.

        Samples that are finer than 5 minutes are averaged (``*_max`` keeps the maximum). Coarser samples also fill the
        bins that follow until the VM's interval ends.

        Parameters
        ----------
        overview
            Summary of this file.
        vm_ids
            VM ids to read, sorted; compared without regard to case.
        counts, problems
            Counts and faults, which this method adds to. Days are worth writing only while ``problems`` is empty.
        drop_invalid
            Treat values that are out of range as missing.
        rows_per_pass
            Number of rows to process at once, but at least those of one day.
        find
            Function that returns the VM id for a name in the file, or None if the name is unknown; by default names
            are ids.

        Raises
        ------
        DataError
            The file is damaged.
        """
        find = find or ArmId
        rows = {vm_id: row for row, vm_id in enumerate(vm_ids)}
        row_by_code = np.array([rows.get(find(name) or ArmId(), -1) for name in overview.names], dtype=np.int64)
        check = _ValueCheck(vm_ids, counts, problems, drop_invalid)
        distances: Counter[int] = Counter()
        for days in _passes(overview.rows, rows_per_pass):
            samples = self._read_pass(days, overview.names, row_by_code, counts)
            check.apply(samples)
            samples, sorted_by_time = in_key_order(samples)
            samples, dropped = merge_repeated(samples, partial(_note_conflict, problems, vm_ids, samples.begin))
            intervals = find_intervals(samples, len(vm_ids))
            counts.unsorted |= not sorted_by_time
            counts.duplicates += dropped
            counts.add_intervals(samples, intervals.minutes)
            distances.update(intervals.distances)
            yield from to_days(samples, days, vm_ids, intervals.minutes)
        self._check_interval(distances, problems)

    def _check_interval(self, distances: Counter[int], problems: Problems) -> None:
        """Refuse samples that are too far apart to show the load between them."""
        coarse = sum(times for minutes, times in distances.items() if minutes > MAX_INTERVAL_MINUTES)
        if 2 * coarse > distances.total():
            common = max(distances, key=lambda minutes: distances[minutes])
            problems.add(
                "interval too long",
                f"samples of a VM are mostly {common} minutes apart; allowed: a regular interval from 1 to "
                f"{MAX_INTERVAL_MINUTES} minutes; export finer data",
            )

    def _read_pass(
        self, days: Sequence[date], names: Sequence[str], row_by_code: npt.NDArray[np.int64], counts: LoadCounts
    ) -> Samples:
        """Samples of some days and of the hour before, whose last samples may extend into the first day."""
        begin = datetime.combine(days[0], time.min, UTC) - timedelta(minutes=LEAD_BINS * BIN_MINUTES)
        end = datetime.combine(days[-1], time.min, UTC) + timedelta(days=1)
        frame = self._collect(
            self._frame.filter((pl.col("ts") >= begin) & (pl.col("ts") < end)).with_columns(
                pl.col("vm").cast(pl.Enum(names)).to_physical(), pl.col("ts") - begin
            )
        )
        rows = row_by_code[frame["vm"].to_numpy()]
        offsets = frame["ts"].to_physical().to_numpy()
        samples = Samples(begin, rows, offsets, {metric: frame[metric].to_numpy() for metric in self.metrics})
        counted = int(samples.counted.sum())
        if (rows < 0).any():
            samples = samples.take(rows >= 0)
        known = int(samples.counted.sum())
        counts.samples += known
        counts.unknown_vm_samples += counted - known
        return samples


def _split_at_holes(days: Iterable[date]) -> list[list[date]]:
    """Runs of days without a gap of more than :data:`MAX_HOLE_DAYS`."""
    parts: list[list[date]] = []
    for day in days:
        if not parts or day - parts[-1][-1] > timedelta(days=MAX_HOLE_DAYS):
            parts.append([])
        parts[-1].append(day)
    return parts


def _passes(rows: dict[date, int], limit: int) -> Iterator[list[date]]:
    """Groups of days with about ``limit`` rows, without large gaps, because absent days would use memory."""
    group: list[date] = []
    total = 0
    for day, count in rows.items():
        if group and (total + count > limit or day - group[-1] > timedelta(days=7)):
            yield group
            group, total = [], 0
        group.append(day)
        total += count
    yield group


@dataclass(frozen=True)
class _ValueCheck:
    """Clips values that overshoot, and drops or reports impossible ones.

    Parameters
    ----------
    vm_ids
        VM ids by row.
    counts, problems
        Counts and faults, which the check adds to.
    drop_invalid
        Treat values that are out of range as missing instead of reporting them.
    """

    vm_ids: Sequence[str]
    counts: LoadCounts
    problems: Problems
    drop_invalid: bool

    def apply(self, samples: Samples) -> None:
        """Check the metrics in percent, and change them in place."""
        for metric in filter(samples.values.__contains__, FLOAT_METRICS):
            values = samples.values[metric] = samples.values[metric].copy()  # a view of the frame is read-only
            over, invalid = values > MAX_PERCENT, (values < 0) | (values > MAX_MEASURED_PERCENT)
            bad = np.flatnonzero(invalid & samples.counted)
            if not self.drop_invalid:
                self._report(samples, metric, bad)
            self.counts.invalid += len(bad)
            self.counts.clipped += int((over & ~invalid & samples.counted).sum())
            np.minimum(values, MAX_PERCENT, out=values)
            values[invalid] = np.nan

    def _report(self, samples: Samples, metric: str, bad: npt.NDArray[np.intp]) -> None:
        """Report the first impossible value of each VM, with their number."""
        _, firsts, numbers = np.unique(samples.rows[bad], return_index=True, return_counts=True)
        for row, number in zip(bad[firsts].tolist(), numbers.tolist(), strict=True):
            vm, value = self.vm_ids[samples.rows[row]], samples.values[metric][row]
            self.problems.add(
                f"{metric} out of range",
                f"VM {vm} at {samples.time(row)}: {metric} is {value:g}; allowed: 0 to {MAX_PERCENT:g} (up to "
                f"{MAX_MEASURED_PERCENT:g} is clipped); correct it, or use --drop-invalid",
                number,
                about=vm,
            )


def _note_conflict(
    problems: Problems, vm_ids: Sequence[str], begin: datetime, row: int, offset: int, metric: str, values: list[float]
) -> None:
    stamp = begin + timedelta(microseconds=offset)
    shown = " and ".join(f"{value:g}" for value in values)
    problems.add(
        "conflicting duplicates",
        f"VM {vm_ids[row]} at {stamp:%Y-%m-%dT%H:%M:%SZ}: {metric} is {shown}; keep one of the rows",
        about=vm_ids[row],
    )
