"""Text of messages: safe for a terminal, and broken between words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.report.terminal.message_text import printable, wrapped

COMMAND = "    backup-optimizer apply plan.json --only vm=" + "x" * 80 + " --resume"


def test_a_command_stays_on_its_line() -> None:
    """A shell would read its parts as several commands; the sentences around it are broken."""
    text = f"plan.json: the plan is stale, and this sentence is far too long for it\n{COMMAND}\nto go on, run 'pull'"
    lines = wrapped(text, 40).split("\n")
    assert COMMAND in lines
    assert all(len(line) <= 40 for line in lines if line != COMMAND)
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert wrapped("  vault weu: " + "word " * 20, 40).split("\n")[1].startswith("    word")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb", "a\nb"),
        ("\x1b[31mred", "?[31mred"),
        ("tab\there", "tab?here"),
        ("right\u202eleft", "right?left"),
        ("Zürich", "Zürich"),
    ],
)
def test_what_would_control_the_terminal_is_a_question_mark(text: str, shown: str) -> None:
    """Line breaks and printable characters of any language stay."""
    assert printable(text) == shown


@given(st.text())
def test_text_keeps_its_length(text: str) -> None:
    """Each character becomes one character, so columns stay where they are."""
    assert len(printable(text)) == len(text)
    assert printable(printable(text)) == printable(text)


@given(
    st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12), min_size=1), st.integers(20, 80)
)
def test_words_stay_whole_and_in_order(words: list[str], width: int) -> None:
    """Lines are broken between words only, and fit."""
    lines = wrapped(" ".join(words), width).split("\n")
    assert " ".join(lines).split() == " ".join(words).split()
    assert all(len(line) <= width for line in lines)


def test_a_word_longer_than_the_line_stays_whole() -> None:
    """A path is not broken, because nobody could copy it."""
    path = "/" + "x" * 60
    assert path in wrapped(f"cannot read {path} today", 30).split()


def test_lines_that_fit_stay_as_they_are() -> None:
    """Blank lines and indentation are kept."""
    assert wrapped("a\n\n  b", 20) == "a\n\n  b"
