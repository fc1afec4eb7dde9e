"""Clock of a client that talks to an emulator that runs faster. A client of Azure never gets one."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from optimizer.azure.connection import Connection
from optimizer.errors import CloudError
from optimizer.model.clock import Clock, FasterClock

CLOCK_PATH = "/emulator/clock"
"""Path at which an emulator states its time. It does not exist in Azure."""

_MOST_BYTES = 4096
"""Maximum size of the answer, which has about 120 bytes."""

_PATIENCE_SECONDS = 10.0
"""Maximum wait for an answer from this machine."""

_INSTANCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class EmulatorTime:
    """Time of an emulator.

    Parameters
    ----------
    clock
        Clock that agrees with the emulator's: that of this machine, unless the emulator runs faster.
    instance
        Id of the running emulator, as 32 hexadecimal digits. Each start of an emulator has another one.
    """

    clock: Clock
    instance: str


def emulator_time(connection: Connection, base: Clock) -> EmulatorTime:
    """Ask an emulator for its time.

    Parameters
    ----------
    connection
        Connection to an emulator on this machine.
    base
        Clock of this machine, which measures the time that passes after the answer.

    Raises
    ------
    ValueError
        The connection does not lead to an emulator on this machine. A clock from elsewhere could open write windows
        and budgets that are closed, so nothing is asked.
    CloudError
        The emulator cannot be reached, or does not state its time.
    """
    if not connection.is_emulator:
        raise ValueError("only an emulator on this machine may set the clock")
    try:
        return parse_time(_read(connection), base)
    except (OSError, http.client.HTTPException) as exc:
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise CloudError(
            f"the emulator at {connection.arm_endpoint} cannot be reached ({reason}); check that "
            "'backup-optimizer emulate' is running, and that --emulator and --ca-file are what it printed"
        ) from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise CloudError(
            f"the server at {connection.arm_endpoint} does not state the time of an emulator; pass --emulator the "
            "address that 'backup-optimizer emulate' of this version prints"
        ) from exc


def parse_time(content: bytes, base: Clock) -> EmulatorTime:
    """Time in an answer.

    Raises
    ------
    ValueError, TypeError, KeyError
        The answer is not that of an emulator.
    """
    answer = json.loads(content)
    start, speed, instance = datetime.fromisoformat(answer["now"]), float(answer["speed"]), answer["instance"]
    if start.tzinfo is None or not 1 <= speed < float("inf") or not _INSTANCE.fullmatch(instance):
        raise ValueError("the time has no UTC offset, the speed is below 1, or the id has another form")
    return EmulatorTime(base if speed == 1 else FasterClock(start, speed, base), instance)


def _read(connection: Connection) -> bytes:
    """Answer to the question for the time; it takes no proxy, follows no redirect, and sends no credential.

    Raises
    ------
    OSError, http.client.HTTPException
        There is no answer, or the certificate is not that of the emulator.
    ValueError
        The answer is not a success.
    """
    parts = urlsplit(connection.arm_endpoint)
    trust = ssl.create_default_context(cafile=connection.ca_file)
    client = http.client.HTTPSConnection(parts.netloc, timeout=_PATIENCE_SECONDS, context=trust)
    try:
        client.request("GET", CLOCK_PATH)
        answer = client.getresponse()
        if answer.status != http.client.OK:
            raise ValueError(f"status {answer.status}")
        return answer.read(_MOST_BYTES)
    finally:
        client.close()
