"""Location of an estate for reading: a folder on this machine, or a URL (shared or object storage) for fsspec.

Credentials are left to the storage's driver, which finds them in its usual places (environment, profile, managed
identity). Messages never show them, and plans never store them.
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
"""Pattern of a URL; the scheme has at least two letters, because one letter is a Windows drive."""

_PASSWORD = re.compile(r"(?<=//)([^/@:\s]*):[^/@\s]*@")

_PASSWORD_IN_URL = re.compile(r"//[^/@:\s]*:([^/@\s]*)@")

_SECRET = re.compile(
    r"(?i)\b(sig|[\w-]*signature|[\w-]*token|[\w-]*secret[\w-]*|[\w-]*password|[\w-]*key|[\w-]*credential)"
    r"(\s*[=:]\s*|%3D)[^&;,\s'\"]+"
)

_BEARER = re.compile(r"(?i)\b(bearer|basic|sharedkey)\s+[\w.~+/=:-]+")

_SHOWN = 200
"""Maximum number of characters of a driver's message that are shown; the first line is usually enough."""


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A folder or file by URL, with the part of :class:`pathlib.Path` that reading an estate needs.

    Parameters
    ----------
    url
        URL in fsspec's form: ``s3://bucket/estate``, ``abfs://container@account.dfs.core.windows.net/estate``.
    options
        Options for the driver besides the URL; they are never shown.

    Raises
    ------
    EstateError
        The driver for this storage is not installed or does not exist, or the URL cannot be used.
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
        """Path of an entry in this folder; ``name`` has forward slashes."""
        return RemotePath(f"{self.url.rstrip('/')}/{name}", self.options)

    def __str__(self) -> str:
        """The URL, without its password."""
        return hide_password(self.url)

    def read_bytes(self) -> bytes:
        """Content of the whole file.

        Raises
        ------
        OSError
            The file cannot be read; ``strerror`` states why, without credentials.
        """
        try:
            system, path = self._open()
            content: bytes = system.cat_file(path)
        except FileNotFoundError as exc:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self)) from exc
        except EstateError:
            raise
        except Exception as exc:  # each driver has its own errors
            raise OSError(errno.EIO, self._explain(exc), str(self)) from exc
        return content

    def _open(self) -> tuple[Any, str]:
        """The driver, which fsspec caches, and the path in the driver's form."""
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
        except Exception as exc:  # each driver has its own errors
            raise EstateError(
                f"{self}: the storage cannot be used ({self._explain(exc)}); see whether you are signed in to it"
            ) from exc
        return found

    def _explain(self, error: Exception) -> str:
        """Short text of a driver's error, without credentials."""
        if isinstance(error, OSError) and error.errno and error.strerror == os.strerror(error.errno):
            return error.strerror
        text = next(iter(str(error).splitlines()), "")
        return f"{type(error).__name__}: {self._without_secrets(text)}"[:_SHOWN]

    def _without_secrets(self, text: str) -> str:
        secrets = (*_PASSWORD_IN_URL.findall(self.url), *_texts(self.options))
        for secret in secrets:
            if len(secret) > 3:  # a shorter text is no secret, and would also be part of other words
                text = text.replace(secret, "***")
        return _BEARER.sub(r"\1 ***", _SECRET.sub(r"\1\2***", hide_password(text)))


Location: TypeAlias = Path | RemotePath


def is_url(place: object) -> bool:
    """Whether a place is given by URL."""
    return isinstance(place, str) and _URL.match(place) is not None


def locate(place: str | Path | RemotePath, options: Mapping[str, Any] | None = None) -> Location:
    """Location for a place that a user gives.

    Raises
    ------
    EstateError
        The driver for a storage is not installed or does not exist, or the URL cannot be used.
    ValueError
        Options were given for a folder on this machine.
    """
    if isinstance(place, RemotePath):
        return place
    if isinstance(place, str) and is_url(place):
        return RemotePath(place, dict(options or {}))
    if options:
        raise ValueError(f"options are for an estate by URL, not for the folder {place}")
    return Path(place)


def require_local(place: str | Path) -> Path:
    """Path of a folder that is to be written.

    Raises
    ------
    EstateError
        The folder is given by URL.
    """
    if is_url(place):
        raise EstateError(
            f"{hide_password(str(place))}: estates are written to folders of this machine only; write it to "
            "one and copy the folder to the storage, from where it can be read"
        )
    return Path(place)


def seen_by_workers(place: Location) -> bool:
    """Whether other processes can read the place, which they cannot if it is in the memory of this one."""
    return isinstance(place, Path) or "memory://" not in place.url


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    """All text values in the options of a driver, at any depth."""
    for value in options.values():
        if isinstance(value, Mapping):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def hide_password(text: str) -> str:
    """Hide the passwords of URLs in a text."""
    return _PASSWORD.sub(r"\1@", text)


def _missing_driver(url: str) -> str:
    """Message that names the package for this kind of storage."""
    from fsspec.registry import known_implementations  # type: ignore[import-untyped]  # as above

    protocols = [link.partition("://")[0] for link in url.split("::")]
    for protocol in protocols:
        known = known_implementations.get(protocol, {})
        module = str(known.get("class", "")).partition(".")[0]
        if module and module != "fsspec":
            return f"{protocol}:// is read by another package, which is not installed: pip install {module}"
    known = known_implementations.get(protocols[0], {})
    return f"{protocols[0]}:// needs a package that is not installed ({known.get('err', 'see the pages of fsspec')})"
