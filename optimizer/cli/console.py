"""Options, progress bars and output formats that all commands share."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeAlias, TypeVar

import click
from click.core import ParameterSource

from optimizer.cli.failures import failure_of, say
from optimizer.errors import DataError, OptimizerError
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.ports import Clock, Progress, no_progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from optimizer.solve import NamedConflict, NamedRelaxation

NO_SCHEDULE, NO_SCHEDULE_HEADLINE = 3, "no schedule satisfies the rules"
"""Exit code and message where no schedule satisfies the rules."""

Tell: TypeAlias = "Callable[[NamedConflict | NamedRelaxation], None]"
"""Told a conflict or a way out as soon as it is proven."""

P = ParamSpec("P")
R = TypeVar("R")


def current_clock() -> Clock:
    """The clock of the running command: the one given to ``main``, otherwise the machine's."""
    clock: Clock | None = click.get_current_context().obj
    return clock if clock is not None else SYSTEM_CLOCK


def words_given(*options: str) -> tuple[str, ...]:
    """Options of the running command as they were given, for the commands that it suggests.

    Parameters
    ----------
    options
        Names of options, such as ``--estate``. Those that neither the command line nor the environment gives are
        left out.
    """
    from optimizer.files import hide_password

    context = click.get_current_context()
    words: list[str] = []
    for option in context.command.params:
        name = option.name or ""
        source = context.get_parameter_source(name)
        if option.opts[0] not in options or source in (None, ParameterSource.DEFAULT):
            continue
        value = context.params.get(name)
        if isinstance(option, click.Option) and option.is_flag:
            words += [option.opts[0]] if value else []
        elif value not in (None, ""):
            for text in value if isinstance(value, tuple) else (value,):
                words += [option.opts[0], hide_password(str(text))]
    return tuple(words)


def _untold(_: NamedConflict | NamedRelaxation) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Screen:
    """How a command talks: results on stdout, everything else on stderr.

    Parameters
    ----------
    as_json
        JSON alone on stdout.
    quiet
        No progress, no remarks.
    verbose
        Say how long each stage took.
    tell
        Shows why there is no schedule, and each way out, as soon as a search finds it.
    """

    as_json: bool
    quiet: bool
    verbose: bool
    tell: Tell = _untold

    def tell_of_scenario(self, name: str) -> Tell:
        """Show why a scenario of ``what-if`` has no schedule, which is not an error of the command."""
        return WhyNot(self, f"What if {name}: no schedule keeps the rules of this scenario").tell

    def show(self, renderable: RenderableType, json_text: str, last_line: str = "") -> None:
        """Print a result as text or as JSON.

        Parameters
        ----------
        renderable, json_text
            The result as text and as JSON.
        last_line
            Sentence that sums up the text, to be searched for in a log.
        """
        if self.as_json:
            click.echo(json_text)
            return
        from rich.console import Console

        from optimizer.report import with_whole_names

        # A file or a pipe has no width: text is laid out for 100 columns, and names are never shortened.
        width = None if sys.stdout.isatty() else 100
        shown = renderable if width is None else with_whole_names(renderable)
        Console(width=width, highlight=False, soft_wrap=False).print(shown, crop=False)
        if last_line:
            click.echo(f"\n{last_line}")

    def heading(self, text: str) -> None:
        """Print a heading between two results, unless they are JSON."""
        if not self.as_json:
            click.echo(f"\n{text}\n{'=' * len(text)}\n")

    def refuse(self, renderable: RenderableType, headline: str, json_text: str, *, announced: bool = False) -> None:
        """Print why there is no result: in full to stderr, or as JSON to stdout and in one sentence to stderr.

        Parameters
        ----------
        renderable, headline, json_text
            The reason in full, in one sentence, and as JSON.
        announced
            Whether the sentence is on the screen already.
        """
        if self.as_json:
            click.echo(json_text)
            say(f"error: {headline}")
            return
        if not announced:
            say(f"error: {headline}")
        self.explain(renderable)

    def explain(self, renderable: RenderableType) -> None:
        """Print a part of the reason why there is no result to stderr."""
        from rich.console import Console

        width = None if sys.stderr.isatty() else 100
        Console(width=width, stderr=True, highlight=False, soft_wrap=False).print(renderable, crop=False)

    def remark(self, text: str) -> None:
        """Print a remark to stderr."""
        if not self.quiet:
            say(text)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A :class:`~optimizer.ports.Progress` that draws bars on a terminal, and is silent elsewhere.

        Log messages of the solver, such as that it is being compiled, appear as remarks.
        """
        with self._remark_log():
            if self.verbose:
                yield _log_stages()
            elif self.quiet or not sys.stderr.isatty():
                yield no_progress
            else:
                with _bars() as report:
                    yield report

    @contextmanager
    def _remark_log(self) -> Iterator[None]:
        log, handler = logging.getLogger("optimizer.solve"), _Remarks(self)
        level = log.level
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)


class _Remarks(logging.Handler):
    """Shows log messages as remarks."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.remark(record.getMessage())


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note=note)
            bars.update(tasks[stage], completed=done, total=total, note=note)

        yield report


