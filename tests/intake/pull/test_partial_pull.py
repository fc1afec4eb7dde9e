"""The folder of an unfinished pull: what is kept, when it continues, and when it is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from optimizer.errors import EstateError
from optimizer.intake.pull.partial_pull import DayResult, Partial, Request, open_partial, request_of
from optimizer.intake.pull.pull_inventory import Found, PullFailure
from optimizer.intake.pull.pull_options import PullOptions
from optimizer.intake.pull.pull_source import MissingLoad, PullScope
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GUID = "11111111-2222-3333-4444-555555555555"
REQUEST = Request({"subscriptions": [GUID]}, 30, 35, "average", ())
FOUND = Found(
    vaults=[{"id": "/v"}], jobs={ArmId("/v"): [{"id": "/j"}]}, missing={ArmId("/vm"): "gone"}, unprotected=2,
    failures=[PullFailure("vault a", "HTTP 500")],
)  # fmt: skip
DAY = date(2026, 2, 28)


class StoppedError(Exception):
    """A pull that is interrupted."""


def interrupted(out: Path, request: Request = REQUEST, now: datetime = NOW) -> None:
    """Begin a pull, keep its inventory, and stop."""
    with suppress(StoppedError), open_partial(out, request, now, None) as partial:
        partial.keep_inventory(FOUND)
        raise StoppedError


def begin(out: Path, request: Request = REQUEST, last: datetime | None = None) -> tuple[datetime, bool]:
    """Start and end of a pull: its time, and whether it continued another."""
    with open_partial(out, request, NOW + timedelta(hours=1), last) as partial:
        return partial.as_of, partial.resumed


def test_a_request_is_made_of_scope_and_options() -> None:
    """Only what decides about the content of the estate is part of the request."""
    scope = PullScope(subscriptions=(GUID,))
    options = PullOptions(days=7, job_days=9, statistic="maximum", workspaces=("ABC",), workers=3)
    made = request_of(scope, options, "sha256:x")
    assert made == Request(scope.as_lists(), 7, 9, "maximum", ("abc",), "sha256:x")
    assert made == request_of(scope, replace(options, workers=8, append=True), "sha256:x")
    assert json.loads(json.dumps(made.as_json())) == made.as_json()


def test_a_finished_pull_leaves_nothing(tmp_path: Path) -> None:
    """After the last stage the folder is deleted."""
    with open_partial(tmp_path / "estate", REQUEST, NOW, None) as partial:
        partial.keep_inventory(FOUND)
        assert (tmp_path / "estate.partial").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_pull_without_an_inventory_leaves_nothing(tmp_path: Path) -> None:
    """A pull that was stopped before it knew anything is not worth continuing."""
    with suppress(StoppedError), open_partial(tmp_path / "estate", REQUEST, NOW, None) as partial:
        assert partial.inventory() is None
        raise StoppedError
    assert list(tmp_path.iterdir()) == []


def test_a_pull_continues_where_it_stopped(tmp_path: Path) -> None:
    """The same command finds its time, its inventory and its days again."""
    load = DayLoad(DAY, (ArmId("A"),), *np.full((2, 1, 288), 5, dtype=np.float32))
    result = DayResult(1, 288, {ArmId("b"): MissingLoad("HTTP 500", final=True)}, frozenset({ArmId("c")}))
    with suppress(StoppedError), open_partial(tmp_path / "estate", REQUEST, NOW, None) as partial:
        partial.keep_inventory(FOUND)
        partial.keep_day(load, result)
        partial.keep_day(replace(load, date=date(2026, 2, 27), vm_ids=()), DayResult())
        raise StoppedError
    with open_partial(tmp_path / "estate", REQUEST, NOW + timedelta(hours=1), None) as partial:
        assert (partial.as_of, partial.resumed) == (NOW, True)
        assert partial.inventory() == FOUND
        assert partial.days() == {date(2026, 2, 27): DayResult(), DAY: result}
        again = partial.read_day(DAY)
        assert [str(vm_id) for vm_id in again.vm_ids] == ["A"]
        np.testing.assert_array_equal(again.cpu_percent, load.cpu_percent)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"days": 7}, "of another kind (days was 30, is 7); finish it with the same options"),
        ({"statistic": "maximum", "workspaces": ("w",)}, 'statistic was "average", is "maximum"; workspaces was []'),
        ({"scope": {"subscriptions": ["x" * 300]}}, "..."),
    ],
)
def test_another_request_does_not_continue(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    """Other options would mix two pulls; the message names what differs."""
    interrupted(tmp_path / "estate")
    with pytest.raises(EstateError) as refused:
        begin(tmp_path / "estate", replace(REQUEST, **changes))  # type: ignore[arg-type]
    assert expected in str(refused.value) and "or delete the folder to start over" in str(refused.value)
    assert begin(tmp_path / "estate") == (NOW, True), "the unfinished pull is unchanged"


def test_an_estate_that_changed_meanwhile(tmp_path: Path) -> None:
    """A pull that appends to an estate cannot continue if the estate is another one by now."""
    interrupted(tmp_path / "estate", replace(REQUEST, appends_to="sha256:a"))
    with pytest.raises(EstateError, match=r"has changed since it began; delete .* and pull again"):
        begin(tmp_path / "estate", replace(REQUEST, appends_to="sha256:b"))


def test_what_a_finished_pull_left_behind(tmp_path: Path) -> None:
    """If the estate has the time of the folder, the pull was finished, and a new one begins."""
    interrupted(tmp_path / "estate")
    assert begin(tmp_path / "estate", replace(REQUEST, days=7), last=NOW) == (NOW + timedelta(hours=1), False)


def test_two_pulls_at_once(tmp_path: Path) -> None:
    """The second pull into a folder is refused while the first one runs."""
    running = r"another pull into .*estate is running; wait until it has ended"
    with open_partial(tmp_path / "estate", REQUEST, NOW, None), pytest.raises(EstateError, match=running):
        begin(tmp_path / "estate")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pull.json", "{"),
        ("pull.json", "{}"),
        ("pull.json", '{"version": 1, "request": {}, "as_of": "soon"}'),
        ("pull.json", "[]"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, name: str, content: str) -> None:
    """A file that cannot be read says to delete the folder."""
    interrupted(tmp_path / "estate")
    (tmp_path / "estate.partial" / name).write_text(content)
    with pytest.raises(EstateError, match="holds an unfinished pull that cannot be read; delete it and pull again"):
        begin(tmp_path / "estate")


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A folder of another version of the program cannot be continued."""
    interrupted(tmp_path / "estate")
    file = tmp_path / "estate.partial" / "pull.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": 2}))
    with pytest.raises(EstateError, match="was left by another version of this program"):
        begin(tmp_path / "estate")


@pytest.mark.parametrize("content", ["{", "[]", '{"vms": 1}', '{"vms": 1, "points": 1, "refused": 5, "silent": []}'])
def test_a_damaged_day_is_refused(tmp_path: Path, content: str) -> None:
    """A day, and its load, are used only if they can be read."""
    partial = Partial(tmp_path, NOW, resumed=True)
    (tmp_path / f"load-{DAY}.json").write_text(content)
    with pytest.raises(EstateError, match="cannot be read"):
        partial.days()
    with pytest.raises(EstateError, match="cannot be read"):
        partial.read_day(DAY)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"failures": [], "jobs": [], "missing": {}}', '{"failures": [5]}']
)
def test_a_damaged_inventory_is_refused(tmp_path: Path, content: str) -> None:
    """An inventory with missing fields, or fields of the wrong type, says to delete the folder."""
    (tmp_path / "inventory.json").write_text(content)
    with pytest.raises(EstateError, match="cannot be read; delete it and pull again"):
        Partial(tmp_path, NOW, resumed=True).inventory()
