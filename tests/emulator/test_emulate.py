"""The command that serves an estate."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from optimizer.azure.connection import Connection
from optimizer.cli import cli
from optimizer.cli.emulate import remark_on_ids
from optimizer.demo.generate import generate_demo
from optimizer.estate.folder import open_estate
from tests.cli.command_line import run

PROGRAM = "import sys; from optimizer.cli.emulate import emulate; emulate.main(sys.argv[1:])"


@pytest.mark.skipif(os.name != "posix", reason="processes are ended otherwise here")
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_estate_is_served_until_it_is_stopped(tmp_path: Path, root: Path, form: str) -> None:
    """It prints variables and a pull that works, serves the real clients, and on Ctrl-C leaves nothing behind."""
    generate_demo(tmp_path / "estate", vms=5, seed=1, weeks=1)
    vault = open_estate(tmp_path / "estate").document.vaults[0]
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "estate"), "--format", form]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [process.stdout.readline() for _ in range(5 if form == "json" else 3)]
        if form == "json":
            variables = json.loads("".join(lines))
            pull = variables["pull"]
        else:
            variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[:2])
            pull = lines[2]
        ca_file = Path(variables["BACKUP_OPTIMIZER_CA_FILE"])
        connection = Connection.to_emulator(variables["BACKUP_OPTIMIZER_EMULATOR"], ca_file)
        with connection.vaults(vault["id"].split("/")[2]) as client:
            assert client.vaults.get(vault["id"].split("/")[4], vault["name"]).id == vault["id"]
        words = [word if word != "pulled" else str(tmp_path / "pulled") for word in shlex.split(pull)]
        assert words[0] == "backup-optimizer"
        pulled = run(*words[1:], "--days", "2")
        assert pulled.code == 0, pulled
        assert len(open_estate(tmp_path / "pulled").document.vms) == 5
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "requests and 0 writes" in process.stderr.read()
    assert not ca_file.exists()


def test_help_shows_an_example() -> None:
    """``--help`` says what to type and that the folder never changes."""
    text = CliRunner().invoke(cli, ["emulate", "--help"]).output
    assert "backup-optimizer emulate estate --port 8443" in text
    assert "the estate folder never changes" in " ".join(text.split())


def test_vms_that_a_pull_does_not_find_are_pointed_out(tmp_path: Path) -> None:
    """A remark points out VMs of an estate made from a list: they have no ARM ids, so `pull` cannot find them."""
    generate_demo(tmp_path / "estate", vms=2, seed=1, weeks=1)
    document = open_estate(tmp_path / "estate").document
    assert remark_on_ids(document) == ""
    listed = document.model_copy(update={"vms": ({"id": "sql-01"}, {"id": "sql-02"}, *document.vms)})
    assert remark_on_ids(listed).startswith("2 VMs have no ARM id, because this estate was made from a list")
    assert "so 'pull' does not find it:" in remark_on_ids(document.model_copy(update={"vms": ({"id": "sql-01"},)}))
