"""What the pages tell users to type works: every command and every Python block is run, or at least parsed.

The planner's folder contains what the pages talk about: ``vms.csv`` and ``rules.toml`` of the README, with a few more
VMs and rules. Commands for Azure talk to an emulator, whose address they take from the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import polars as pl
import pytest

import optimizer
from optimizer.emulator import Emulator
from optimizer.model.clock import SYSTEM_CLOCK, VirtualClock
from tests.azure.clouds import subscriptions_of
from tests.cli.command_line import run
from tests.documentation.pages import PAGES, ROOT, blocks, commands, commands_of_help, parse, run_python, unknown_words
from tests.intake.inputs import load_frame, write_load
from tests.intake.resource_files.resource_inputs import NAMES, as_azure_cli

README, AZURE, DASK, PLANNING, PYTHON = (
    page for page in PAGES if page.stem in {"README", "azure", "dask", "planning", "python"}
)

NOT_RUN = {
    ("demo", "backup-demo"): "takes half a minute: .ci/run runs the README's first command",
    (
        "emulate",
        "backup-demo/estate",
        "--speed",
        "300",
    ): "serves until it is stopped: tests/cli/test_faster_emulator.py",
    ("plan", "estate", "--engine", "tls://scheduler:8786"): "needs a Dask cluster with TLS",
    (
        "plan",
        "abfs://backups@account.dfs.core.windows.net/estate",
        "--engine",
        "tcp://scheduler:8786",
    ): "needs a Dask cluster and a storage account",
}
"""Commands that are only parsed, and why."""

LEADS = {"--emulator", "--ca-file"}
"""Options whose values only ``emulate`` knows; the environment leads there instead."""

MORE_VMS = """\
sql-prod-02,shop,vault-weu,daily-2300,Daily,,23:00,W. Europe Standard Time,30,data
mail-01,mail,vault-neu,daily-2300,Daily,,23:00,W. Europe Standard Time,30,data
mail-02,mail,vault-neu,daily-2300,Daily,,23:00,W. Europe Standard Time,30,data
"""
VMS = ("sql-prod-01", "web-prod-01", "archive-01", "sql-prod-02", "mail-01", "mail-02")

MORE_RULES = """
[[rule]]
name = "databases at night only"
where = { name = "sql-*" }
allow = [{ from = "18:00", to = "08:00", zone = "Europe/Berlin" }]
"""
EXTRA_RULES = """
[[rule]]
name = "no mail at noon"
where = { service = "mail" }
forbid = [{ from = "11:00", to = "14:00", zone = "Europe/Berlin" }]
"""
SCENARIOS = """
[[scenario]]
name = "cheap overlaps"
what_if = ["prices.snapshot_overlap=0.01"]
"""


def every_command() -> list[tuple[Path, tuple[str, ...]]]:
    """Commands of all pages."""
    return [(page, words) for page in PAGES for words in commands(page)]


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files of a planner who has no access to Azure, and the current one."""
    folder = tmp_path_factory.mktemp("planner")
    table = next(block for block in blocks(README, "text") if block.startswith("vm,service,"))
    (folder / "vms.csv").write_text(table + MORE_VMS)
    (folder / "rules.toml").write_text(blocks(README, "toml")[0] + MORE_RULES)
    (folder / "extra.toml").write_text(EXTRA_RULES)
    (folder / "scenarios.toml").write_text(SCENARIOS)
    load = load_frame(VMS, begin=datetime(2026, 2, 14, tzinfo=UTC), samples=14 * 288)
    write_load(folder, load.with_columns(pl.col("cpu_percent", "mem_percent") / 2))  # never above the threshold
    for name in ("policies.json", "items.json", "vms.json", "FILE"):
        (folder / name).write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        expect_success(*next(words for words in commands(README) if words[:2] == ("import", "--vms")))
        yield folder


def expect_success(*words: str, code: int = 0) -> str:
    """Run a command and return what it printed."""
    answer = run(*words)
    assert answer.code == code, f"backup-optimizer {' '.join(words)}\n{answer.out}\n{answer.err}"
    return answer.out


PAGE_COMMANDS = every_command()
HELP_COMMANDS = [(name, words) for name, found in commands_of_help().items() for words in found]


@pytest.mark.parametrize("words", dict.fromkeys(words for _, words in PAGE_COMMANDS), ids=" ".join)
def test_every_command_of_the_pages_is_one(words: tuple[str, ...], planner: Path) -> None:
    """Every command in README and docs exists, with its options and values."""
    del planner  # some options want a file that exists
    parse(words)


@pytest.mark.parametrize("words", dict.fromkeys(words for _, words in HELP_COMMANDS), ids=" ".join)
def test_every_command_of_the_help_is_one(words: tuple[str, ...], planner: Path) -> None:
    """Every example of ``--help`` exists, with its options and values."""
    del planner
    parse(words)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "data/rules/defaults.toml"], ids=lambda p: p.name
)
def test_commands_within_sentences_exist(page: Path) -> None:
    """Commands and options that a page mentions exist."""
    assert unknown_words(page.read_text(encoding="utf-8")) == []


