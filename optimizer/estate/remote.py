"""Where an estate lies: a folder of this machine, or a URL that fsspec reaches (shared or object storage), to be read.

Credentials are the business of the storage's driver, which finds them where it always does (environment, profile,
managed identity); none is ever put into a message, and none is stored in a plan.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from optimizer.errors import EstateError

_URL = re.compile(r"[A-Za-z][\w+.-]+(://|::.*://)")
"""At least two letters before the colon: one is a drive of Windows."""

_PASSWORD = re.compile(r"(?<=//)([^/@:\s]*):[^/@\s]*@")

_PASSWORD_IN_URL = re.compile(r"//[^/@:\s]*:([^/@\s]*)@")

_SECRET = re.compile(
    r"(?i)\b(sig|[\w-]*signature|[\w-]*token|[\w-]*secret[\w-]*|[\w-]*password|[\w-]*key|[\w-]*credential)"
    r"(\s*[=:]\s*|%3D)[^&;,\s'\"]+"
)

_BEARER = re.compile(r"(?i)\b(bearer|basic|sharedkey)\s+[\w.~+/=:-]+")

_SHOWN = 200
"""Characters of what a driver says that are shown: the first line mostly has it all."""


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A folder or file by URL, as much of a :class:`pathlib.Path` as reading an estate needs.

    Parameters
    ----------
    url
        As fsspec knows it: ``s3://bucket/estate``, ``abfs://container@account.dfs.core.windows.net/estate``.
    options
        What the driver is given beyond the URL; never shown.

    Raises
    ------
    EstateError
        The driver of this storage is not installed, there is none, or the URL cannot be used.
    """

    url: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        if "?" in self.url or "#" in self.url:
            raise EstateError(
                f"{str(self).partition('?')[0].partition('#')[0]}: the URL of an estate is that of a folder, without "
                "'?' and '#'; give credentials to the storage's driver by its environment variables"
            )
        self._open()

    def __truediv__(self, name: str) -> RemotePath:
        """What lies in this folder under a name with forward slashes."""
        return RemotePath(f"{self.url.rstrip('/')}/{name}", self.options)

    def __str__(self) -> str:
        """The URL without a password."""
        return hide_password(self.url)

    def read_bytes(self) -> bytes:
        """The whole file.

        Raises
        ------
        OSError
            It cannot be read; ``strerror`` says why, without credentials.
        """
        try:
            system, path = self._open()
            content: bytes = system.cat_file(path)
        except FileNotFoundError as exc:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self)) from exc
        except EstateError:
            raise
        except Exception as exc:  # each driver has errors of its own
            raise OSError(errno.EIO, self._explain(exc), str(self)) from exc
        return content

    def _open(self) -> tuple[Any, str]:
        """The driver, which fsspec keeps, and the path as the driver wants it."""
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # it ships no types

        try:
            found: tuple[Any, str] = url_to_fs(self.url, **self.options)
        except ImportError as exc:
            raise EstateError(f"{self}: {_missing_driver(self.url)}, then repeat the command") from exc
        except ValueError as exc:
            raise EstateError(
                f"{self}: no such storage is known ({self._explain(exc)}); allowed: a folder of this machine, or a "
                "URL of fsspec such as s3://bucket/estate or abfs://container@account.dfs.core.windows.net/estate"
            ) from exc
        except Exception as exc:  # the same
            raise EstateError(
                f"{self}: the storage cannot be used ({self._explain(exc)}); see whether you are signed in to it"
            ) from exc
        return found

    def _explain(self, error: Exception) -> str:
        """What a driver says, in short and without credentials."""
        if isinstance(error, OSError) and error.errno and error.strerror == os.strerror(error.errno):
            return error.strerror
        text = (str(error).splitlines() or [""])[0]
        for secret in (*_PASSWORD_IN_URL.findall(self.url), *_texts(self.options)):
            text = text.replace(secret, "***") if len(secret) > 3 else text
        text = _BEARER.sub(r"\1 ***", _SECRET.sub(r"\1\2***", hide_password(text)))
        return f"{type(error).__name__}: {text}"[:_SHOWN]


Location: TypeAlias = Path | RemotePath


def is_url(place: object) -> bool:
    """Whether a place is named by URL."""
    return isinstance(place, str) and _URL.match(place) is not None


def locate(place: str | Path | RemotePath, options: Mapping[str, Any] | None = None) -> Location:
    """The place that a user names.

    Raises
    ------
    EstateError
        The driver of a storage is not installed, there is none, or the URL cannot be used.
    ValueError
        Options were given for a folder of this machine.
    """
    if isinstance(place, RemotePath):
        return place
    if isinstance(place, str) and is_url(place):
        return RemotePath(place, dict(options or {}))
    if options:
        raise ValueError(f"options are for an estate by URL, not for the folder {place}")
    return Path(place)


def require_local(place: str | Path) -> Path:
    """A folder that is to be written.

    Raises
    ------
    EstateError
        It is named by URL.
    """
    if is_url(place):
        raise EstateError(
            f"{hide_password(str(place))}: estates are written to folders of this machine only; write it to "
            "one and copy the folder to the storage, from where it can be read"
        )
    return Path(place)


def seen_by_workers(place: Location) -> bool:
    """Whether other processes find what lies there: not what is in the memory of this one."""
    return isinstance(place, Path) or "memory://" not in place.url


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    """Every text among the options of a driver, however deep."""
    for value in options.values():
        if isinstance(value, Mapping):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def hide_password(text: str) -> str:
    """A text without the passwords of URLs in it."""
    return _PASSWORD.sub(r"\1@", text)


def _missing_driver(url: str) -> str:
    """Which package reads this kind of storage."""
    from fsspec.registry import known_implementations  # type: ignore[import-untyped]  # as above

    protocols = [link.partition("://")[0] for link in url.split("::")]
    for protocol in protocols:
        known = known_implementations.get(protocol, {})
        module = str(known.get("class", "")).partition(".")[0]
        if module and module != "fsspec":
            return f"{protocol}:// is read by another package, which is not installed: pip install {module}"
    known = known_implementations.get(protocols[0], {})
    return f"{protocols[0]}:// needs a package that is not installed ({known.get('err', 'see the pages of fsspec')})"
