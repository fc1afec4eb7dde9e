"""Limits on requests: how many run at a time, how many per period, and how many for parts of failed batches."""

from __future__ import annotations

import threading

from optimizer.azure.limiter import AdaptiveLimiter, Pacer, SplitBudget


def test_the_budget_is_spent_and_earned() -> None:
    """Parts cost, whole batches that succeed allow more, never beyond the start."""
    budget = SplitBudget(4)
    assert [budget.take(2) for _ in range(3)] == [True, True, False]
    budget.earn()
    assert not budget.take(2)
    for _ in range(10):
        budget.earn()
    assert [budget.take(2) for _ in range(3)] == [True, True, False]


def test_limiter_halves_once_per_burst_and_grows_by_one() -> None:
    """Refusals that come together halve once; as many successes as may run at a time allow one more."""
    time = 0.0
    limiter = AdaptiveLimiter(8, now=lambda: time)
    for _ in range(5):
        limiter.slowed()
    assert limiter.limit == 4
    time = 10.0
    for _ in range(4):
        limiter.slowed()
        time += 10
    assert limiter.limit == 1
    limiter.succeeded()
    assert limiter.limit == 2
    for _ in range(100):
        limiter.succeeded()
    assert limiter.limit == 8, "never more than at the start"


def test_limiter_holds_back_what_is_too_much() -> None:
    """Never more requests at a time than allowed, also after a halving while some run."""
    limiter = AdaptiveLimiter(4)
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        for _ in range(50):
            with limiter.slot():
                with lock:
                    running += 1
                    most = max(most, running)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 4 and running == 0


def test_pacer_keeps_to_the_quota() -> None:
    """The first fifteen go at once; the sixteenth waits until five seconds after the first."""
    waited: list[float] = []
    time = 100.0

    def sleep(seconds: float) -> None:
        nonlocal time
        waited.append(seconds)
        time += seconds

    pacer = Pacer(15, 5.0, now=lambda: time, sleep=sleep)
    for _ in range(15):
        pacer.wait()
    assert not waited
    pacer.wait()
    pacer.wait()
    assert waited == [5.0]
