"""The certificate authority of the emulator."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from optimizer.emulator.certificates import CA_FILE, make_tls


def test_clients_that_trust_the_authority_accept_the_server(tmp_path: Path) -> None:
    """The chain holds for 127.0.0.1 and localhost, also by the strict rules of RFC 5280, and for no other name."""
    server_side, ca_file = make_tls(tmp_path)
    assert ca_file == tmp_path / CA_FILE
    for name, fits in (("127.0.0.1", True), ("localhost", True), ("example.org", False)):
        client_side = ssl.create_default_context(cafile=ca_file)
        client_side.verify_flags |= ssl.VERIFY_X509_STRICT
        if fits:
            assert shake_hands(server_side, client_side, name) == "TLSv1.3"
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                shake_hands(server_side, client_side, name)


def test_keys_are_not_left_on_the_disk(tmp_path: Path) -> None:
    """Only the certificate of the authority stays, and another authority does not vouch for the server."""
    server_side, _ = make_tls(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [CA_FILE]
    assert "PRIVATE" not in (tmp_path / CA_FILE).read_text()
    (tmp_path / "other").mkdir()
    _, other = make_tls(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_side, ssl.create_default_context(cafile=other), "127.0.0.1")


def shake_hands(server_side: ssl.SSLContext, client_side: ssl.SSLContext, name: str) -> str | None:
    """Return the version of TLS that a client and the server agree on, without a network."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version()
