"""Scenarios: changes that apply together, given one by one or read from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from optimizer.errors import ConfigError
from optimizer.model.raw import parse_toml
from optimizer.model.strict import StrictModel
from optimizer.whatif.changes import Change
from optimizer.whatif.parse_change import parse_change

_EXAMPLE = '[[scenario]] with name = "higher overlap price" and what_if = ["prices.snapshot_overlap=0.05"]'
"""How a scenario is written, for messages."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Changes that apply together and are made in their order; without changes, nothing changes."""

    name: str
    changes: tuple[Change, ...] = ()

    @classmethod
    def parse(cls, *texts: str, name: str = "", folder: Path | None = None) -> Scenario:
        """Build a scenario from changes written as ``KIND=VALUE``.

        Parameters
        ----------
        texts
            The changes.
        name
            Name for reports. By default, the changes as they are written.
        folder
            Folder to which paths of rules files are relative. By default, the working directory.

        Raises
        ------
        ConfigError
            See :func:`parse_change`.
        """
        changes = tuple(parse_change(text, folder) for text in texts)
        return cls(name or "; ".join(map(str, changes)) or "nothing changes", changes)


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Read the scenarios of a TOML file: ``[[scenario]]`` with ``name`` and ``what_if``, a list of changes.

    Paths of rules files in it are relative to its folder.

    Raises
    ------
    ConfigError
        The file cannot be read or used.
    """
    content = _read_toml(path)
    listed = content.get("scenario")
    if set(content) != {"scenario"} or not listed or not isinstance(listed, list):
        raise ConfigError(f"{path}: allowed: one [[scenario]] or more, and nothing else; write each as {_EXAMPLE}")
    return tuple(_read_scenario(path, number, entry) for number, entry in enumerate(listed, start=1))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "is not UTF-8"
        raise ConfigError(f"{path}: cannot be read ({reason}); give a file of scenarios that you may read") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: is not TOML: {exc}; correct that line") from exc


class _Entry(StrictModel):
    """A ``[[scenario]]`` of a file."""

    name: Annotated[str, Field(min_length=1)]
    what_if: tuple[str, ...]


def _read_scenario(path: Path, number: int, content: object) -> Scenario:
    try:
        entry = _Entry.model_validate(content)
    except ValidationError as exc:
        message = f"{path}: scenario {number} cannot be used: {content!r:.80}; write it as {_EXAMPLE}"
        raise ConfigError(message) from exc
    try:
        return Scenario.parse(*entry.what_if, name=entry.name, folder=path.parent)
    except ConfigError as exc:
        raise ConfigError(f"{path}: scenario {entry.name!r}: {exc}") from exc
