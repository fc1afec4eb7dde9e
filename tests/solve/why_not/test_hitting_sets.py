"""The smallest hitting set, and that the search for it leaves Ctrl-C alone."""

from __future__ import annotations

import subprocess
import sys

from optimizer.solve.why_not.hitting_sets import smallest_hitting_set

SCRIPT = """
import signal
from optimizer.solve.why_not.hitting_sets import smallest_hitting_set
signal.signal(signal.SIGINT, signal.default_int_handler)
smallest_hitting_set(list("ab"), [frozenset("ab")])
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted as Python does it")
"""


def test_the_fewest_elements_are_found() -> None:
    """One element that is in every set is enough."""
    assert smallest_hitting_set(list("abc"), [frozenset("ab"), frozenset("bc")]) == frozenset("b")


def test_ctrl_c_still_reaches_the_program_afterwards() -> None:
    """CP-SAT's own handler of the signal would leave the process to be killed without a word."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "interrupted as Python does it"), done.stderr
