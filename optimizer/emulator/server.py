"""The emulator: an HTTPS server on loopback, in its own thread."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
from aiohttp import web

from optimizer.emulator.calls import Call, Response
from optimizer.emulator.certificates import CA_FILE, make_tls
from optimizer.emulator.faults import Fault, Faults, FaultStream
from optimizer.emulator.ids import lies_in
from optimizer.emulator.logs import logs_routes
from optimizer.emulator.metrics import metrics_routes
from optimizer.emulator.refusal import Refusal, forbidden
from optimizer.emulator.routes import ROUTES, Route
from optimizer.emulator.settings import EmulatorSettings
from optimizer.emulator.state import AcceptedWrite, CloudState
from optimizer.errors import CloudError
from optimizer.model.caseless import Caseless
from optimizer.model.clock import FasterClock

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from optimizer.estate import EstateDocument
    from optimizer.ports import Clock, LoadSource

_WRITES = {"policy.put", "item.put", "policy.delete"}
_MOST_BODY_BYTES = 16 * 1024**2
"""Maximum size of a request body; a batch of metrics for 50 VMs is far below it."""


CLOCK_PATH = "/emulator/clock"
"""Path at which a client reads the emulator's time, its speed, and an id of this emulator.

The path does not exist in Azure. Requests for it are not counted and have no faults.
"""


class Emulator:
    """Emulator of the Azure endpoints; a context manager that serves until its end.

    The server only checks that a token is present, and logs nothing about requests.

    Parameters
    ----------
    state
        State and behavior of the service.
    load
        Load of VMs, for metrics and logs; None means no load.
    faults
        Faults of the service.
    port
        Port on 127.0.0.1; 0 means any free port.

    Attributes
    ----------
    requests
        Number of requests by kind, including those with faults.
    """

    def __init__(
        self,
        state: CloudState,
        *,
        load: LoadSource | None = None,
        faults: Faults = Faults(),  # noqa: B008  # frozen
        port: int = 0,
    ) -> None:
        self.state = state
        self.requests: Counter[str] = Counter()
        self._faults, self._stream = faults, FaultStream(faults)
        self._routes: tuple[Route, ...] = (
            *ROUTES,
            *metrics_routes(state, load),
            *logs_routes(state, load),
        )
        self._interferences: list[tuple[int, Callable[[CloudState], object]]] = []
        self._write_requests = 0
        self._port, self._instance = port, uuid.uuid4().hex
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @classmethod
    def of_estate(
        cls,
        document: EstateDocument,
        *,
        clock: Clock,
        load: LoadSource | None = None,
        jobs: pl.DataFrame | None = None,
        faults: Faults = Faults(),  # noqa: B008  # frozen
        settings: EmulatorSettings = EmulatorSettings(),  # noqa: B008  # frozen
        port: int = 0,
    ) -> Self:
        """Create an emulator of the service that contains an estate.

        Parameters
        ----------
        document, load, jobs
            Document, load and jobs of the estate.
        clock
            Clock of the service.
        faults
            Faults of the service.
        settings
            Behavior of the service.
        port
            Port on 127.0.0.1; 0 means any free port.
        """
        return cls(CloudState(document, clock, jobs, settings), load=load, faults=faults, port=port)

    @property
    def faults_met(self) -> Counter[str]:
        """Number of faults that occurred, by name."""
        return self._stream.met

    @property
    def writes(self) -> list[AcceptedWrite]:
        """Writes that took effect, in order."""
        return self.state.writes

    @property
    def on_write(self) -> list[Callable[[], None]]:
        """Callbacks for each write that took effect; their exceptions are raised when the emulator ends."""
        return self.state.on_write

    def snapshot(self) -> EstateDocument:
        """The estate as it is now."""
        return self.state.snapshot()

    def interfere(self, action: Callable[[CloudState], object], before_write: int = 1) -> None:
        """Simulate a change by another user right before a write.

        Parameters
        ----------
        action
            Function that makes the change; it may replace resources of the state.
        before_write
            Number of the write request to precede: 1 for the next one, 2 for the one after it ...
        """
        with self.state.lock:
            self._interferences.append((self._write_requests + before_write, action))

    @property
    def endpoint(self) -> str:
        """URL of the server; available only while it serves."""
        if self._thread is None:
            raise ValueError("the emulator is not running: use it in a with block")
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_file(self) -> Path:
        """Certificate authority to trust; available only while the server runs."""
        if self._folder is None:
            raise ValueError("the emulator is not running: use it in a with block")
        return self._folder / CA_FILE

    def __enter__(self) -> Self:
        """Start to serve.

        Raises
        ------
        CloudError
            The port is not free.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="backup-optimizer-emulator-"))
        ready = threading.Event()
        failure: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(ready, failure), name="emulator", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            self._clean_up()
            if isinstance(failure[0], OSError):
                reason = f"cannot serve on 127.0.0.1:{self._port}: {failure[0].strerror}; choose another port"
                raise CloudError(reason) from failure[0]
            raise failure[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving, and raise the first exception of a callback, unless another exception is already active."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._clean_up()
        if error is None and self.state.errors:
            raise self.state.errors[0]

    def _clean_up(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._thread, self._folder, self._loop, self._stopping = None, None, None, None

    def _run(self, ready: threading.Event, failure: list[BaseException]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as exc:  # noqa: BLE001  # raised again in the thread that entered the context
            failure.append(exc)
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        assert self._folder is not None
        context, _ = make_tls(self._folder)
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)  # lost connections are intended here
        application = web.Application(client_max_size=_MOST_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._handle)
        silent = logging.getLogger("optimizer.emulator")
        runner = web.AppRunner(application, access_log=None, logger=silent, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=context)
            await site.start()
            self._port = runner.addresses[0][1]
            ready.set()
            await self._stopping.wait()
        finally:
            await _close(runner)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            answer = self._time() if request.path == CLOCK_PATH else await self._answer_or_fault(request)
        except Refusal as refusal:
            answer = Response(refusal.status, refusal.body(), refusal.headers)
        except web.HTTPException:
            raise
        except Exception as exc:
            self.state.errors.append(exc)
            raise
        return _respond(answer, self.state.clock.now())

    def _time(self) -> Response:
        """Answer with the emulator's time, for clients that use its clock."""
        clock = self.state.clock
        speed = clock.speed if isinstance(clock, FasterClock) else 1.0
        return Response(200, {"now": clock.now().isoformat(), "speed": speed, "instance": self._instance})

    async def _answer_or_fault(self, request: web.Request) -> Response:
        route, parts = self._find(request)
        self.requests[route.kind] += 1
        if not request.headers.get("Authorization"):
            raise Refusal(401, "AuthenticationFailed", "Authentication failed: the Authorization header is missing.")
        body = await _read_body(request)
        fault = self._stream.next(route.kind)
        if fault is not None and not fault.endswith("_after"):
            await self._befall(fault, request)
        answer = self._answer(route, request, parts, body)
        if fault is not None and fault.endswith("_after"):
            await self._befall(fault, request)
        return answer

    def _find(self, request: web.Request) -> tuple[Route, dict[str, str]]:
        path, known = request.path, False
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match is not None:
                known = True
                if route.method == request.method:
                    return route, {name: text for name, text in match.groupdict().items() if text is not None}
        self.requests["other"] += 1
        if known:
            raise Refusal(405, "MethodNotAllowed", f"{request.method} is not supported on {path}.")
        raise Refusal(404, "InvalidResourceType", f"The resource type could not be found: {path}")

    async def _befall(self, fault: Fault, request: web.Request) -> None:
        if fault == "slow":
            await asyncio.sleep(self._faults.slow_seconds)
        elif fault in {"drop_before", "drop_after"}:
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPServiceUnavailable
        else:
            raise self._faults.refusal(fault)

    def _answer(self, route: Route, request: web.Request, parts: dict[str, str], body: Any) -> Response:
        path = request.path.rstrip("/")
        with self.state.lock:
            self._check_rights(route, path)
            if route.kind in _WRITES:
                self._write_requests += 1
                self._let_others_act()
            call = Call(
                state=self.state,
                base=f"{request.scheme}://{request.host}",
                path=path,
                parts=parts,
                query={Caseless(name).key: value for name, value in request.query.items()},
                body=body,
                gzip="gzip" in request.headers.get("Accept-Encoding", ""),
            )
            return route.handler(call)

    def _check_rights(self, route: Route, path: str) -> None:
        for denied in self.state.settings.denied_actions:
            action, _, scope = denied.partition(" ")
            if Caseless(action) == route.action and (not scope or lies_in(path, scope)):
                raise forbidden(route.action, path)

    def _let_others_act(self) -> None:
        for number, action in list(self._interferences):
            if number <= self._write_requests:
                self._interferences.remove((number, action))
                action(self.state)


async def _close(runner: web.AppRunner) -> None:
    """Stop serving, and cut connections that clients still hold, because TLS would wait for them to close."""
    server = runner.server
    transports = [connection.transport for connection in server.connections] if server is not None else []
    await runner.cleanup()
    for transport in transports:
        if transport is not None:
            transport.abort()
    for _ in range(3):  # the event loop closes the sockets in its next iterations
        await asyncio.sleep(0)


async def _read_body(request: web.Request) -> Any:
    content = await request.read()
    if not content:
        return None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refusal(400, "InvalidRequestContent", "The request content was invalid and could not be read.") from exc


def _respond(answer: Response, now: datetime) -> web.Response:
    usual = {"Date": format_datetime(now, usegmt=True), "x-ms-request-id": "00000000-0000-0000-0000-000000000000"}
    headers = {**usual, **answer.headers}
    if answer.content is None:
        return web.Response(status=answer.status, headers=headers)
    content = answer.content if isinstance(answer.content, bytes) else msgspec.json.encode(answer.content)
    return web.Response(status=answer.status, body=content, headers=headers, content_type="application/json")
