"""Decorators that compile inner loops, with the settings of the compiler in one place.

Each function is compiled for the types of its arguments, which takes 0.1 to 1 s per function. These rules keep the
first run after an installation short:

- :func:`compiled` is for functions that Python calls; :func:`inner` and :func:`inlined` are for functions that only
  compiled code calls.
- A literal number among the arguments is a type of its own: a function that is called with ``1`` and with ``-1`` is
  compiled twice. Pass a variable, or a constant of a NumPy type.
- A short loop compiles faster than ``argsort``, ``argmin``, the ``min`` of an array, or a copy of an array, because
  each of these pulls in further functions.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import event as compiler_events

Function = TypeVar("Function", bound=Callable[..., Any])

COMPILING = "Compiling inner loops of the solver, once after each installation. Later runs use the result."
"""Message that is logged before the compiler starts."""


class CompilerWatch(compiler_events.Listener):
    """Watches the compiler: announces it once, and pauses the garbage collector while it runs.

    Numba reports a compilation only if neither memory nor its cache has the function, and one at a time. The compiler
    creates many objects, and the garbage collector would take a sixth of its time.

    Parameters
    ----------
    announce
        Called with :data:`COMPILING` before the first function of this package is compiled.

    Attributes
    ----------
    first
        Called once after the announcement.

    References
    ----------
    https://numba.readthedocs.io/en/stable/developer/event_api.html
    """

    def __init__(self, announce: Callable[[str], object]) -> None:
        self._announce = announce
        self.first: Callable[[], object] = lambda: None
        self._announced = False
        self._depth = 0
        self._collect_again = False

    def on_start(self, event: compiler_events.Event) -> None:
        """Note that a function is about to be compiled, possibly as part of another one."""
        if not self._announced and event.data["dispatcher"].py_func.__module__.startswith("optimizer."):
            self._announced = True
            self._announce(COMPILING)
            self.first()
        if self._depth == 0:
            self._collect_again = gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event: compiler_events.Event) -> None:  # noqa: ARG002  # Numba's signature
        """Note that a function has been compiled, or could not be."""
        self._depth -= 1
        if self._depth == 0 and self._collect_again:
            gc.enable()


_WATCH = CompilerWatch(logging.getLogger(__name__).info)
compiler_events.register("numba:compile", _WATCH)  # type: ignore[no-untyped-call]


def at_first_compilation(act: Callable[[], object]) -> None:
    """Call ``act`` as soon as a function of this package has to be compiled; it replaces any earlier ``act``."""
    _WATCH.first = act


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays to machine code when it is first called.

    Numba's cache keeps the result beside the source (or in the user's cache folder if that cannot be written), so only
    the first run after an installation waits for the compiler. The code releases the interpreter lock, so threads run
    it in parallel. Fast-math is off, so that sums are the same on every machine.

    https://numba.readthedocs.io/en/stable/user/jit.html
    """
    return cast("Function", njit(cache=True, nogil=True)(function))


_WITHOUT_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # numba's stubs lack them


def inner(function: Function) -> Function:
    """Compile a function that only compiled functions of the same file call.

    It gets no code that unpacks Python arguments. For a tuple of 40 arrays, that code takes longer to compile than
    most functions here.
    """
    return cast("Function", njit(cache=True, nogil=True, **_WITHOUT_WRAPPERS)(function))


def inlined(function: Function) -> Function:
    """Compile a function as :func:`inner` does, and copy it into its callers.

    This is for the innermost loops, because passing tuples of 40 arrays takes as long as pricing a VM. The callers
    take longer to compile.
    """
    return cast("Function", njit(cache=True, nogil=True, forceinline=True, **_WITHOUT_WRAPPERS)(function))
