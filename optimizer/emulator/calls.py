"""A request as the handlers see it, and their answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from optimizer.emulator.filters import page

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Parameters
    ----------
    state
        What it is put to.
    base
        Scheme and host as the client wrote them.
    path
        Decoded.
    parts
        What the route found in the path, by name.
    query
        By name in lower case.
    body
        JSON; None where there is none.
    gzip
        Whether the answer may be compressed.
    """

    state: CloudState
    base: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    gzip: bool = False

    @property
    def vault_id(self) -> str:
        """Vault in the path."""
        return self.parts["vault_id"]

    def url(self, path: str, **query: str) -> str:
        """Address at which the client reaches a path."""
        return f"{self.base}{quote(path, safe='/;:()!-_.~')}?{urlencode(query, safe='$')}"

    def paged(self, rows: Sequence[Any], size: int) -> Answer:
        """A list, a page at a time; the link to the next one carries the filter along."""
        shown, token = page(rows, self.query.get("$skiptoken"), size)
        content: dict[str, Any] = {"value": shown}
        if token is not None:
            names = {"$filter": self.query.get("$filter"), "api-version": self.query.get("api-version")}
            kept = {name: value for name, value in names.items() if value}
            content["nextLink"] = self.url(self.path, **kept, **{"$skipToken": token})
        return Answer(200, content)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Parameters
    ----------
    status
        HTTP status.
    content
        To be put into JSON; bytes go out as they are; None: nothing.
    headers
        Beside the usual ones.
    """

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
