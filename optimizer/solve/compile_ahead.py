"""The first run after an installation: a second process compiles half of the functions, this one the other half.

Threads would not help, since the compiler is written in Python and holds the interpreter lock.  Both processes leave
what they compile in Numba's cache, where the other finds it.  The second one begins with what says in which order
policies are written, since the search needs that after about three seconds, and goes on with the bound.  Side by side
at 300 VMs, the first run compiles for 7.7 s instead of 13.4 s.
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

from optimizer.solve.bound import Climb, load_compiled
from optimizer.solve.compiled import at_first_compilation
from optimizer.solve.cost import policy_counts
from optimizer.solve.executable import families_of, vault_writes
from optimizer.solve.instance import Instance


class SecondCompiler:
    """A second process that compiles, if anything has to be compiled at all; a context manager.

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
            load_compiled()  # takes little to compile, and shows whether the cache is empty
            at_first_compilation(lambda: None)  # what is compiled later is not what the second process compiles
        return self

    def __exit__(self, *_: object) -> None:
        """End the second process if it is still running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def wait(self) -> None:
        """Wait until the second process is done; without one, do nothing.  If it failed, this process compiles."""
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        with suppress(OSError):  # no room or no right for a file or a process: this process compiles
            descriptor, path = tempfile.mkstemp(prefix="backup-optimizer-", suffix=".pickle")
            self._path = Path(path)
            with os.fdopen(descriptor, "wb") as file:
                pickle.dump(self._instance, file)
            command = [sys.executable, "-m", __spec__.name, path]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def main(path: Path) -> None:
    """Compile the half of the second process.

    Parameters
    ----------
    path
        A pickled instance.
    """
    instance: Instance = pickle.loads(path.read_bytes())  # noqa: S301  # written by this program, readable only to it
    vault_writes(families_of(instance), instance.today, policy_counts(instance, instance.today), 0, prefer_edits=False)
    Climb(instance).cycle(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
