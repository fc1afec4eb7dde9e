"""Clocks: that of the machine, a virtual one that jumps instead of waiting, and one that runs faster than another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """Source of the current time, and of waiting; a rehearsal runs on its own clock."""

    def now(self) -> datetime:
        """The present time, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        ...

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks, each in its own thread, until all have ended.

        If a task raises, or on Ctrl-C, the tasks are stopped the next time they sleep, and the exception is raised
        here.

        Parameters
        ----------
        tasks
            The tasks.
        interrupted
            Called after Ctrl-C, immediately and then several times a second until all tasks have ended. It returns
            whether to keep waiting for them. Tasks that are not waited for end with the process.
        """
        ...


class SystemClock:
    """The clock of this machine; a :class:`Clock`.

    This is the only place in the program that reads the machine's time of day. All code that depends on the time takes
    a clock as an argument, so that a test or a rehearsal can choose the time.
    """

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def now(self) -> datetime:
        """The present time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds; within :meth:`side_by_side`, a stopped task stops waiting.

        Raises
        ------
        Stopped
            Another task failed, or the program was interrupted.
        """
        team: Team | None = getattr(self._of_thread, "team", None)
        if team is None:
            time.sleep(max(0.0, seconds))
        else:
            team.sleep(max(0.0, seconds))

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks, each in its own thread; see :meth:`Clock.side_by_side`.

        A single task has its own thread too, so that Ctrl-C never interrupts what it is doing.
        """
        team = Team()
        team.run([partial(self._take_part, team, task) for task in tasks], interrupted=interrupted)

    def _take_part(self, team: Team, task: Callable[[], None]) -> None:
        self._of_thread.team = team
        task()


SYSTEM_CLOCK = SystemClock()
"""Default clock of functions that take one."""


class VirtualClock:
    """A clock that stands still until code sleeps, and then jumps; a :class:`Clock`.

    Parameters
    ----------
    start
        Time at which the clock begins, with a UTC offset.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._changed = threading.Condition()
        self._place = threading.local()
        self._turn: int | None = None
        self._wakes: dict[int, tuple[datetime, int]] = {}
        self._count = 0
        self._team: Team | None = None

    def now(self) -> datetime:
        """The current virtual time, in UTC."""
        with self._changed:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Jump ahead by a number of seconds.

        Within :meth:`side_by_side`, the clock jumps once every task sleeps, to the time when the first one wakes.
        """
        number: int | None = getattr(self._place, "number", None)
        with self._changed:
            wakes = self._now + timedelta(seconds=max(0.0, seconds))
            if number is None:
                self._now = wakes
                return
            self._count += 1
            self._wakes[number] = (wakes, self._count)
            self._pass_on()
            self._await_turn(number)

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks in threads, one at a time until it sleeps, so that the order is the same in every run."""
        if len(tasks) == 1:
            tasks[0]()
            return
        self._team = Team()
        with self._changed:
            self._wakes = {number: (self._now, number) for number in range(len(tasks))}
            self._count = len(tasks)
            self._pass_on()
        parts = [partial(self._take_part, number, task) for number, task in enumerate(tasks)]
        self._team.run(parts, self._wake_all, interrupted)

    def _take_part(self, number: int, task: Callable[[], None]) -> None:
        self._place.number = number
        try:
            with self._changed:
                self._await_turn(number)
            task()
        except BaseException:
            assert self._team is not None
            self._team.stop()
            raise
        finally:
            with self._changed:
                self._wakes.pop(number, None)
                self._pass_on()

    def _await_turn(self, number: int) -> None:
        assert self._team is not None
        while self._turn != number and not self._team.stopped:
            self._changed.wait()
        if self._team.stopped:
            raise Stopped

    def _pass_on(self) -> None:
        """Give the turn to the task that wakes first, and jump to the time when it wakes."""
        self._turn = min(self._wakes, key=self._wakes.__getitem__, default=None)
        if self._turn is not None:
            self._now = max(self._now, self._wakes.pop(self._turn)[0])
        self._changed.notify_all()

    def _wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()


class FasterClock:
    """A clock on which time passes faster than on another one by a constant factor; a :class:`Clock`.

    Parameters
    ----------
    start
        Time at which the clock begins, with a UTC offset.
    speed
        Number of seconds that pass in one second of the other clock.
    base
        The other clock.
    """

    def __init__(self, start: datetime, speed: float, base: Clock) -> None:
        self._start, self._base, self._began = start.astimezone(UTC), base, base.now()
        self.speed = speed

    def now(self) -> datetime:
        """The current time, in UTC."""
        return self._start + (self._base.now() - self._began) * self.speed

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds of this clock."""
        self._base.sleep(max(0.0, seconds) / self.speed)

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks as the other clock does; see :meth:`Clock.side_by_side`."""
        self._base.side_by_side(tasks, interrupted)


class Stopped(BaseException):
    """Signal that ends a task because another one failed or the program was interrupted."""


_JOIN_SECONDS = 0.1
"""Longest uninterrupted wait of the main thread: Python runs signal handlers (Ctrl-C) only between such waits."""


class Team:
    """Threads that run in parallel and end together."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether a task failed, or the program was interrupted."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Make every task end when it next sleeps."""
        self._stop.set()

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, unless the tasks must end.

        Raises
        ------
        Stopped
            The tasks must end.
        """
        if self._stop.wait(seconds):
            raise Stopped

    def run(
        self,
        tasks: Sequence[Callable[[], None]],
        on_stop: Callable[[], None] = lambda: None,
        interrupted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Run tasks until all have ended, then raise the first exception among them.

        Parameters
        ----------
        tasks
            The tasks.
        on_stop
            Wakes tasks that wait for anything other than :meth:`sleep`.
        interrupted
            See :meth:`Clock.side_by_side`.
        """
        errors: list[BaseException] = []

        def fail(error: BaseException) -> None:
            errors.append(error)
            self.stop()
            on_stop()

        threads = [_TaskThread(task, fail) for task in tasks]
        try:
            for thread in threads:
                thread.start()
            _wait_for(threads)
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C; a second one ends the wait below at once
            self.stop()
            on_stop()
            _wait_for([thread for thread in threads if thread.ident is not None], interrupted)
            raise
        if errors:
            raise errors[0]


class _TaskThread(threading.Thread):
    """Runs one task, reports its exception, and signals its end.

    ``Thread.is_alive`` does not say so: in Python 3.11, a thread counts as ended once its join was interrupted
    (bpo-45274).
    """

    def __init__(self, task: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._task = task
        self._fail = fail

    def run(self) -> None:
        """Run the task; :class:`Stopped` is not a failure."""
        try:
            self._task()
        except Stopped:
            pass
        except BaseException as exc:  # noqa: BLE001  # raised again in the thread that waits
            self._fail(exc)
        finally:
            self.ended.set()


def _wait_for(threads: Sequence[_TaskThread], goes_on: Callable[[], bool] = lambda: True) -> None:
    """Wait until all tasks have ended or ``goes_on`` returns False, in short waits that Ctrl-C can interrupt."""
    while goes_on() and any(not thread.ended.wait(_JOIN_SECONDS) for thread in threads if not thread.ended.is_set()):
        pass
