"""The pages that users read, and the commands and Python blocks in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from optimizer.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

PROGRAM = "backup-optimizer "
END_OF_COMMAND = re.compile(r" {3,}(?=\S)| +# | > ")
"""What follows a command on its line: words that explain it, or the file for its output."""


def run_python(page: Path, instead: Mapping[str, str] | None = None) -> None:
    """Execute the Python blocks of a page one after the other; they share their variables.

    Parameters
    ----------
    page
        The page.
    instead
        Text of the page that the test cannot use, and what takes its place.
    """
    text = page.read_text(encoding="utf-8")
    for written, used in (instead or {}).items():
        assert written in text, f"{page.name} does not contain {written}"
        text = text.replace(written, used)
    document = Document(text, str(page))
    for region in PythonCodeBlockParser()(document):
        document.add(region)
    examples = list(document.examples())
    assert examples
    for example in examples:
        example.evaluate()


def blocks(page: Path, *languages: str) -> list[str]:
    """Text of the fenced blocks of some languages, in their order."""
    parsers = [CodeBlockParser(language, evaluator=lambda _: None) for language in languages]
    return [str(example.parsed) for example in Document.parse(str(page), *parsers).examples()]


def commands(page: Path) -> list[tuple[str, ...]]:
    """Commands of the program in the ``sh`` and ``text`` blocks of a page, as words, in their order."""
    return list(_commands("\n".join(blocks(page, "text", "sh"))))


def commands_of_help() -> dict[str, list[tuple[str, ...]]]:
    """Commands in the examples of ``--help``, by the command that shows them."""
    texts = {name: f"{command.help}\n{command.epilog}" for name, command in {"": cli, **cli.commands}.items()}
    return {name: list(_commands(text)) for name, text in texts.items()}


def _commands(text_of_page: str) -> Iterator[tuple[str, ...]]:
    for line in re.sub(r"\\\n\s*", "", text_of_page).splitlines():
        text = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
        if text.startswith(PROGRAM):
            yield tuple(shlex.split(END_OF_COMMAND.split(text)[0])[1:])


def parse(words: tuple[str, ...]) -> None:
    """Let click parse a command without running it.

    Raises
    ------
    click.UsageError
        An unknown command or option, a missing argument, or a value that is not allowed.
    """
    with click.Context(cli, info_name="backup-optimizer", **cli.context_settings) as context:
        name, command, rest = cli.resolve_command(context, list(words))
        assert command is not None
        command.make_context(name, rest, parent=context)


def unknown_words(text: str) -> list[str]:
    """Commands and options of the program in a text, code in sentences included, that do not exist."""
    unknown: list[str] = []
    text = re.sub(r"\\\n *", "", text)  # calls that go on in the next line
    for call in re.findall(r"(?<![\w/.-])backup-optimizer +([a-z][^`\n|>#&]+)", text):
        name, *rest = call.split()
        command = cli.commands.get(name)
        known = {option for param in command.params for option in param.opts} if command else set()
        unknown += [name] if command is None else []
        unknown += [word for word in rest if word.startswith("--") and word not in known | {"--help"}]
    return unknown
