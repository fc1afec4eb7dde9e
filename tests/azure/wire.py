"""A scripted HTTPS server on loopback: what the real clients send is recorded, what they get is said beforehand."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import trustme
from azure.core.credentials import AccessToken

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.ports import Accepted, Look

SECRET = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0In0.c2VjcmV0"  # noqa: S105 - of nobody
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
VAULT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-b/providers/Microsoft.RecoveryServices/vaults/rsv-1"
POLICY = f"{VAULT}/backupPolicies/daily-2000"
ITEM_NAME = "iaasvmcontainerv2;rg-app;vm-1"
ITEM = f"{VAULT}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{ITEM_NAME}/protectedItems/VM;{ITEM_NAME}"
VM = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm-1"

OPERATION = "99999999-aaaa-4bbb-8ccc-dddddddddddd"
POLICY_STATUS = f"{POLICY}/operations/{OPERATION}"


class Token:
    """A credential with a token that must never be seen."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """The token that must never be seen."""
        del scopes, kwargs
        return AccessToken(SECRET, 2**33)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """``drop``: "before" hangs up unanswered, "half" after half of the body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: str = ""


SUCCEEDED = Answer(200, {"id": OPERATION, "name": OPERATION, "status": "Succeeded", "properties": None})
HANG_UP = Answer(drop="before")


def failure(status: int, code: str, message: str = "no", **headers: str) -> Answer:
    """Return an answer with an error; an underscore in the name of a header represents a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"code": code, "message": message}}, named)


Responder = Callable[[Request], Answer]


class Wire:
    """The server's memory.

    Parameters
    ----------
    endpoint
        Where it listens.
    ca_file
        Its certificate.
    """

    def __init__(self, endpoint: str, ca_file: Path) -> None:
        self.endpoint = endpoint
        self.ca_file = ca_file
        self.requests: list[Request] = []
        self._scripts: list[tuple[str, re.Pattern[str], list[Answer] | Responder]] = []
        self._lock = threading.Lock()

    def on(self, method: str, pattern: str, *answers: Answer | Responder) -> None:
        """Say what is answered to a method and path; the last answer goes on for ever."""
        script = answers[0] if callable(answers[0]) else list(answers)
        self._scripts.append((method, re.compile(pattern, re.IGNORECASE), script))

    def answer(self, request: Request) -> Answer:
        """What is answered to a request."""
        with self._lock:
            self.requests.append(request)
            for method, pattern, script in self._scripts:
                if method == request.method and pattern.fullmatch(request.path):
                    if callable(script):
                        return script(request)
                    return script.pop(0) if len(script) > 1 else script[0]
        return Answer(404, {"error": {"code": "ResourceNotFound", "message": f"no {request.path}"}})

    def sent(self, method: str, pattern: str = ".*") -> list[Request]:
        """Requests that came in."""
        return [r for r in self.requests if r.method == method and re.fullmatch(pattern, r.path, re.IGNORECASE)]

    @property
    def connection(self) -> Connection:
        """The way to this server."""
        return Connection(
            self.endpoint,
            self.endpoint + "/metrics/{region}",
            self.endpoint + "/logs/v1",
            self.ca_file,
            Token(),
            backoff_seconds=0.001,
        )


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a key with its certificate for 127.0.0.1, and the certificate of the authority that signed it."""
    authority = trustme.CA()
    key_file, ca_file = folder / "key.pem", folder / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(key_file)
    authority.cert_pem.write_to_path(ca_file)
    return key_file, ca_file


@contextmanager
def serve(key_file: Path, ca_file: Path) -> Iterator[Wire]:
    """Run the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key_file)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each body waits 40 ms for the client to acknowledge the headers

        def log_message(self, *args: Any) -> None:
            del args

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            answer = wire.answer(Request(self.command, unquote(parts.path), query, dict(self.headers), body))
            if answer.drop == "before":
                self._hang_up()
                return
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            content = b"" if answer.body is None else content
            self.send_response_only(answer.status)  # without the Date of the machine's clock
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if answer.drop == "half" else content)
            if answer.drop == "half":
                self._hang_up()

        def _hang_up(self) -> None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815 - names of the base class

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    wire = Wire(f"https://127.0.0.1:{server.server_address[1]}", ca_file)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def vm_policy(time_text: str = "2022-05-13T20:00:00Z", **more: Any) -> dict[str, Any]:
    """Properties of a daily VM policy."""
    return {
        "backupManagementType": "AzureIaasVM",
        "instantRPDetails": {},
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": [time_text],
            "scheduleWeeklyFrequency": 0,
        },
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": [time_text],
                "retentionDuration": {"count": 30, "durationType": "Days"},
            },
        },
        "instantRpRetentionRangeInDays": 2,
        "timeZone": "UTC",
        **more,
    }


def item_body(**more: Any) -> dict[str, Any]:
    """What is sent of a protected item."""
    return {
        "protectedItemType": "Microsoft.Compute/virtualMachines",
        "sourceResourceId": VM,
        "policyId": POLICY,
        **more,
    }


def accepted(wire: Wire, path: str, header: str = "azure-asyncoperation") -> Answer:
    """Return a 202 whose header states where to look at the operation."""
    return Answer(202, None, {header: f"{wire.endpoint}{path}?api-version=2021-10-01"})


def look_after(service: AzureBackupService, accepted: Accepted | None) -> Look:
    """Look once at the operation of an accepted write."""
    assert accepted is not None
    return service.look_at_operation(accepted.operation)


def vm(number: int) -> str:
    """Return the id of a VM."""
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm-{number:03d}"
    )


def measured(vm_id: str, names: Sequence[str]) -> dict[str, Any]:
    """Return what the service states about a VM: one point of each metric."""
    points = [{"timeStamp": "2026-02-28T10:00:00Z", "average": 50.0}]
    metrics = [{"name": {"value": name}, "timeseries": [{"data": points}], "errorCode": "Success"} for name in names]
    return {"resourceid": vm_id, "value": metrics}
