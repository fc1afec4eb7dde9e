"""Options that lead a command to Azure, or to an emulator of it."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from optimizer.azure import CLOUDS, AzureCloud
from optimizer.cli.connect import CLOUDS as NAMES
from optimizer.cli.connect import connection_options
from optimizer.errors import OptimizerError


def cloud_of(*args: str, **environment: str) -> tuple[AzureCloud | None, str]:
    """What a command gets, and what it answers; errors of the product are raised."""
    given: list[AzureCloud] = []

    @click.command()
    @connection_options
    def command(cloud: AzureCloud) -> None:
        given.append(cloud)

    answer = CliRunner().invoke(command, args, env={"BACKUP_OPTIMIZER_EMULATOR": None, **environment})
    if isinstance(answer.exception, OptimizerError):
        raise answer.exception
    return (given[0] if given else None), answer.output


def test_help_knows_every_cloud() -> None:
    """The names are written twice, so that ``--help`` imports no client."""
    assert set(NAMES) == set(CLOUDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_cloud_is_chosen_by_name(name: str) -> None:
    """Nothing is sent before a command reads or writes, so no sign-in is needed here."""
    cloud, _ = cloud_of("--cloud", name)
    assert cloud is not None


def test_a_cloud_that_does_not_exist_is_wrong_usage() -> None:
    """The message lists the clouds."""
    cloud, answer = cloud_of("--cloud", "germany")
    assert cloud is None
    assert "'public', 'us-government', 'china'" in answer


ELSEWHERE = "https://azure.example.com"


@pytest.mark.parametrize(
    ("args", "environment"), [(("--emulator", ELSEWHERE), {}), ((), {"BACKUP_OPTIMIZER_EMULATOR": ELSEWHERE})]
)
def test_an_emulator_is_on_this_machine(args: tuple[str, ...], environment: dict[str, str]) -> None:
    """An address elsewhere is refused, from an option and from the environment."""
    with pytest.raises(OptimizerError, match=r"azure\.example\.com"):
        cloud_of(*args, **environment)


def test_a_file_of_certificates_must_exist(tmp_path: Path) -> None:
    """The option and the path are named."""
    with pytest.raises(OptimizerError, match=r"--ca-file .*ca\.pem: no such file; check the path"):
        cloud_of("--ca-file", str(tmp_path / "ca.pem"))
