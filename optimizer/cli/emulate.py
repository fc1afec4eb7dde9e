"""The command ``emulate``, which serves an estate as if it were Azure."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimizer.cli.console import ESTATE, Screen, common_options, current_clock, example
from optimizer.cli.numbers import Number, WholeNumber

if TYPE_CHECKING:
    from types import FrameType

    from optimizer.estate import EstateDocument

FASTEST = 600
"""Maximum speed: a request that takes a second then takes 10 minutes on the clock of the emulator.

``apply`` allows five minutes between the two clocks, so at this speed a pause of half a second is too long.
"""

EMULATOR_VARIABLE, CA_VARIABLE = "BACKUP_OPTIMIZER_EMULATOR", "BACKUP_OPTIMIZER_CA_FILE"


@click.command(
    short_help="Serve an estate as if it were Azure.",
    epilog=example(
        "backup-optimizer emulate estate --port 8443 --speed 300\n"
        "# then in another shell, the lines that it prints:\n"
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
@click.option(
    "--speed",
    type=Number(1, FASTEST),
    default=1.0,
    show_default=True,
    metavar="N",
    help="Let time pass N times as fast, so that a roll-out can be tried in minutes: with 300, a day takes about 5 "
    "minutes. Commands with --emulator go by this time.",
)
@common_options
def emulate(screen: Screen, estate: str | Path, port: int, faults: float, seed: int, speed: float) -> None:
    """Serve ESTATE on this machine as if it were Azure, until Ctrl-C.

    Load and jobs are shifted by whole weeks so that they end within the last seven days and 'pull' finds a history.
    The emulator keeps writes in memory only; the estate folder never changes.

    Prints what to type in another shell: two variables that lead every command to the emulator, and the command that
    pulls the estate. Commands that talk to the emulator take the time from it, and keep their ledger of writes apart
    from the one for Azure.
    """
    import shlex

    from optimizer.cloud import emulate_estate
    from optimizer.estate import open_estate

    opened = open_estate(estate)
    emulator = emulate_estate(opened, port=port, faults=faults, seed=seed, speed=speed, clock=current_clock())
    stop = _stop_signal()
    with emulator:
        variables = {EMULATOR_VARIABLE: emulator.endpoint, CA_VARIABLE: str(emulator.ca_file)}
        pull = pull_command(opened.document, emulator.endpoint, emulator.ca_file)
        if screen.as_json:
            click.echo(json.dumps({**variables, "pull": pull}, indent=1))
        else:
            click.echo(
                "\n".join([*(f"export {name}={shlex.quote(value)}" for name, value in variables.items()), pull])
            )
        if found := remark_on_ids(opened.document):
            screen.remark(found)
        screen.remark("serving; Ctrl-C ends it")
        stop.wait()
    screen.remark(f"ended after {emulator.requests.total()} requests and {len(emulator.writes)} writes")


def pull_command(document: EstateDocument, endpoint: str, ca_file: Path) -> str:
    """Command that pulls an estate from its emulator, ready to be pasted into a shell.

    It names the emulator itself, so that it works in a shell without the variables, and never reads from Azure.
    """
    import shlex

    from optimizer.model.raw import id_of

    subscriptions = sorted({id_of(vault).subscription.key for vault in document.vaults} - {""})
    scope = [word for name in subscriptions for word in ("--subscription", name)]
    words = ["backup-optimizer", "pull", *scope, "--emulator", endpoint, "--ca-file", str(ca_file), "--out", "pulled"]
    return shlex.join(words)


def remark_on_ids(document: EstateDocument) -> str:
    """Remark on VMs that ``pull`` does not find in the emulator; empty if it finds all of them."""
    from optimizer.model.raw import id_of

    nameless = sum(not id_of(vm).subscription for vm in document.vms)
    if not nameless:
        return ""
    have = "1 VM has" if nameless == 1 else f"{nameless:,} VMs have"
    return (
        f"{have} no ARM id, because this estate was made from a list, so 'pull' does not find "
        f"{'it' if nameless == 1 else 'them'}: to try the whole round, serve an estate that 'demo', 'pull' or 'import "
        "--resources' made"
    )


def _stop_signal() -> threading.Event:
    """Event that is set when somebody wants the program to end."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, end)
    return stop
