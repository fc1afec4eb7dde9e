"""Checks a load CSV and converts it to Parquet once, so that all later code reads one format."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from optimizer.errors import DataError
from optimizer.intake.json_files import is_utf16
from optimizer.intake.problems import SHOWN, Problems, list_columns, name_columns
from optimizer.model.load import FLOAT_METRICS, METRICS

_PARQUET = b"PAR1"
"""First bytes of a Parquet file."""

_SEPARATORS = (";", "\t", ",")
"""Possible separators; the first one that occurs in the header is used, and the comma if none does."""

_TIME = r"^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?([.,]\d{1,9})?\s*([Zz]|UTC|[+-]\d\d(?::?\d\d)?)?$"
"""ISO 8601, with a space allowed in place of the T: date, minutes, seconds, fraction, UTC offset."""

_MOST_OFFSET_HOURS = 14
"""Largest UTC offset of any place on Earth, in hours."""

LINE = "line of the file"
"""Column of the Parquet copy with the line number in the CSV, so that later messages can state it."""

_PARTS = ("day", "minutes", "seconds", "fraction", "offset")
"""Groups of ``_TIME``, in order."""

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")
_NULLS = ("", "null", "none", "nan", "na", "n/a", "-")
"""Spellings of a missing value, in lower case."""


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes or by its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET or path.suffix.lower() in {".parquet", ".pq"}
    except OSError:
        return True  # reading it as Parquet will report why it cannot be read


@contextmanager
def as_parquet(path: Path, zone: str | None) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The file itself if it is Parquet, otherwise a temporary copy as Parquet; and notes for the user.

    Parameters
    ----------
    path
        CSV with a header that names at least ``vm``, ``ts``, ``cpu_percent`` and ``mem_percent``. Columns are
        separated by commas, semicolons or tabs. Without commas as separators, numbers may have a decimal comma.
    zone
        IANA name of the time zone for times that state none; None refuses such times.

    Raises
    ------
    DataError
        The CSV cannot be read, or some lines cannot be used; the first ten faults of each kind are listed.
    """
    if is_parquet(path):
        yield path, ()
        return
    with TemporaryDirectory(prefix="backup-optimizer-load-") as folder:
        target = Path(folder) / "load.parquet"
        yield target, _convert(path, zone, target)


def _convert(path: Path, zone: str | None, target: Path) -> tuple[str, ...]:
    separator, names = _read_header(path)
    try:
        lost, notes = _write_parquet(path, separator, names, zone, target)
    except pl.exceptions.NoDataError as exc:
        raise DataError(f"{path} is empty but for its header; export the load of at least some days") from exc
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror or exc}") from exc
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
        raise DataError(_first_broken_line(path, separator, names)) from exc
    return (left_out_at_clock_changes(str(zone), lost), *notes) if lost else notes


def _write_parquet(
    path: Path, separator: str, names: list[str], zone: str | None, target: Path
) -> tuple[int, tuple[str, ...]]:
    """Check and convert a CSV; the number of rows that were left out at clock changes, and notes for the user."""
    blank = pl.all_horizontal(pl.col(name).str.strip_chars().fill_null("") == "" for name in names)
    lines = _scan(path, separator, names).filter(~blank)
    # Times repeat from VM to VM, so reading each distinct one only once takes a tenth of the time.
    times = _read_times(lines.select(pl.col("ts").unique()).collect(engine="streaming"), zone)
    numbers = lines.with_columns(*_numbers(names, separator), *_running(names))
    frame = numbers.join(times.lazy(), on="ts", how="left", nulls_equal=True, maintain_order="left")
    _refuse_short_lines(path, separator, names)
    lost, notes = _check(path, frame, names, zone), tuple(_notes_on_text(lines, frame, names))
    rest = [name for name in names if name not in {"vm", "ts"}]
    known = frame.filter(pl.col("instant").is_not_null())
    known.select(pl.col("vm").str.strip_chars(), pl.col("instant").alias("ts"), *rest, LINE).sink_parquet(target)
    return lost, notes


def _scan(path: Path, separator: str, names: list[str], quote: str | None = '"') -> pl.LazyFrame:
    """Lines after the header as text, with their line numbers."""
    return pl.scan_csv(
        path,
        separator=separator,
        quote_char=quote,
        infer_schema=False,
        has_header=False,
        skip_rows=1,
        new_columns=names,
    ).with_row_index(LINE, offset=2)


def _refuse_short_lines(path: Path, separator: str, names: list[str]) -> None:
    """Refuse lines with fewer fields than the header; polars would treat the missing ones as empty.

    Raises
    ------
    DataError
        At least one line has too few fields.
    """
    lines = _scan(path, "\x1f", ["text"], quote=None)  # \x1f occurs in no text, so one field is the whole line
    text = pl.col("text").fill_null("")
    fields = text.str.replace_all('"[^"]*"', "").str.count_matches(separator, literal=True) + 1
    whole = text.str.count_matches('"', literal=True) % 2 == 0  # otherwise a quoted field continues on the next line
    short = lines.filter((text.str.strip_chars() != "") & whole & (fields < len(names)))
    if not (number := short.select(pl.len()).collect(engine="streaming").item()):
        return
    problems = Problems(str(path))
    shown = short.select(LINE, fields.alias("fields")).head(SHOWN).collect(engine="streaming")
    for line, count in shown.iter_rows():
        problems.add("lines with too few fields", f"line {line}: {_fields(count, names)}", 0)
    problems.count("lines with too few fields", number)
    problems.raise_any()


