"""Text that a terminal shows as it stands, whatever its author put into it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text with a question mark for each character that would steer a terminal; line breaks stay.

    Names, tickets and error texts come from the command line, from files and from Azure. An escape sequence among them
    could recolor or overwrite what somebody is asked to approve.
    """
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
