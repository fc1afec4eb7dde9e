"""Shortens the first run after an installation: a second process compiles half of the functions.

Threads would not help, because the compiler is written in Python and holds the interpreter lock. Both processes leave
what they compile in Numba's cache, where the other one finds it. The second process begins with the code that decides
in which order policies are written, because the search needs it after about three seconds, and continues with the
bound. With both processes, the first run at 300 VMs compiles for 7.7 s instead of 13.4 s.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from optimizer.solve.bound.ascent import Climb, load_compiled
from optimizer.solve.compiled import at_first_compilation
from optimizer.solve.problem.cost import policy_counts
from optimizer.solve.problem.executable import families_of, vault_writes
from optimizer.solve.problem.instance import Instance


class SecondCompiler:
    """A context manager that starts a second process to compile, if anything has to be compiled at all.

    Parameters
    ----------
    instance
        The problem; functions are compiled for its types.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._process: subprocess.Popen[bytes] | None = None
        self._path: Path | None = None

    def __enter__(self) -> Self:
        """Find out whether anything has to be compiled."""
        if (os.cpu_count() or 1) > 1 and sys.executable:
            at_first_compilation(self._start)
            load_compiled()  # compiles fast, and shows whether the cache is empty
            at_first_compilation(lambda: None)  # the second process does not compile what is missing later
        return self

    def __exit__(self, *_: object) -> None:
        """End the second process if it is still running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def wait(self) -> None:
        """Wait for the second process, if there is one; if it failed, this process compiles."""
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        with suppress(OSError):  # no space or no permission for a file or a process: this process compiles
            descriptor, path = tempfile.mkstemp(prefix="backup-optimizer-", suffix=".pickle")
            self._path = Path(path)
            with os.fdopen(descriptor, "wb") as file:
                pickle.dump(self._instance, file)
            command = [sys.executable, "-m", __spec__.name, path]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def main(path: Path) -> None:
    """Compile the second process's half of the functions.

    Parameters
    ----------
    path
        File with a pickled instance.
    """
    instance: Instance = pickle.loads(path.read_bytes())  # noqa: S301  # written by this program, readable only to it
    vault_writes(families_of(instance), instance.today, policy_counts(instance, instance.today), 0, prefer_edits=False)
    Climb(instance).cycle(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
