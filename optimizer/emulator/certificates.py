"""Certificate authority that lives as long as its process, and a certificate for loopback."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import trustme

CA_FILE = "ca.pem"


def make_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS context of a server on 127.0.0.1 and localhost, and the file of the authority to trust.

    The certificates are valid until the year 3000, whatever the emulator's clock shows: their keys exist only in the
    memory of this process, so the end of the process ends their use. The server's key is in a temporary file only
    while it is loaded, and the authority's key is never written.

    Parameters
    ----------
    folder
        Folder for the file of the authority.
    """
    authority = trustme.CA(organization_name="backup-optimizer emulator", path_length=0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    ca_file = folder / CA_FILE
    descriptor = os.open(ca_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(authority.cert_pem.bytes())
    return context, ca_file
