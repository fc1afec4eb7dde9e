"""The line that announces the compilation of the inner loops, and the garbage collector meanwhile."""

from __future__ import annotations

import gc
import logging
from types import SimpleNamespace

import pytest
from numba.core.event import Event, EventStatus

from optimizer.cli.console import Screen
from optimizer.solve.compiled import COMPILING, CompilerWatch
from optimizer.solve.search.kernels import _take_out


def _event(status: EventStatus, function: object = _take_out) -> Event:
    return Event("numba:compile", status, {"dispatcher": function})  # type: ignore[no-untyped-call]


def test_compiling_is_announced_once() -> None:
    """The first function that is compiled is announced, those after it and those it calls are not."""
    told: list[str] = []
    watch = CompilerWatch(told.append)
    for status in (EventStatus.START, EventStatus.START, EventStatus.END, EventStatus.END, EventStatus.START):
        watch.notify(_event(status))  # type: ignore[no-untyped-call]
    watch.notify(_event(EventStatus.END))  # type: ignore[no-untyped-call]
    assert told == [COMPILING]


def test_functions_of_others_are_not_announced() -> None:
    """A function that some other package compiles says nothing about this one."""
    told: list[str] = []
    foreign = SimpleNamespace(py_func=logging.getLogger)
    watch = CompilerWatch(told.append)
    watch.notify(_event(EventStatus.START, foreign))  # type: ignore[no-untyped-call]
    watch.notify(_event(EventStatus.END, foreign))  # type: ignore[no-untyped-call]
    assert told == []


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_rests_while_the_compiler_works(enabled: bool) -> None:
    """The collector is off until the outermost function is compiled, and is then as it was before."""
    before, watch = gc.isenabled(), CompilerWatch(lambda _: None)
    try:
        (gc.enable if enabled else gc.disable)()
        seen = []
        for status in (EventStatus.START, EventStatus.START, EventStatus.END, EventStatus.END):
            watch.notify(_event(status))  # type: ignore[no-untyped-call]
            seen.append(gc.isenabled())
        assert seen == [False, False, False, enabled]
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(("quiet", "shown"), [(False, f"{COMPILING}\n"), (True, "")])
def test_the_command_line_shows_the_announcement(
    quiet: bool, shown: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The line goes to stderr while a command shows progress, also without a terminal, but not with --quiet."""
    log = logging.getLogger("optimizer.solve.compiled")
    with caplog.at_level(logging.NOTSET, logger=log.name):  # tests/conftest.py keeps it silent
        with Screen(as_json=True, quiet=quiet, verbose=False).progress():
            log.info(COMPILING)
        log.info(COMPILING)
    out, err = capsys.readouterr()
    assert (out, err) == ("", shown)
