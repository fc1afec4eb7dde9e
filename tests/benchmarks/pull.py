"""A pull of 3 subscriptions and 12 vaults with the real clients, then a second one for one new day.

python tests/benchmarks/pull.py --vms 2000 --days 30 --out pull.json

The emulated cloud runs in a process of its own and answers metrics with prebuilt bytes; the figures are those of the
process that pulls: seconds, requests by kind, values of load a second, peak memory as the operating system counts it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.azure.clouds import AS_OF, MadeUpLoad, cloud_document, subscription_id  # noqa: E402  # see the line above

SUBSCRIPTIONS, VAULTS = 3, 4


@dataclass(frozen=True)
class Served:
    """Where a cloud is served."""

    endpoint: str
    ca_file: Path


def serve(num_vms: int, days: int) -> None:
    """Serve a cloud until the standard input ends."""
    from optimizer.emulator import Emulator, EmulatorSettings
    from optimizer.model.clock import VirtualClock

    document = cloud_document(num_vms, subscriptions=SUBSCRIPTIONS, vaults=VAULTS)
    emulator = Emulator.of_estate(
        document,
        clock=VirtualClock(AS_OF),
        load=MadeUpLoad.of(document, days),
        settings=EmulatorSettings(prebuilt_metrics=True),
    )
    with emulator:
        print(json.dumps([emulator.endpoint, str(emulator.ca_file)]), flush=True)
        sys.stdin.read()


@contextmanager
def cloud(num_vms: int, days: int) -> Iterator[Served]:
    """A cloud in a process of its own."""
    command = [sys.executable, __file__, "--serve", "--vms", str(num_vms), "--days", str(days)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            endpoint, ca_file = json.loads(process.stdout.readline())
            yield Served(endpoint, Path(ca_file))
        finally:
            process.stdin.close()


def pull_once(served: Served, out: Path, now: datetime, days: int, *, append: bool) -> dict[str, Any]:
    """One pull; its figures."""
    from optimizer.azure.connection import Connection
    from optimizer.azure.pull import azure_source
    from optimizer.intake.pull.estate_pull import pull_to_folder
    from optimizer.intake.pull.pull_options import PullOptions
    from optimizer.intake.pull.pull_source import PullScope
    from optimizer.model.clock import VirtualClock

    scope = PullScope(subscriptions=tuple(subscription_id(n + 1) for n in range(SUBSCRIPTIONS)))
    began = time.perf_counter()
    with azure_source(Connection.to_emulator(served.endpoint, served.ca_file)) as source:
        report = pull_to_folder(scope, out, source, PullOptions(append=append, days=days), clock=VirtualClock(now))
    seconds = time.perf_counter() - began
    return {
        "complete": report.complete,
        "vms": report.vms,
        "vaults": report.vaults,
        "days": report.days,
        "seconds": round(seconds, 2),
        "points": report.points,
        "points_per_second": round(report.points / seconds),
        "requests": dict(report.requests),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def measure(num_vms: int, days: int) -> dict[str, Any]:
    """A pull as of yesterday, and one today that adds the day."""
    with tempfile.TemporaryDirectory(prefix="pull-benchmark-") as folder, cloud(num_vms, days + 1) as served:
        estate = Path(folder) / "estate"
        yesterday = AS_OF - timedelta(days=1)
        first = pull_once(served, estate, yesterday, days, append=False)
        second = pull_once(served, estate, AS_OF, days, append=True)
    return {"first": first, "second": second}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=2000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.vms, arguments.days)
        return
    text = json.dumps(measure(arguments.vms, arguments.days), indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
