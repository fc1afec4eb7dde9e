"""The server itself: TLS, rights, addresses, and its end."""

from __future__ import annotations

import os
import ssl
import stat
import threading
import urllib.request
from urllib.error import HTTPError, URLError

import pytest
from azure.core.exceptions import HttpResponseError

from optimizer.emulator import Emulator, EmulatorSettings
from optimizer.errors import CloudError
from optimizer.model.clock import VirtualClock
from tests.emulator.cloud import GROUP, NOW, OTHER_VAULT, VAULT, estate, item_id, properties_of, serving
from tests.plan.estates import policy_id


def fetch(url: str, ca_file: str | None, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Ask without any client of Azure."""
    context = ssl.create_default_context(cafile=ca_file)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310  # always https
        with opener.open(request) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()


def test_a_token_is_asked_for_but_not_looked_at() -> None:
    """Without any token the answer is 401; what the token says does not matter."""
    with serving() as cloud:
        url, ca_file = cloud.emulator.endpoint + VAULT, str(cloud.emulator.ca_file)
        assert fetch(url, ca_file)[0] == 401
        assert fetch(url, ca_file, Authorization="Bearer anything")[0] == 200


def test_only_its_own_authority_vouches_for_it() -> None:
    """Who does not trust the emulator's authority cannot connect; who does reaches it by address and by name."""
    with serving() as cloud:
        ca_file = str(cloud.emulator.ca_file)
        with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(cloud.emulator.endpoint, None)
        by_name = cloud.emulator.endpoint.replace("127.0.0.1", "localhost")
        assert fetch(by_name + VAULT, ca_file, Authorization="Bearer x")[0] == 200


@pytest.mark.skipif(os.name != "posix", reason="files have no such modes here")
def test_its_files_are_its_owners_only() -> None:
    """The folder holds nothing but the certificate of the authority, readable by its owner, and goes with the end."""
    with serving() as cloud:
        ca_file = cloud.emulator.ca_file
        assert [file.name for file in ca_file.parent.iterdir()] == ["ca.pem"]
        assert stat.S_IMODE(ca_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(ca_file.parent.stat().st_mode) == 0o700
        assert "PRIVATE" not in ca_file.read_text()
    assert not ca_file.parent.exists()


def test_ids_are_read_in_any_case_and_encoding() -> None:
    """Segments in capitals and ``%3B`` for ``;`` name the same object."""
    with serving() as cloud:
        path = item_id("vm-1").upper().replace(";", "%3b")
        status, text = fetch(cloud.emulator.endpoint + path, str(cloud.emulator.ca_file), Authorization="Bearer x")
    assert status == 200 and item_id("vm-1") in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("POST", VAULT, 405), ("GET", VAULT + "x", 404), ("PUT", policy_id("p-1"), 400)],
)
def test_what_it_does_not_know(method: str, path: str, status: int) -> None:
    """Unknown addresses, methods and objects, and a body that is none: an answer in ARM's form."""
    with serving() as cloud:
        found, text = fetch(
            cloud.emulator.endpoint + path, str(cloud.emulator.ca_file), method, Authorization="Bearer x"
        )
    assert found == status and '"error":{"code":' in text


def test_a_right_can_be_missing() -> None:
    """403 names the action and the scope; where only a scope is denied the others are not."""
    action = "Microsoft.RecoveryServices/vaults/backupJobs/read"
    for denied in (action, f"{action} {VAULT.upper()}"):
        with serving(settings=EmulatorSettings(denied_actions=frozenset({denied}))) as cloud:
            with pytest.raises(HttpResponseError) as raised:
                list(cloud.backup.backup_jobs.list("rsv-one", GROUP))
            assert len(list(cloud.backup.backup_policies.list("rsv-one", GROUP))) == 5
            if " " in denied:
                assert list(cloud.backup.backup_jobs.list(OTHER_VAULT.rpartition("/")[2], GROUP)) == []
        assert raised.value.status_code == 403
        assert raised.value.error is not None and raised.value.error.code == "AuthorizationFailed"
        assert f"perform action '{action}'".lower() in str(raised.value).lower()


def test_the_state_survives_a_restart() -> None:
    """The emulator can be entered again; what was written is there, and no thread is left behind."""
    emulator = Emulator.of_estate(estate(), clock=VirtualClock(NOW))
    with pytest.raises(ValueError, match="is not running"):
        _ = emulator.endpoint
    for number in (1, 2):
        with emulator:
            emulator.state.put_policy(policy_id(f"new-{number}"), {"properties": properties_of("p", "21:00")})
    assert len(emulator.snapshot().policies) == 8
    assert [thread.name for thread in threading.enumerate() if thread.name == "emulator"] == []


def test_a_port_that_is_taken_is_said() -> None:
    """Two emulators cannot share a port: the message names it."""
    with serving() as cloud:
        port = int(cloud.emulator.endpoint.rpartition(":")[2])
        with pytest.raises(CloudError, match=rf"127\.0\.0\.1:{port}"):
            Emulator.of_estate(estate(), clock=VirtualClock(NOW), port=port).__enter__()


def test_what_a_test_does_wrong_comes_out() -> None:
    """An error inside the emulator is raised at its end, not swallowed as a 500."""

    def break_it(state: object) -> None:
        raise KeyError(state.__class__.__name__)

    with pytest.raises(KeyError, match="CloudState"), serving() as cloud:  # noqa: PT012  # the end raises
        cloud.emulator.interfere(break_it)
        with pytest.raises(HttpResponseError):
            cloud.put_policy("new-policy", properties_of("p", "21:00"))


def test_a_snapshot_is_an_estate() -> None:
    """At the beginning it is the estate that was given, and it does not follow what happens later."""
    document = estate()
    with serving(document) as cloud:
        before = cloud.emulator.snapshot()
        cloud.put_item("vm-1", "daily-2200")
        after = cloud.emulator.snapshot()
    assert before == document
    assert before.protected_items != after.protected_items
    assert after.as_of == NOW