def _fields(count: int, names: list[str]) -> str:
    return f"{count} field{'' if count == 1 else 's'}, but the header has {len(names)}"


def _first_broken_line(path: Path, separator: str, names: list[str]) -> str:
    """Message that names the line that makes a CSV unreadable, and says what to do."""
    with path.open("rb") as file:
        for number, content in enumerate(file, start=1):
            if fault := _fault_in(content, number, separator, names):
                return f"{path}, line {number}{fault}"
    return (
        f"{path} cannot be read as CSV; every line must have the columns of the first, separated by {separator!r}; "
        "export it again, or as Parquet"
    )


def _fault_in(content: bytes, number: int, separator: str, names: list[str]) -> str:
    """Second half of a sentence on what is wrong with a line; empty if nothing is."""
    try:
        line = content.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return " is not UTF-8 text; save the file as 'CSV UTF-8' or Parquet"
    fields = _split(line, separator)
    if line.count('"') % 2 or (line.strip() and not fields):
        return (
            " has a stray double quote; put the whole field between double quotes, and write a double quote within it "
            "twice"
        )
    if len(fields) > len(names):
        return f": {_fields(len(fields), names)}; put a field that contains {separator!r} between double quotes"
    return ""


def _split(line: str, separator: str) -> list[str]:
    """Fields of a line; none if the line is not valid CSV."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def _notes_on_text(lines: pl.LazyFrame, frame: pl.LazyFrame, names: list[str]) -> Iterator[str]:
    """Remarks on columns in which every value counts as missing, with the first text in the column."""
    columns = [name for name in FLOAT_METRICS if name in names]
    known = frame.select(pl.col(name).is_not_nan().any() for name in columns).collect(engine="streaming")
    for name in columns:
        if not known[name].item() and (text := _first_text(lines, name)) is not None:
            yield f"The column {name} has no number: its first value is {text!r}, which counts as missing."


def _first_text(lines: pl.LazyFrame, name: str) -> str | None:
    stated = lines.select(pl.col(name).filter(pl.col(name).str.strip_chars() != "").first())
    text: str | None = stated.collect(engine="streaming").item()
    return text


def left_out_at_clock_changes(zone: str, rows: int) -> str:
    """Note on rows whose local time is ambiguous or does not exist."""
    return (
        f"Rows at a local time that {zone} skips or repeats when its clock changes: {rows}; they were left out. "
        "Export times in UTC to keep them."
    )


def _read_header(path: Path) -> tuple[str, list[str]]:
    """Separator and column names (in lower case) of the header."""
    line = _first_line(path)
    separator = next(sign for sign in _SEPARATORS if sign in line or sign == ",")
    names = [name.strip().lower() for name in next(csv.reader([line], delimiter=separator))]
    if double := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{path} has the columns {', '.join(map(repr, double))} more than once; keep one of each")
    if missing := [name for name in _REQUIRED if name not in names]:
        raise DataError(
            f"{path} lacks {name_columns(missing)}; it has {list_columns(names)}; the load needs one line for each VM "
            "and time, with the columns vm, ts, cpu_percent and mem_percent"
        )
    return separator, names


_REQUIRED = ("vm", "ts", "cpu_percent", "mem_percent")


def _first_line(path: Path) -> str:
    """Header as text.

    Raises
    ------
    DataError
        The file is empty, or has another encoding than UTF-8.
    """
    with path.open("rb") as file:
        content = file.readline(100_000)
    if is_utf16(content):
        raise DataError(f"{path} is UTF-16 text; save it as 'CSV UTF-8', or export it as Parquet")
    try:
        line = content.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is neither Parquet nor UTF-8 text; save it as 'CSV UTF-8' or Parquet") from exc
    if not line.strip():
        raise DataError(f"{path} is empty; its first line must name the columns {', '.join(_REQUIRED)}")
    return line


def _text(name: str) -> pl.Expr:
    """A field without surrounding spaces; null if it spells a missing value."""
    text = pl.col(name).str.strip_chars()
    return pl.when(~text.str.to_lowercase().is_in(_NULLS)).then(text)


def _numbers(names: list[str], separator: str) -> list[pl.Expr]:
    """Metrics as numbers; a value that is not a number is kept in the column ``bad ...``."""
    return [made for name in FLOAT_METRICS if name in names for made in _number(name, separator)]


def _number(name: str, separator: str) -> tuple[pl.Expr, pl.Expr]:
    text = _text(name)
    point = text if separator == "," else text.str.replace(",", ".", literal=True)
    number = point.cast(pl.Float64, strict=False)
    return number.alias(name), pl.when(number.is_null()).then(text).alias(f"bad {name}")


def _read_times(times: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """Distinct values of ``ts`` with three additional columns.

    ``instant`` is the time in UTC. ``bad ts`` is the text if it is not a time. ``naive`` is true if the text states no
    time zone.
    """
    parts = times.select(
        "ts", pl.col("ts").str.strip_chars().str.extract_groups(_TIME).struct.rename_fields(list(_PARTS)).alias("part")
    ).unnest("part")
    text = pl.concat_str("day", pl.lit("T"), "minutes", pl.col("seconds").fill_null(":00"))
    fraction = pl.concat_str(pl.lit("0."), pl.col("fraction").str.slice(1)).cast(pl.Float64, strict=False)
    wall = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False) + pl.duration(
        microseconds=(fraction.fill_null(0.0) * 1e6).cast(pl.Int64)
    )
    offset = pl.col("offset").str.replace("^(Z|z|UTC)$", "+0000").str.replace(":", "", literal=True)
    hours, minutes = offset.str.slice(1, 2).cast(pl.Int64), offset.str.slice(3, 2).cast(pl.Int64, strict=False)
    real = pl.col("offset").is_null() | ((hours <= _MOST_OFFSET_HOURS) & (minutes.fill_null(0) < 60))
    wall = pl.when(real).then(wall)
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    stated = wall - pl.duration(minutes=sign * (60 * hours + minutes.fill_null(0)))
    local = wall.dt.replace_time_zone(zone or "UTC", ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    naive = pl.col("offset").is_null()
    return parts.select(
        "ts",
        pl.when(naive).then(local).otherwise(stated.dt.replace_time_zone("UTC")).alias("instant"),
        pl.when(wall.is_null()).then(pl.col("ts").fill_null("")).alias("bad ts"),
        (wall.is_not_null() & naive).alias("naive"),
    )


def _running(names: list[str]) -> list[pl.Expr]:
    if "running" not in names:
        return []
    text = _text("running").str.to_lowercase()
    value = pl.when(text.is_in(_TRUE)).then(True).when(text.is_in(_FALSE)).then(False)
    return [value.alias("running"), pl.when(value.is_null()).then(_text("running")).alias("bad running")]


def _check(path: Path, frame: pl.LazyFrame, names: list[str], zone: str | None) -> int:
    """Refuse lines that cannot be used, and count rows at local times that do not exist or occur twice.

    One pass over the file counts all kinds of faults. Only files with faults are read again, for examples.
    """
    faults = _possible_faults(names, zone)
    lost = pl.col("instant").is_null() & pl.col("bad ts").is_null()
    counts = frame.select(
        *(fault.where.sum().alias(fault.kind) for fault in faults),
        lost.sum().alias("lost"),
        pl.len().alias("rows"),
    ).collect(engine="streaming")
    problems = Problems(str(path))
    for fault in faults:
        if number := counts[fault.kind].item():
            # If most lines have the same fault, it has one cause, and one example shows it.
            _add_examples(fault, frame, problems, 1 if 2 * number > counts["rows"].item() else SHOWN)
            problems.count(fault.kind, number)
    problems.raise_any()
    return int(counts["lost"].item())


class _Fault(NamedTuple):
    """A kind of fault in lines.

    Parameters
    ----------
    kind
        Heading in the message.
    where
        Expression that is true for lines with the fault.
    column, shown
        Column with the fault, and the column whose value the message shows.
    advice
        What is allowed.
    """

    kind: str
    where: pl.Expr
    column: str
    shown: str
    advice: str


def _possible_faults(names: list[str], zone: str | None) -> list[_Fault]:
    faults = [
        _Fault(f"{name} cannot be read", pl.col(f"bad {name}").is_not_null(), name, f"bad {name}", _advice_on(name))
        for name in ("ts", *METRICS)
        if name in names
    ]
    no_vm = pl.col("vm").str.strip_chars().fill_null("") == ""
    faults.append(_Fault("lines without VM", no_vm, "vm", "vm", "every line needs a VM"))
    if zone is None:
        advice = "add Z or an offset, or give the zone of such times with --zone, such as --zone Europe/Berlin"
        faults.append(_Fault("times without a zone", pl.col("naive"), "ts", "ts", advice))
    return faults


def _advice_on(name: str) -> str:
    allowed = {"ts": "ISO 8601 such as 2026-03-01T00:05Z", "running": "true, false or nothing"}
    return f"allowed: {allowed.get(name, 'a number from 0 to 100, or nothing')}"


def _add_examples(fault: _Fault, frame: pl.LazyFrame, problems: Problems, most: int) -> None:
    examples = frame.filter(fault.where).select(LINE, vm="vm", value=fault.shown).head(most)
    for line, vm, value in examples.collect(engine="streaming").iter_rows():
        text = f"line {line}, VM {vm or '(empty)'}: {fault.column} is {value or ''!r}; {fault.advice}"
        problems.add(fault.kind, text, 0)
