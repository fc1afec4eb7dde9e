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
    epilog=example(
        "backup-optimizer emulate estate --port 8443\n"
        "export BACKUP_OPTIMIZER_EMULATOR=... BACKUP_OPTIMIZER_CA_FILE=...   (as it prints them, in another shell)\n"
        "backup-optimizer pull --subscription ... --out pulled"
    )
)
@click.argument("estate", type=ESTATE)
@click.option("--port", type=WholeNumber(0, 65535), default=0, help="On 127.0.0.1.  [default: any that is free]")
@click.option(
    "--faults",
    type=Number(0, 0.15),
    default=0.0,
    metavar="SHARE",
    help="Share of requests that are refused (429), that fail (500, 502) and whose connection is lost, each.",
)
@click.option("--seed", type=WholeNumber(0), default=0, show_default=True, help="Of start delays and faults.")
@common_options
def emulate(screen: Screen, estate: str | Path, port: int, faults: float, seed: int) -> None:
    """Serve ESTATE as if it were Azure, on this machine only, until Ctrl-C.

    Its load and jobs are moved by whole weeks to end within the last seven days, so that 'pull' finds a history. What
    is written to it is forgotten at the end; the estate folder is not changed.
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