def test_a_command_that_is_not_one_is_noticed() -> None:
    """An option that does not exist is an error here, as it would be for a user."""
    with pytest.raises(click.UsageError, match="No such option"):
        parse(("plan", "estate", "--most-moves", "5"))
    assert unknown_words("run `backup-optimizer plant --moves`") == ["plant", "--moves"]


def test_an_estate_of_resources(planner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's import of what the Azure CLI prints."""
    _write_resources(planner / "answers")
    monkeypatch.chdir(planner / "answers")
    expect_success(*next(words for words in commands(README) if words[:2] == ("import", "--resources")))


def test_commands_without_azure(planner: Path) -> None:
    """The README's plan of a planner's own files, with its explanation; the folder was imported as it says."""
    last = [words for words in commands(README) if words[0] in {"plan", "explain"}][-2:]
    assert [words[0] for words in last] == ["plan", "explain"]
    printed = [expect_success(*words) for words in last]
    assert "sql-prod-01" in printed[1]
    assert (planner / "plan.json").is_file()


def _write_resources(folder: Path) -> None:
    folder.mkdir()
    _, *contents = as_azure_cli()  # the first are vaults, which the README does not ask for
    for name, content in zip(("policies", "items", "vms"), contents, strict=True):
        (folder / f"{name}.json").write_text(json.dumps(content))
    write_load(folder, load_frame(NAMES, samples=8 * 288))


def test_questions_on_the_estate(planner: Path) -> None:
    """The commands of docs/planning.md on the same files."""
    assert (planner / "estate").is_dir()
    asked = [words for words in commands(PLANNING) if words not in NOT_RUN]
    assert len(asked) > 5
    for words in asked:
        expect_success(*words, "--effort", "1")  # as typed, --sensitivity alone takes a quarter of a minute


@dataclass(frozen=True)
class Month:
    """An emulated Azure, its clock, and the environment that leads commands to it."""

    emulator: Emulator
    clock: VirtualClock
    subscription: str

    def run(self, words: tuple[str, ...]) -> None:
        """Run a command of a page; writes are confirmed beforehand."""
        given = [self.subscription if word == "ID" else word for word in words]
        if words[0] in {"apply", "rollback"}:
            given.append("--yes")
        answer = run(*given, clock=self.clock)
        in_part = 5 if "--yes" in given and "--resume" not in given and "--wait" not in given else 0
        assert answer.code in {0, in_part}, f"backup-optimizer {' '.join(given)}\n{answer.out}\n{answer.err}"


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Month]:
    """Serve a small demo estate at noon, and lead commands to it as ``emulate`` tells users to."""
    folder = tmp_path / "backup-demo" / "estate"
    optimizer.generate_demo(folder, vms=12, weeks=3)
    truth, clock = optimizer.open_estate(folder), VirtualClock(SYSTEM_CLOCK.now())
    (tmp_path / "rules.toml").write_text(blocks(README, "toml")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKUP_OPTIMIZER_STATE", str(tmp_path / "state"))
    with optimizer.emulate_estate(truth, clock=clock) as emulator:
        monkeypatch.setenv("BACKUP_OPTIMIZER_EMULATOR", emulator.endpoint)
        monkeypatch.setenv("BACKUP_OPTIMIZER_CA_FILE", str(emulator.ca_file))
        yield Month(emulator, clock, subscriptions_of(truth.document)[0])


def test_the_monthly_commands(month: Month) -> None:
    """The README's monthly path, from the first pull to the rollback."""
    path = [words for words in commands(README) if words[0] not in {"import", "explain"}]
    path = path[: [words[0] for words in path].index("rollback") + 1]
    for words in path:
        month.run(words)
        if words[0] == "apply":
            month.clock.sleep(timedelta(days=3).total_seconds())
    assert month.emulator.writes


def test_the_round_on_an_emulator(month: Month) -> None:
    """The round that docs/azure.md gives for an emulator."""
    for words in (words for words in commands(AZURE) if words not in NOT_RUN):
        kept = [word for word, before in zip(words, ("", *words), strict=False) if not {word, before} & LEADS]
        month.run(tuple(kept))
        if words[0] == "apply":
            month.clock.sleep(timedelta(days=2).total_seconds())
    assert month.emulator.writes


@pytest.mark.parametrize(
    ("page", "instead"), [(README, {"count=20": "count=2"}), (PLANNING, {"processes=8": "processes=2"}), (PYTHON, {})]
)
def test_python_that_plans(planner: Path, page: Path, instead: dict[str, str]) -> None:
    """The Python blocks of the pages run on the planner's own files."""
    assert (planner / "estate").is_dir()
    run_python(page, instead)


def test_python_that_talks_to_azure(month: Month) -> None:
    """The Python blocks of docs/azure.md run against an emulator instead of a subscription."""
    vault = optimizer.open_estate("backup-demo/estate").vms()["vault"][0]
    run_python(
        AZURE,
        {
            "optimizer.connect()": f"optimizer.connect(emulator={month.emulator.endpoint!r}, "
            f"ca_file={str(month.emulator.ca_file)!r})",
            "00000000-0000-0000-0000-000000000000": month.subscription,
            "vault=weu-01": f"vault={vault}",
        },
    )
    assert month.emulator.writes
