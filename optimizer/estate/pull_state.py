"""``<estate>.partial``: what an unfinished pull has so far, so that the same command goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from optimizer.errors import EstateError
from optimizer.estate.atomic import translate_write_errors, write_bytes
from optimizer.estate.parts import encode_day, to_arrays, to_day
from optimizer.estate.pull_inventory import Failure, Found
from optimizer.estate.pull_source import Refusal
from optimizer.model.load import DayLoad
from optimizer.model.raw import parse_json

_VERSION = 1
_STATE, _INVENTORY, _LOCK = "pull.json", "inventory.json", "lock"


@dataclass(frozen=True)
class Request:
    """What is pulled; a partial folder belongs to one of these.

    Parameters
    ----------
    scope
        As :meth:`optimizer.estate.pull_source.Scope.as_lists` gives it.
    days, job_days
        Length of the histories.
    statistic
        ``average`` or ``maximum``.
    workspaces
        Ids in lower case, in order.
    appends_to
        Fingerprint of the estate that is appended to; empty for a new one.
    """

    scope: Mapping[str, list[str]]
    days: int
    job_days: int
    statistic: str
    workspaces: tuple[str, ...]
    appends_to: str = ""

    def as_json(self) -> dict[str, Any]:
        """The request as it is written."""
        return {**asdict(self), "workspaces": list(self.workspaces)}


@dataclass(frozen=True)
class DayResult:
    """What came of one day.

    Parameters
    ----------
    vms
        VMs of which something new is known.
    points
        Values received.
    refused
        VMs whose request failed.
    silent
        VMs that are off and have had no load from this day to the end of the pull.
    """

    vms: int = 0
    points: int = 0
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()


class Partial:
    """The folder of an unfinished pull.

    Parameters
    ----------
    folder
        ``<estate>.partial``.
    as_of
        When the pull began, be it in another process.
    resumed
        Whether it was begun before.
    """

    def __init__(self, folder: Path, as_of: datetime, *, resumed: bool) -> None:
        self._folder = folder
        self.as_of = as_of
        self.resumed = resumed

    def inventory(self) -> Found | None:
        """The inventory, where it was complete."""
        try:
            content = parse_json((self._folder / _INVENTORY).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise _damaged(self._folder) from exc
        failures = [Failure(**failure) for failure in content.pop("failures")]
        return Found(**content, failures=failures)

    def keep_inventory(self, found: Found) -> None:
        """Write the inventory down."""
        self._write(_INVENTORY, json.dumps(asdict(found)).encode())

    def days(self) -> dict[date, DayResult]:
        """Days whose load is complete."""
        results = {}
        for file in sorted(self._folder.glob("load-*.json")):
            try:
                content = parse_json(file.read_text(encoding="utf-8"))
                refused = {vm: Refusal(*refusal) for vm, refusal in content["refused"].items()}
                day = date.fromisoformat(file.stem.removeprefix("load-"))
                results[day] = DayResult(content["vms"], content["points"], refused, frozenset(content["silent"]))
            except (OSError, ValueError, KeyError, TypeError) as exc:
                raise _damaged(self._folder) from exc
        return results

    def keep_day(self, load: DayLoad, result: DayResult) -> None:
        """Write the load of a day down; the remark that says that it is complete comes last."""
        if load.vm_ids:
            self._write(f"load-{load.date}.parquet", encode_day(load))
        content = {
            "vms": len(load.vm_ids),
            "points": result.points,
            "refused": {vm: [refusal.reason, refusal.final] for vm, refusal in result.refused.items()},
            "silent": sorted(result.silent),
        }
        self._write(f"load-{load.date}.json", json.dumps(content).encode())

    def read_day(self, day: date) -> DayLoad:
        """Load of a day that was written down.

        Raises
        ------
        EstateError
            The file is missing or damaged.
        """
        try:
            frame = pl.read_parquet((self._folder / f"load-{day}.parquet").read_bytes())
        except (OSError, pl.exceptions.PolarsError) as exc:
            raise _damaged(self._folder) from exc
        return to_day(day, tuple(frame["vm"].to_list()), to_arrays(frame))

    def _write(self, name: str, content: bytes) -> None:
        with translate_write_errors(self._folder / name):
            write_bytes(self._folder / name, content)


@contextmanager
def open_partial(out: Path, request: Request, now: datetime, last_as_of: datetime | None) -> Iterator[Partial]:
    """The partial folder of a pull, its own for as long as the context lasts.

    It goes when the context ends well, or when nothing is in it that would be worth going on with.

    Parameters
    ----------
    out
        The estate folder.
    request
        What is pulled now.
    now
        When the pull began, if it begins now.
    last_as_of
        When the estate that is there was taken; None where there is none.

    Raises
    ------
    EstateError
        Another pull runs, or an unfinished one is of another request.
    """
    folder = out.with_name(out.name + ".partial")
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as exc:
        raise EstateError(f"another pull into {out} is running; wait until it has ended") from exc
    try:
        partial = _begin(folder, out, request, now, last_as_of)
        yield partial
    finally:
        lock.release()
        if not (folder / _INVENTORY).exists():  # nothing that would be worth going on with
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, out: Path, request: Request, now: datetime, last_as_of: datetime | None) -> Partial:
    file = folder / _STATE
    if file.exists():
        try:
            state = parse_json(file.read_text(encoding="utf-8"))
            version, before, as_of = state["version"], state["request"], datetime.fromisoformat(state["as_of"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise _damaged(folder) from exc
        if as_of != last_as_of:  # else it was finished, and only this folder was left behind
            _require_same(folder, out, before, request.as_json(), version)
            return Partial(folder, as_of, resumed=True)
        for left in folder.glob("*.*"):
            left.unlink()
    state = {"version": _VERSION, "as_of": now.isoformat(), "request": request.as_json()}
    with translate_write_errors(file):
        write_bytes(file, json.dumps(state, indent=1).encode())
    return Partial(folder, now, resumed=False)


def _require_same(
    folder: Path, out: Path, before: Mapping[str, Any], wanted: Mapping[str, Any], version: object
) -> None:
    if version != _VERSION:
        raise EstateError(f"{folder} was left by another version of this program; delete it and pull again")
    differing = [key for key in wanted if before.get(key) != wanted[key]]
    if not differing:
        return
    if "appends_to" in differing and wanted["appends_to"] and before.get("appends_to"):
        raise EstateError(
            f"{folder} holds an unfinished pull, but {out} has changed since it began; delete {folder} and pull again"
        )
    was = "; ".join(f"{key} was {_shown(before.get(key))}, is {_shown(wanted[key])}" for key in differing)
    raise EstateError(
        f"{folder} holds an unfinished pull of another kind ({was}); finish it with the same options as then, or "
        "delete the folder to begin anew"
    )


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _damaged(folder: Path) -> EstateError:
    return EstateError(f"{folder} holds an unfinished pull that cannot be read; delete it and pull again")
