"""Reads JSON files as users save them: from the Azure CLI, a PowerShell redirect, or an editor."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import NoReturn

from optimizer.errors import DataError
from optimizer.model.raw import DEEPEST, TOO_LONG, too_deep

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte-order marks: Windows PowerShell writes UTF-16 for ``>``, and UTF-8 with a mark for ``-Encoding utf8``."""


def read_json(path: Path) -> object:
    """Parse a JSON file in UTF-8 or UTF-16, with or without a byte-order mark.

    Raises
    ------
    DataError
        The file cannot be read, or is not JSON.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}; give the path of a readable JSON file") from exc
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError as exc:
        raise DataError(
            f"{path} is not UTF-8 or UTF-16 text (byte {exc.start}); save the output of the Azure CLI as it is"
        ) from exc
    if not text.strip():
        raise DataError(f"{path} is empty; the command that should have filled it may have failed: run it again")
    return _parse(path, text)


def _parse(path: Path, text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError as exc:
        raise DataError(f"{path} is nested too deeply to be a list of resources") from exc
    except json.JSONDecodeError as exc:
        raise DataError(f"{path} is not valid JSON ({exc}); {_advice_on(text, exc)}") from exc
    except ValueError as exc:
        reason = TOO_LONG if "int_max_str_digits" in str(exc) else exc
        raise DataError(f"{path} is not valid JSON ({reason}); export it again") from exc


def _advice_on(text: str, error: json.JSONDecodeError) -> str:
    """Advice on a file that is not JSON, based on what it looks like."""
    is_json = text.lstrip().startswith(("{", "["))
    advice = (
        (
            text.lstrip().startswith("<"),
            "it is HTML or XML, perhaps a page that asks to sign in: sign in, and export it again",
        ),
        (
            not is_json and _looks_like_csv(text),
            "it looks like CSV: give a list of VMs with --vms, and load with --load",
        ),
        (
            error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()),
            "it is cut off, perhaps because the command that wrote it was stopped: export it again",
        ),
        (
            is_json and error.msg == "Extra data",
            "it holds several JSON values: put them into one list, or each into a file of its own",
        ),
        (True, "use --output json with the Azure CLI, and redirect only stdout"),
    )
    return next(sentence for applies, sentence in advice if applies)


def _looks_like_csv(text: str) -> bool:
    line = text.strip().partition("\n")[0]
    return "," in line or ";" in line


def is_utf16(content: bytes) -> bool:
    """Whether bytes begin with the byte-order mark of UTF-16."""
    return content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    # JSON begins with an ASCII character, so an adjacent zero byte can only be half of a UTF-16 unit.
    if content[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if content[:1] == b"\0" else "utf-8"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build a JSON object, and refuse repeated keys: Python would silently keep only the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        double = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"the key {double!r} stands twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def fault_of(value: object) -> str:
    """Why a JSON value cannot be kept in an estate; empty if it can."""
    if too_deep(value):
        return f"it is nested more than {DEEPEST} levels deep"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "its text holds half of a surrogate pair, which is not a character"
    return ""
