"""Finds vaults and VMs through Resource Graph; its answers may be a few minutes old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optimizer.azure.errors import translated
from optimizer.azure.limiter import Pacer
from optimizer.azure.traffic import RETRIES
from optimizer.errors import UncertainError
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, objects, properties_of, sequence, text
from optimizer.ports import Resource

if TYPE_CHECKING:
    from azure.mgmt.resourcegraph import ResourceGraphClient

ROWS_PER_PAGE = 1000
"""Maximum page size of Resource Graph (docs/azure.md, "What `pull` reads")."""

QUERIES, SECONDS = 15, 5.0
"""Number of queries that one user may send in this many seconds (docs/azure.md, "What `pull` reads")."""

SUBSCRIPTIONS_PER_QUERY = 200
"""Maximum number of subscriptions in one query; more are split over several queries."""

VAULTS = """resources
| where type =~ 'microsoft.recoveryservices/vaults'
| project id, name, type, location, tags, sku, properties
| order by id asc"""

VMS = """resources
| where type =~ 'microsoft.compute/virtualmachines'
| project id, name, type, location, tags, zones, properties
| order by id asc"""

_NOT_KEPT = ("osProfile", "networkProfile", "diagnosticsProfile")
"""Properties of VMs that are irrelevant to backups and contain accounts, keys and networks."""


class GraphDirectory:
    """A :class:`optimizer.intake.pull.pull_source.Directory` that queries Resource Graph.

    Parameters
    ----------
    client
        Client for Resource Graph.
    """

    def __init__(self, client: ResourceGraphClient) -> None:
        self._client = client
        self._pacer = Pacer(QUERIES, SECONDS)

    def find_vaults(self, subscriptions: Sequence[str], management_groups: Sequence[str]) -> list[Resource]:
        """Recovery Services vaults that the user may read.

        Raises
        ------
        CloudError
            Resource Graph cannot answer.
        """
        rows = [row for part in _parts(subscriptions) for row in self._rows("find vaults", VAULTS, subscriptions=part)]
        for group in management_groups:
            what = f"find the vaults of management group {group!r}"
            rows += self._rows(what, VAULTS, management_groups=[group])
        return _once(rows)

    def find_vms(self, subscriptions: Sequence[str]) -> list[Resource]:
        """VMs that the user may read, without the properties that contain accounts and networks.

        Raises
        ------
        CloudError
            Resource Graph cannot answer.
        """
        rows = [row for part in _parts(subscriptions) for row in self._rows("find VMs", VMS, subscriptions=part)]
        return _once([without_secrets(row) for row in rows])

    def _rows(self, what: str, query: str, **scope: Any) -> Iterator[Resource]:
        from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

        token: str | None = None
        while True:
            self._pacer.wait()
            options = QueryRequestOptions(top=ROWS_PER_PAGE, skip_token=token, result_format="objectArray")
            with translated(what):
                answer = self._client.resources(QueryRequest(query=query, options=options, **scope), **RETRIES)
            data: object = answer.data  # really of type Any: the client has no type for rows
            for row in _records(data):
                yield {key: value for key, value in row.items() if value is not None}
            token = answer.skip_token
            if token is None:
                break
        if Caseless(str(answer.result_truncated)).key.endswith("true"):
            raise UncertainError(f"cannot {what}: Resource Graph cut its answer short; try again")


def without_secrets(vm: Resource) -> Resource:
    """The VM without the properties that contain accounts, keys and networks."""
    kept = {key: value for key, value in properties_of(vm).items() if key not in _NOT_KEPT}
    return {**vm, "properties": kept}


def _parts(subscriptions: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(subscriptions), SUBSCRIPTIONS_PER_QUERY):
        yield list(subscriptions[first : first + SUBSCRIPTIONS_PER_QUERY])


def _once(rows: Sequence[Resource]) -> list[Resource]:
    """Rows with unique ids: the scope may name a vault twice, and pages may overlap while resources change."""
    return list({id_of(row): row for row in rows if id_of(row)}.values())


def _records(data: object) -> list[Mapping[str, Any]]:
    """Rows of an answer in either format: a list of objects, or a table of columns and rows."""
    if not isinstance(data, Mapping):
        return objects(data)
    columns = [text(column.get("name")) for column in objects(data.get("columns"))]
    return [dict(zip(columns, sequence(row), strict=False)) for row in sequence(data.get("rows"))]
