"""Commands in a report, in lines that a shell reads as one."""

from __future__ import annotations

import shlex

from rich.text import Text

from optimizer.report.printable import printable


def shell_lines(command: str, width: int) -> list[str]:
    """A command in lines that a shell reads as one; broken between words only.

    Parameters
    ----------
    command
        As :func:`shlex.join` writes it.
    width
        Columns that there are.
    """
    units: list[str] = []
    for word in map(shlex.quote, shlex.split(command)):
        if units and units[-1].startswith("--") and " " not in units[-1] and not word.startswith("--"):
            units[-1] += " " + word  # an option and its value
        else:
            units.append(word)
    lines: list[str] = []
    for unit in units:
        if lines and len(lines[-1]) + 1 + len(unit) <= width - 2:
            lines[-1] += " " + unit
        else:
            lines.append("  " + unit if lines else unit)
    return [line + " \\" for line in lines[:-1]] + lines[-1:]


def command_lines(command: str, width: int, indent: int) -> list[Text]:
    """A command to be copied from a terminal: nothing stands behind the backslashes, and no word is broken.

    Parameters
    ----------
    command
        As :func:`shlex.join` writes it; none where it is empty.
    width
        Columns that there are.
    indent
        Columns before each line.
    """
    margin = " " * indent
    lines = shell_lines(printable(command).replace("\n", "?"), width - indent)
    return [Text(margin + line, style="cyan", no_wrap=True, overflow="ignore") for line in lines]
