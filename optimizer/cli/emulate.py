"""The command that serves an estate as if it were Azure: emulate."""

from __future__ import annotations

import json
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimizer.cli.console import ESTATE, Screen, common_options, current_clock, example
from optimizer.cli.numbers import Number, WholeNumber

if TYPE_CHECKING:
    from types import FrameType

EMULATOR_VARIABLE, CA_VARIABLE = "BACKUP_OPTIMIZER_EMULATOR", "BACKUP_OPTIMIZER_CA_FILE"


@click.command(
    short_help="Serve an estate as if it were Azure.",
    epilog=example(
        "backup-optimizer emulate estate --port 8443\n"
        "# then in another shell, with the values that it prints:\n"
        "export BACKUP_OPTIMIZER_EMULATOR=... BACKUP_OPTIMIZER_CA_FILE=...\n"
        "backup-optimizer pull --subscription ... --out pulled"
    ),
)
@click.argument("estate", type=ESTATE)
@click.option("--port", type=WholeNumber(0, 65535), default=0, help="Port on 127.0.0.1.  [default: any free port]")
@click.option(
    "--faults",
    type=Number(0, 0.15),
    default=0.0,
    metavar="SHARE",
    help="Share of requests to answer with each kind of fault: 429, 500, 502, and a lost connection.",
)
@click.option(
    "--seed", type=WholeNumber(0), default=0, show_default=True, help="Random seed of start delays and faults."
)
@common_options
def emulate(screen: Screen, estate: str | Path, port: int, faults: float, seed: int) -> None:
    """Serve ESTATE on this machine as if it were Azure, until Ctrl-C.

    Load and jobs are shifted by whole weeks so that they end within the last seven days and 'pull' finds a history.
    The emulator keeps writes in memory only; the estate folder never changes.
    """
    from optimizer.emulator import Emulator, Faults, Settings
    from optimizer.estate.folder import open_estate
    from optimizer.estate.moved import MovedLoad, move_jobs

    opened, clock = open_estate(estate), current_clock()
    weeks = max(0, (clock.now() - opened.as_of) // timedelta(weeks=1))
    emulator = Emulator.of_estate(
        opened.document,
        clock=clock,
        load=MovedLoad(opened.load, timedelta(weeks=weeks)),
        jobs=move_jobs(opened.jobs(), timedelta(weeks=weeks)),
        settings=Settings(backups_since=opened.as_of + timedelta(weeks=weeks)),
        faults=Faults(rate_429=faults, rate_500=faults, rate_502=faults, drop_after=faults, retry_after=1, seed=seed),
        seed=seed,
        port=port,
    )
    stop = _stop_signal()
    with emulator:
        variables = {EMULATOR_VARIABLE: emulator.endpoint, CA_VARIABLE: str(emulator.ca_file)}
        lines = "\n".join(f"export {name}={value}" for name, value in variables.items())
        click.echo(json.dumps(variables, indent=1) if screen.as_json else lines)
        screen.remark("serving; Ctrl-C ends it")
        stop.wait()
    screen.remark(f"ended after {emulator.requests.total()} requests and {len(emulator.writes)} writes")


def _stop_signal() -> threading.Event:
    """What is set as soon as somebody wants the program to end."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, end)
    return stop