def _log_stages() -> Progress:
    began = time.monotonic()

    def report(stage: str, done: int, total: int, note: str = "") -> None:
        if done >= total:
            click.echo(f"{time.monotonic() - began:7.1f} s  {stage}: {done} of {total}  {note}".rstrip(), err=True)

    return report


def common_options(command: Callable[Concatenate[Screen, P], R]) -> Callable[..., R]:
    """Add ``--format``, ``--quiet`` and ``--verbose``; the command gets a :class:`Screen` first."""

    @click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Output format on stdout.",
    )
    @click.option("--quiet", "-q", is_flag=True, help="Hide progress and remarks on stderr.")
    @click.option("--verbose", "-v", is_flag=True, help="Show on stderr how long each stage took.")
    @wraps(command)
    def with_screen(*args: Any, output_format: str, quiet: bool, verbose: bool, **kwargs: Any) -> R:
        screen = Screen(output_format == "json", quiet, verbose)
        with _why_not(screen) as tell:
            return command(replace(screen, tell=tell), *args, **kwargs)

    return with_screen


class WhyNot:
    """Shows why there is no schedule, and what would make one possible, as soon as each answer is proven.

    Parameters
    ----------
    screen
        Text is shown as each answer is found; JSON, and text with ``--quiet``, only at the end.
    headline
        Sentence to show before the first conflict.
    """

    def __init__(self, screen: Screen, headline: str = f"error: {NO_SCHEDULE_HEADLINE}") -> None:
        self._screen, self._headline = screen, headline
        self._told: list[NamedConflict] = []

    def tell(self, one: NamedConflict | NamedRelaxation) -> None:
        """Show a conflict or a way out."""
        from optimizer.report import render_first_conflict, render_found
        from optimizer.solve import NamedConflict

        if self._screen.as_json or self._screen.quiet:
            return
        if not isinstance(one, NamedConflict):
            if self._told:  # else it is not proven that there is no schedule; the error says what would help
                self._screen.explain(render_found(one))
            return
        if not self._told:
            say(self._headline)
        self._screen.explain(render_found(one) if self._told else render_first_conflict(one))
        self._told.append(one)

    def end(self, error: OptimizerError) -> NoReturn:
        """Show the answers that have not been shown yet, and end with the exit code for them."""
        from optimizer.report import render_no_schedule
        from optimizer.solve import NoScheduleError

        if not isinstance(error, NoScheduleError):
            raise error
        failure = replace(failure_of(error), message=NO_SCHEDULE_HEADLINE)
        answer = error.answer
        self._screen.refuse(
            render_no_schedule(answer, self._told),
            NO_SCHEDULE_HEADLINE,
            failure.as_json(**answer.model_dump(mode="json")),
            announced=bool(self._told),
        )
        sys.exit(error.exit_code)


@contextmanager
def _why_not(screen: Screen) -> Iterator[Tell]:
    """Yield a listener for the reasons why there is no schedule; end the command with the whole answer."""
    said = WhyNot(screen)
    try:
        yield said.tell
    except OptimizerError as exc:
        if exc.exit_code != NO_SCHEDULE:
            raise
        said.end(exc)


FILE = click.Path(dir_okay=False, path_type=Path)


_FOLDER = click.Path(file_okay=False, path_type=Path)


class NewFolder(click.ParamType[Path]):
    """A folder of this machine that is to be written."""

    name = "folder"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The folder.

        Raises
        ------
        EstateError
            It is named by URL.
        """
        if "://" in str(value):
            from optimizer.files import require_local

            require_local(str(value))
        return Path(str(_FOLDER.convert(str(value), param, ctx)))


class ExistingFile(click.ParamType[Path]):
    """A file that is to be read."""

    name = "file"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The file.

        Raises
        ------
        DataError
            The file does not exist.
        """
        path = Path(str(FILE.convert(str(value), param, ctx)))
        if not path.exists():
            option = "" if param is None or isinstance(param, click.Argument) else f"{param.opts[0]} "
            raise DataError(f"{option}{path}: no such file; check the path")
        return path


class EstatePlace(click.ParamType["str | Path"]):
    """An estate that is to be read: a folder of this machine, or a URL."""

    name = "folder"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        """The folder, or the URL as it is."""
        return str(value) if "://" in str(value) else Path(str(_FOLDER.convert(str(value), param, ctx)))


NEW_FOLDER = NewFolder()
ESTATE = EstatePlace()
EXISTING_FILE = ExistingFile()


def example(text: str) -> str:
    """An epilog with an example that click does not wrap."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.splitlines())
