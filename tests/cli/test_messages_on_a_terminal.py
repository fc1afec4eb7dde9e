"""Messages on stderr fit a terminal; elsewhere each stays on its line."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.cli.command_line import ROOT, run


def on_a_terminal(columns: int, *args: object) -> str:
    """What a command prints to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "optimizer.cli", *map(str, args)]
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=120,
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # on Linux, the end of what was written
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_an_error_is_broken_at_the_width_of_the_terminal(tmp_path: Path) -> None:
    """The same words as in a pipe, in lines that fit."""
    missing = tmp_path.relative_to(tmp_path.root) / "no.json"
    args = ("apply", missing, "--yes")
    plain = run(*args).err
    assert max(map(len, plain.splitlines())) > 100
    shown = on_a_terminal(60, *args)
    assert shown.split() == plain.split()
    words = max(map(len, plain.split()))
    assert max(map(len, shown.splitlines())) <= max(60, words + 2)
    assert len(shown.splitlines()) > len(plain.splitlines())
