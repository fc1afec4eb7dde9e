"""``<estate>.partial``: data of an unfinished pull, so that the same command continues where it stopped."""

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
from optimizer.estate import encode_day, to_arrays
from optimizer.files import save_file, translate_write_errors
from optimizer.intake.pull.pull_inventory import Found, PullFailure
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_source import MissingLoad, PullScope
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.load import DayLoad, to_day
from optimizer.model.raw import MALFORMED, parse_json

_VERSION = 1
"""Version of the format of a partial folder; another version cannot be continued."""

_STATE, _INVENTORY, _LOCK = "pull.json", "inventory.json", "lock"


@dataclass(frozen=True)
class Request:
    """Request of a pull; a partial folder belongs to exactly one request.

    Parameters
    ----------
    scope
        Scope as returned by :meth:`optimizer.intake.pull.pull_source.PullScope.as_lists`.
    days, job_days
        Length of the load and job histories, in days.
    statistic
        Statistic to pull: ``average`` or ``maximum``.
    workspaces
        Ids of workspaces in lower case, in order.
    appends_to
        Fingerprint of the estate that is appended to; empty for a new estate.
    """

    scope: Mapping[str, list[str]]
    days: int
    job_days: int
    statistic: str
    workspaces: tuple[str, ...]
    appends_to: str = ""

    def as_json(self) -> dict[str, Any]:
        """The request in JSON form."""
        return {**asdict(self), "workspaces": list(self.workspaces)}


def request_of(scope: PullScope, options: PullOptions, appends_to: str) -> Request:
    """Request that describes a pull.

    Parameters
    ----------
    scope
        Subscriptions, management groups and vaults.
    options
        Periods and other options.
    appends_to
        Fingerprint of the estate that is appended to; empty for a new estate.
    """
    workspaces = tuple(Caseless(workspace).key for workspace in options.workspaces)
    return Request(scope.as_lists(), options.days, options.job_days, options.statistic, workspaces, appends_to)


@dataclass(frozen=True)
class DayResult:
    """Result of pulling one day.

    Parameters
    ----------
    vms
        Number of VMs with new data.
    points
        Number of received values.
    refused
        VMs whose request failed.
    silent
        VMs that are off, and have had no load from this day to the end of the pull.
    """

    vms: int = 0
    points: int = 0
    refused: Mapping[ArmId, MissingLoad] = field(default_factory=dict)
    silent: frozenset[ArmId] = frozenset()


class Partial:
    """Folder of an unfinished pull.

    Parameters
    ----------
    folder
        Path of the folder, ``<estate>.partial``.
    as_of
        Time at which the pull started, possibly in another process.
    resumed
        Whether an earlier run started the pull.
    """

    def __init__(self, folder: Path, as_of: datetime, *, resumed: bool) -> None:
        self._folder = folder
        self.as_of = as_of
        self.resumed = resumed

    def inventory(self) -> Found | None:
        """The inventory, if it is complete; otherwise None."""
        try:
            return _read_found(parse_json((self._folder / _INVENTORY).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, *MALFORMED) as exc:
            raise _damaged(self._folder) from exc

    def keep_inventory(self, found: Found) -> None:
        """Save the inventory."""
        self._write(_INVENTORY, json.dumps(asdict(found)).encode())

    def days(self) -> dict[date, DayResult]:
        """Results of the days whose load is complete."""
        results = {}
        for file in sorted(self._folder.glob("load-*.json")):
            try:
                content = parse_json(file.read_text(encoding="utf-8"))
                results[date.fromisoformat(file.stem.removeprefix("load-"))] = _read_result(content)
            except (OSError, *MALFORMED) as exc:
                raise _damaged(self._folder) from exc
        return results

    def keep_day(self, load: DayLoad, result: DayResult) -> None:
        """Save the load of a day; the file that marks the day as complete is written last."""
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
        """Load of a saved day.

        Raises
        ------
        EstateError
            The file is missing or damaged.
        """
        try:
            frame = pl.read_parquet((self._folder / f"load-{day}.parquet").read_bytes())
        except (OSError, pl.exceptions.PolarsError) as exc:
            raise _damaged(self._folder) from exc
        return to_day(day, tuple(map(ArmId, frame["vm"].to_list())), to_arrays(frame))

    def _write(self, name: str, content: bytes) -> None:
        save_file(self._folder / name, content)


@contextmanager
def open_partial(out: Path, request: Request, now: datetime, last_as_of: datetime | None) -> Iterator[Partial]:
    """Partial folder of a pull, locked for the duration of the context.

    The folder is deleted if the context ends without an error, or if it contains nothing worth continuing.

    Parameters
    ----------
    out
        The estate folder.
    request
        What is pulled now.
    now
        Start of the pull, if it starts now.
    last_as_of
        Time of the existing estate; None without one.

    Raises
    ------
    EstateError
        Another pull is running, or an unfinished pull belongs to another request.
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
        if not (folder / _INVENTORY).exists():  # nothing worth continuing
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, out: Path, request: Request, now: datetime, last_as_of: datetime | None) -> Partial:
    file = folder / _STATE
    if file.exists():
        version, before, as_of = _read_state(folder)
        if as_of != last_as_of:  # otherwise the pull was finished, and only this folder was left behind
            _require_same(folder, out, before, request.as_json(), version)
            return Partial(folder, as_of, resumed=True)
        for left in folder.glob("*.*"):
            left.unlink()
    state = {"version": _VERSION, "as_of": now.isoformat(), "request": request.as_json()}
    save_file(file, json.dumps(state, indent=1).encode())
    return Partial(folder, now, resumed=False)


def _read_state(folder: Path) -> tuple[object, Mapping[str, Any], datetime]:
    """Version, request and start of an unfinished pull."""
    try:
        state = parse_json((folder / _STATE).read_text(encoding="utf-8"))
        return state["version"], state["request"], datetime.fromisoformat(state["as_of"])
    except (OSError, *MALFORMED) as exc:
        raise _damaged(folder) from exc


def _require_same(
    folder: Path, out: Path, before: Mapping[str, Any], wanted: Mapping[str, Any], version: object
) -> None:
    if version != _VERSION:
        raise EstateError(f"{folder} was left by another version of this program; delete it and pull again")
    differing = [key for key in wanted if before.get(key) != wanted[key]]
    if "appends_to" in differing and wanted["appends_to"] and before.get("appends_to"):
        raise EstateError(
            f"{folder} holds an unfinished pull, but {out} has changed since it began; delete {folder} and pull again"
        )
    if differing:
        changes = "; ".join(f"{key} was {_shown(before.get(key))}, is {_shown(wanted[key])}" for key in differing)
        raise EstateError(
            f"{folder} holds an unfinished pull of another kind ({changes}); finish it with the same options as then, "
            "or delete the folder to start over"
        )


def _read_found(content: dict[str, Any]) -> Found:
    failures = [PullFailure(**failure) for failure in content.pop("failures")]
    for name in ("jobs", "missing"):
        content[name] = {ArmId(key): value for key, value in content[name].items()}
    return Found(**content, failures=failures)


def _read_result(content: Mapping[str, Any]) -> DayResult:
    refused = {ArmId(vm_id): MissingLoad(*refusal) for vm_id, refusal in content["refused"].items()}
    return DayResult(content["vms"], content["points"], refused, frozenset(map(ArmId, content["silent"])))


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _damaged(folder: Path) -> EstateError:
    return EstateError(f"{folder} holds an unfinished pull that cannot be read; delete it and pull again")
