"""How inner loops are compiled: one decorator, so that the settings stand in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays to machine code when it is first called.

    The result is kept in Numba's cache beside the source (or in the user's cache folder where that cannot be written),
    so that only the first run after an installation waits for the compiler.  The interpreter lock is released: what
    runs in threads runs side by side.  No fast-math, so that sums are the same everywhere.

    https://numba.readthedocs.io/en/stable/user/jit.html
    """
    return cast("Function", njit(cache=True, nogil=True)(function))
