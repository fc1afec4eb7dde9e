"""Requests as the handlers see them, and their answers."""

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
    """One request to the emulator.

    Parameters
    ----------
    state
        State of the service that handles the request.
    base
        Scheme and host of the client's URL.
    path
        Decoded path of the request.
    parts
        Named parts that the route found in the path.
    query
        Query parameters by name in lower case.
    body
        Body as parsed JSON; None if there is no body.
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
        """Id of the vault in the path."""
        return self.parts["vault_id"]

    def url(self, path: str, **query: str) -> str:
        """URL of a path for the client."""
        return f"{self.base}{quote(path, safe='/;:()!-_.~')}?{urlencode(query, safe='$')}"

    def paged(self, rows: Sequence[Any], size: int) -> Response:
        """One page of a list; the link to the next page includes the filter."""
        shown, token = page(rows, self.query.get("$skiptoken"), size)
        content: dict[str, Any] = {"value": shown}
        if token is not None:
            names = {"$filter": self.query.get("$filter"), "api-version": self.query.get("api-version")}
            kept = {name: value for name, value in names.items() if value}
            content["nextLink"] = self.url(self.path, **kept, **{"$skipToken": token})
        return Response(200, content)


@dataclass(frozen=True, slots=True)
class Response:
    """Answer to a request.

    Parameters
    ----------
    status
        HTTP status.
    content
        Content to encode as JSON; bytes are sent unchanged, and None means no content.
    headers
        Headers in addition to the usual ones.
    """

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
