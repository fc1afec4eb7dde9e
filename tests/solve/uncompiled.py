"""Compiled functions as plain Python, so that tests can call the parts that only compiled code may call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the Python function behind a compiled one; functions that it calls must be callable from Python."""
    plain: Callable[..., Any] = getattr(function, "py_func", function)
    return plain


class Drawn:
    """Random numbers that are known in advance.

    Parameters
    ----------
    numbers
        Numbers in [0, 1), in the order in which they are drawn.
    """

    def __init__(self, numbers: Sequence[float]) -> None:
        self._left = list(numbers)

    def random(self) -> float:
        """Return the next number."""
        return self._left.pop(0)

    @property
    def left(self) -> int:
        """Number of random numbers that were not drawn."""
        return len(self._left)
