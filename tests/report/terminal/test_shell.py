"""Commands in a report: lines that a shell reads as one command."""

from __future__ import annotations

import io
import shlex

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from optimizer.report.terminal.sheet import Page
from optimizer.report.terminal.shell import command_lines, shell_lines


def test_a_short_command_is_one_line() -> None:
    """And an empty one none."""
    assert shell_lines("az backup policy show", 90) == ["az backup policy show"]
    assert shell_lines("", 90) == []


def test_a_printed_command_can_be_pasted() -> None:
    """No space follows a backslash on the console itself, which fills lines; a word longer than a line stays whole."""
    word = "--ca-file=" + "x" * 120
    console = Console(width=60, file=io.StringIO(), color_system=None)
    command = f"backup-optimizer watch 'my plan.json' {word}"
    console.print(Page(lambda sheet: sheet.commands(command, 6)), crop=False)
    file = console.file
    assert isinstance(file, io.StringIO)
    lines = file.getvalue().rstrip("\n").split("\n")
    assert len(lines) > 1
    assert [line.endswith("\\") for line in lines] == [True] * (len(lines) - 1) + [False]
    assert shlex.split("".join(line.removesuffix("\\") for line in lines)) == shlex.split(command)


def test_an_option_stays_with_its_value() -> None:
    """A line ends after the value, not between the two; further lines are indented."""
    assert shell_lines("backup-optimizer apply plan.json --only vault=a --wait 3", 34) == [
        "backup-optimizer apply plan.json \\",
        "  --only vault=a --wait 3",
    ]
    assert shell_lines("x --resume --only vault=a", 12) == ["x --resume \\", "  --only vault=a"]


@given(
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1), min_size=1),
    st.integers(10, 90),
)
def test_a_shell_reads_the_lines_as_one_command(words: list[str], width: int) -> None:
    """Whatever the words and the width, the words are the same."""
    command = shlex.join(words)
    lines = shell_lines(command, width)
    assert shlex.split("".join(line.removesuffix("\\") for line in lines)) == words
    assert all(line.endswith(" \\") for line in lines[:-1])


def test_lines_are_indented_and_safe() -> None:
    """A command with a control character shows a question mark in its place."""
    (line,) = command_lines("watch 'a\x1bb'", 40, 6)
    assert line.plain == "      watch 'a?b'"
    assert command_lines("", 40, 6) == []
