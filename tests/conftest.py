"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from optimizer.model.clock import SystemClock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.plan.planned import Planned

ROOT = Path(__file__).resolve().parent.parent

# No test may depend on how fast the machine is; the same examples on every run.
settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""What the machine's clock shows to every test: a Monday noon, half a day after the demo estate was taken."""

# No test may depend on when it runs. The program reads the time of day in this one method (tests/test_clock.py checks
# that), so replacing it once keeps the machine's clock out of all tests of this process. A test that needs another
# time, or time that passes, hands a VirtualClock to what it calls. What still sees the machine's clock:
# - libraries, which take their own times from it (TLS: validity of certificates; azure-core: expiry of tokens;
#   aiohttp: the Date header). Certificates and tokens of the tests are therefore valid at any time.
# - the installed command in a process of its own, where a test is about just that (tests/cli/test_exit_codes.py);
#   what such a test expects holds at every hour. `python -m tests.benchmarks.any_hour` runs the tests at many times.
SystemClock.now = lambda _self: NOW

# Whether the solver is still to be compiled depends on the order of the tests; what they see on stderr must not.
logging.getLogger("optimizer.solve.compiled").setLevel(logging.WARNING)

COMPILES = "tests/solve/search/test_solver.py"
WITHOUT_SOLVER = (
    "tests/azure/",
    "tests/emulator/",
    "tests/arm/",
    "tests/demo/",
    "tests/estate/",
    "tests/files/",
    "tests/intake/",
    "tests/model/",
    "tests/report/",
)
LONG = (
    "tests/cli/test_commands.py",
    "tests/plan/make/test_make_plan.py",
    "tests/plan/make/test_stability.py",
    "tests/plan/audits/test_rule_scope.py",
    "tests/test_cases.py",
    "tests/cli/test_exit_codes.py",
    "tests/plan/make/test_earlier.py",
    "tests/plan/explanations/test_explain.py",
    "tests/plan/make/test_toward.py",
    "tests/engine/test_cluster.py",
    "tests/rollout/carry_out/test_faults_on_the_wire.py",
    "tests/documentation/test_documentation.py",
    "tests/cli/test_azure_commands.py",
    "tests/cli/test_bad_input.py",
    "tests/cli/test_why_not.py",
    "tests/plan/test_exceptions.py",
    "tests/rollout/carry_out/test_side_by_side.py",
    "tests/rollout/carry_out/test_scenarios.py",
    "tests/plan/make/test_diff.py",
    "tests/solve/test_optimality.py",
    "tests/whatif/test_answer.py",
    "tests/verifier/test_verify.py",
    "tests/whatif/test_price_changes.py",
    "tests/test_whole_journey.py",
)
"""Modules of five seconds and more, and the long ones among those that would come last; the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the modules so that several workers need little time together.

    Compiling the solver's loops in a fresh checkout takes about 10 seconds, and what one worker compiles the others
    load. So one worker begins with a module that compiles, the others with those that need no solver; of the rest the
    long modules come first, so that no worker is left with one at the end.
    """

    def rank(item: pytest.Item) -> int:
        module = item.nodeid.partition("::")[0]
        if module == COMPILES:
            return 0
        if module.startswith(WITHOUT_SOLVER):
            return 1
        return 2 + LONG.index(module) if module in LONG else 2 + len(LONG)

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Keep modules and collected tests, half a million objects, out of every garbage collection of the tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT


# The two plans below are shared by the tests of several rooms; they are read, never changed.


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Plan the imported estate with the default rules."""
    from tests.plan.estates import imported_estate
    from tests.plan.planned import planned

    return planned(imported_estate(tmp_path_factory.mktemp("imported")))


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Plan the estate in the shape of Azure with the default rules."""
    from tests.plan.estates import arm_estate
    from tests.plan.planned import planned

    return planned(arm_estate(tmp_path_factory.mktemp("arm") / "estate"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of traces and recorded answers that may lie beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the folder 'shared' beside the checkout, which is not in {ROOT.parent}")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser once for a module, or skip its tests where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()
