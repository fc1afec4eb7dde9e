"""Commands in a report, broken into lines that a shell reads as one command."""

from __future__ import annotations

import shlex

from rich.text import Text

from optimizer.report.terminal.message_text import printable


def shell_lines(command: str, width: int) -> list[str]:
    """Break a command, only between words, into lines that a shell reads as one command.

    Parameters
    ----------
    command
        Command as :func:`shlex.join` writes it.
    width
        Number of available columns.
    """
    lines: list[str] = []
    for unit in _units(command):
        if lines and len(lines[-1]) + 1 + len(unit) <= width - 2:
            lines[-1] += " " + unit
        else:
            lines.append("  " + unit if lines else unit)
    return [line + " \\" for line in lines[:-1]] + lines[-1:]


def _units(command: str) -> list[str]:
    """Words of a command that stay on one line; an option and its value are one unit."""
    units: list[str] = []
    for word in map(shlex.quote, shlex.split(command)):
        is_value = units and _is_bare_option(units[-1]) and not word.startswith("--")
        if is_value:
            units[-1] += " " + word
        else:
            units.append(word)
    return units


def _is_bare_option(unit: str) -> bool:
    return unit.startswith("--") and " " not in unit


def command_lines(command: str, width: int, indent: int) -> list[Text]:
    """Lines of a command to be copied from a terminal; nothing follows the backslashes, and no word is broken.

    Parameters
    ----------
    command
        Command as :func:`shlex.join` writes it; no lines if it is empty.
    width
        Number of available columns.
    indent
        Number of columns before each line.
    """
    margin = " " * indent
    lines = shell_lines(printable(command).replace("\n", "?"), width - indent)
    return [Text(margin + line, style="cyan", no_wrap=True, overflow="ignore") for line in lines]
