"""Text of messages, made safe and narrow enough for a terminal."""

from __future__ import annotations

import textwrap

COMMAND_INDENT = "    "
"""Indentation of a command on a line of its own in a message."""


def printable(text: str) -> str:
    """Replace each character that would control a terminal with a question mark; line breaks stay.

    Names, tickets and error texts come from the command line, from files and from Azure. An escape sequence in them
    could recolor or overwrite the text that somebody is asked to approve.
    """
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def wrapped(text: str, width: int) -> str:
    """Break the lines of a message between words, so that none is wider than a terminal.

    A command on a line of its own stays whole, because a shell would read its parts as several commands.

    Parameters
    ----------
    text
        Message to wrap.
    width
        Number of columns of the terminal.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        if len(line) <= width or line.startswith(COMMAND_INDENT):
            lines.append(line)
        else:
            lines += textwrap.wrap(
                line,
                width,
                subsequent_indent=indent + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)
