"""A recording proxy in front of the emulator: whatever passes is put down, and some of it goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from optimizer.emulator import Emulator
from optimizer.emulator.certificates import make_tls
from tests.benchmarks.write_judge.mischief import Death, Mischief, Trouble
from tests.benchmarks.write_judge.record import OTHERS, Change, Exchange, Log
from tests.benchmarks.write_judge.shared_clock import SharedClock

STUCK_FOR = timedelta(hours=5)
"""How long an operation without end is in progress."""

LATE_FOR = (timedelta(minutes=20), timedelta(minutes=40))
"""When requests whose answer is lost take effect, in turn; others for the same object are refused meanwhile."""


@dataclass
class Stuck:
    """An operation that does not come to its end.

    Parameters
    ----------
    id
        In its address.
    path, body
        Of the request.
    due
        When it ends after all.
    succeeds
        Whether it takes effect then.
    """

    id: str
    path: str
    body: bytes
    due: datetime
    succeeds: bool
    status: str = "InProgress"


@dataclass
class Answer:
    """An answer on its way."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Proxy:
    """Stands between the machines and the emulator; a context manager.

    Parameters
    ----------
    emulator
        The service, which serves already.
    clock
        Its clock.
    log
        Everything is put down here.
    mischief
        What goes wrong.
    machines
        Names; each gets a port of its own.
    no_containers
        Whether jobs come without ``containerName``, as the recorded ones of 2016-2020 do.

    Attributes
    ----------
    others
        What other people do when a write comes, and before it is answered; each is called with the write and returns
        whether it has acted and is to be called no more.
    deaths
        By machine.
    """

    def __init__(
        self,
        emulator: Emulator,
        clock: SharedClock,
        log: Log,
        mischief: Mischief,
        machines: tuple[str, ...] = ("a", "b"),
        *,
        no_containers: bool = False,
    ) -> None:
        self.emulator, self.clock, self.log, self.mischief = emulator, clock, log, mischief
        self.others: list[Callable[[Exchange], bool]] = []
        self.deaths: dict[str, Death] = {}
        self.pids: dict[str, int] = {}
        self.phase = "apply"
        self.kills = 0
        self.ports: dict[str, int] = {}
        self._machines, self._no_containers = machines, no_containers
        self._senders: dict[str, str] = {}
        self._stuck: list[Stuck] = []
        self._folder = tempfile.TemporaryDirectory(prefix="write-judge-")
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)
        self._session: aiohttp.ClientSession | None = None
        emulator.on_write.append(self._took_effect)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._folder.cleanup()

    @property
    def ca_file(self) -> Path:
        """Certificate authority to trust."""
        return Path(self._folder.name) / "ca.pem"

    def endpoint(self, machine: str) -> str:
        """Azure, as a machine sees it."""
        return f"https://127.0.0.1:{self.ports[machine]}"

    def someone_changed(self, object_id: str, after: dict[str, Any] | None) -> None:
        """Put down that somebody else changed an object."""
        self.log.events.append(Change(OTHERS, self.clock.now(), object_id, after))

    def _took_effect(self) -> None:
        write = self.emulator.writes[-1]
        key = write.object_id.lower()
        state = self.emulator.state.contents
        after = (state.items if "/protecteditems/" in key else state.policies).get(key)
        self.log.events.append(Change(self._senders.get(key, OTHERS), write.at, write.object_id, after))

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)  # lost connections are wanted here
        context, _ = make_tls(Path(self._folder.name))
        trusted = ssl.create_default_context(cafile=str(self.emulator.ca_file))
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted, limit=0))
        runners = []
        for machine in self._machines:
            application = web.Application(client_max_size=2**24)
            application.router.add_route("*", "/{path:.*}", self._handler(machine))
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            self.ports[machine] = runner.addresses[0][1]
            runners.append(runner)
        self._started.set()
        await self._stopping.wait()
        for runner in runners:
            await _close(runner)
        await self._session.close()

    def _handler(self, machine: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            content = await request.read()
            exchange = Exchange(
                machine, self.clock.now(), request.method, request.path, _json(content), phase=self.phase
            )
            await self._let_operations_end()
            self.log.events.append(exchange)
            answer = await self._answer(exchange, request, content)
            if answer is None:
                if request.transport is not None:
                    request.transport.abort()
                raise web.HTTPServiceUnavailable
            exchange.status, exchange.answer = answer.status, _json(answer.content)
            exchange.headers = {name.lower(): value for name, value in answer.headers.items()}
            headers = {**answer.headers, "Date": format_datetime(self.clock.now(), usegmt=True)}
            kind = {"content_type": "application/json"} if answer.content else {}
            return web.Response(status=answer.status, body=answer.content or None, headers=headers, **kind)

        return handle

    async def _answer(self, exchange: Exchange, request: web.Request, content: bytes) -> Answer | None:
        """Answer a request; None: the connection is lost."""
        death = self.deaths.get(exchange.machine)
        dies = death is not None and death.strikes(exchange)
        if dies and death is not None and death.when == "before":
            await self._kill(exchange.machine)
            return None
        trouble = None if dies else self.mischief.befalls(exchange)
        if exchange.is_write:
            self.others = [act for act in self.others if not act(exchange)]
        free = exchange.method == "PUT" and self._answer_of_stuck(exchange) is None  # no operation locks the object
        if trouble == "stuck" and free:
            return self._get_stuck(exchange, request, content)
        if trouble == "late" and free:
            self._be_late(exchange, request, content)
            return None
        if isinstance(trouble, Trouble) and trouble.when == "before":
            return _refusal(trouble)
        answer = self._answer_of_stuck(exchange) or await self._forward(request, content, exchange)
        if dies:
            await self._kill(exchange.machine)
            return None
        return _refusal(trouble) if isinstance(trouble, Trouble) else answer

    async def _kill(self, machine: str) -> None:
        while machine not in self.pids:  # noqa: ASYNC110  # the other thread learns it a moment after the start
            await asyncio.sleep(0.001)
        del self.deaths[machine]
        self.kills += 1
        os.kill(self.pids[machine], signal.SIGKILL)

    async def _forward(self, request: web.Request, content: bytes, exchange: Exchange) -> Answer:
        before = self._senders.get(exchange.key)
        if exchange.is_write:
            self._senders[exchange.key] = exchange.machine
        assert self._session is not None
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in {"accept-encoding", "connection", "content-length"}
        }
        url = self.emulator.endpoint + request.raw_path
        async with self._session.request(
            request.method,
            URL(url, encoded=True),
            data=content or None,
            headers=headers,
            allow_redirects=False,
        ) as response:
            found = await response.read()
            if exchange.is_write and response.status >= 300 and before is not None:
                self._senders[exchange.key] = before  # refused: what takes effect is still the write of another
            kept = {
                name: value
                for name, value in response.headers.items()
                if name.lower() not in {"content-length", "content-type", "server", "date", "transfer-encoding"}
            }
            if self._no_containers and "/backupjobs" in exchange.key and response.status == 200:
                found = _without_containers(found)
            return Answer(response.status, found, kept)

    def _get_stuck(self, exchange: Exchange, request: web.Request, content: bytes) -> Answer:
        name = "operationsStatus" if "/protecteditems/" in exchange.key else "operations"
        number = f"00000000-0000-4000-8000-{len(self._stuck):012d}"
        stuck = Stuck(number, request.raw_path, content, exchange.at + STUCK_FOR, len(self._stuck) % 2 == 0)
        self._stuck.append(stuck)
        self._senders[exchange.key] = exchange.machine
        base = f"{request.scheme}://{request.host}{request.raw_path.partition('?')[0]}"
        version = request.query.get("api-version", "")
        headers = {
            "Azure-AsyncOperation": f"{base}/{name}/{number}?api-version={version}",
            "Location": f"{base}/operationResults/{number}?api-version={version}",
        }
        return Answer(202, b"", headers)

    def _be_late(self, exchange: Exchange, request: web.Request, content: bytes) -> None:
        """Take a request whose answer is lost, and that takes effect much later."""
        number = f"00000000-0000-4000-8000-{len(self._stuck):012d}"
        due = exchange.at + LATE_FOR[len(self._stuck) % len(LATE_FOR)]
        self._stuck.append(Stuck(number, request.raw_path, content, due, succeeds=True))
        self._senders[exchange.key] = exchange.machine

    def _answer_of_stuck(self, exchange: Exchange) -> Answer | None:
        """Answer in the place of the service where an operation is stuck; None: the service answers."""
        for stuck in self._stuck:
            if exchange.key.endswith(stuck.id):
                if "operationresults" in exchange.key:
                    return Answer({"InProgress": 202, "Succeeded": 200}.get(stuck.status, 400), b"")
                body: dict[str, Any] = {"id": stuck.id, "name": stuck.id, "status": stuck.status}
                if stuck.status == "Failed":
                    body["error"] = {"code": "BMSUserErrorOperationFailed", "message": "The operation failed."}
                return Answer(200, json.dumps(body).encode())
            same = exchange.key == _decoded(stuck.path)
            if same and exchange.is_write and stuck.status == "InProgress":
                error = {"code": "BMSUserErrorObjectLocked", "message": "Another operation is in progress."}
                return Answer(409, json.dumps({"error": error}).encode())
        return None

    async def _let_operations_end(self) -> None:
        for stuck in self._stuck:
            if stuck.status == "InProgress" and self.clock.now() >= stuck.due:
                stuck.status = "Succeeded" if stuck.succeeds else "Failed"
                if stuck.succeeds:
                    await self._carry_out(stuck)

    async def _carry_out(self, stuck: Stuck) -> None:
        assert self._session is not None
        headers = {"Authorization": "Bearer proxy", "Content-Type": "application/json"}
        url = URL(self.emulator.endpoint + stuck.path, encoded=True)
        async with self._session.put(url, data=stuck.body, headers=headers) as response:
            if response.status >= 300:
                stuck.status = "Failed"
            looks = response.headers.get("Azure-AsyncOperation")
        for _ in range(10 if looks else 0):
            async with self._session.get(URL(str(looks), encoded=True), headers=headers) as response:
                if (await response.json())["status"] != "InProgress":
                    return


def _decoded(raw_path: str) -> str:
    return URL(f"https://host{raw_path}", encoded=True).path.rstrip("/").lower()


def _json(content: bytes) -> Any:
    with suppress(ValueError):
        return json.loads(content) if content else None
    return None


def _refusal(trouble: Trouble) -> Answer | None:
    if not trouble.status:
        return None
    headers: Mapping[str, str] = {"Retry-After": trouble.wait} if trouble.wait else {}
    body = {"error": {"code": trouble.code, "message": trouble.message}}
    return Answer(trouble.status, json.dumps(body).encode(), dict(headers))


def _without_containers(content: bytes) -> bytes:
    body = json.loads(content)
    for job in body.get("value") or ():
        job["properties"].pop("containerName", None)
    return json.dumps(body).encode()


async def _close(runner: web.AppRunner) -> None:
    """Stop serving; connections that clients still hold are cut."""
    server = runner.server
    transports = [one.transport for one in server.connections] if server is not None else []
    await runner.cleanup()
    for transport in transports:
        if transport is not None:
            transport.abort()
    for _ in range(3):  # the sockets are closed in the rounds after
        await asyncio.sleep(0)
