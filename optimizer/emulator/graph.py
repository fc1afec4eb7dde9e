"""Resource Graph with a few tables and types; of the query language, only filters are supported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optimizer.emulator.calls import Call, Response
from optimizer.emulator.filters import page
from optimizer.emulator.ids import key, lies_in, segment
from optimizer.emulator.machines import groups_of, power_state
from optimizer.emulator.refusal import Refusal
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, properties_of

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.ports import Resource

_TYPE = re.compile(r"\btype\s*(?:=~|==)\s*['\"]([^'\"]+)['\"]", re.IGNORECASE)
_TYPES = re.compile(r"\btype\s+in~?\s*\(([^)]*)\)", re.IGNORECASE)
_AMONG = re.compile(r"\|\s*where\s+(?:tolower\()?([\w.]+)\)?\s+in~?\s*\(([^)]*)\)", re.IGNORECASE)
_TEXT = re.compile(r"['\"]([^'\"]*)['\"]")
_NULLS = ("tags", "zones", "sku", "identity", "plan", "kind", "managedBy")
"""Columns that every row has, with null as the default."""

_OBJECTS = ("properties", "tags", "sku", "identity", "plan", "zones")
"""Columns whose values are objects or lists; all others are text."""


def post_query(call: Call) -> Response:
    """Rows of a query's answer, one page at a time.

    Raises
    ------
    Refusal
        400: the emulator does not support this kind of query.
    """
    body = call.body if isinstance(call.body, dict) else {}
    query = str(body.get("query") or "")
    options = body.get("options") or {}
    rows = sorted(_wanted(call.state, query, _scope(call.state, body)), key=id_of)
    size = min(int(options.get("$top") or 100), call.state.settings.graph_page_size)
    shown, token = page(rows, options.get("$skipToken"), size)
    content = {
        "totalRecords": len(rows),
        "count": len(shown),
        "data": _table(shown) if options.get("resultFormat") == "table" else shown,
        "facets": [],
        "resultTruncated": "false",
    }
    if token is not None:
        content["$skipToken"] = token
    quota = {"x-ms-user-quota-remaining": "14", "x-ms-user-quota-resets-after": "00:00:05"}
    return Response(200, content, quota)


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as columns and lists of values, the format that some versions of the service use by default."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [{"name": name, "type": "object" if name in _OBJECTS else "string"} for name in names]
    return {"columns": columns, "rows": [[row.get(name) for name in names] for row in rows]}


def _scope(state: CloudState, body: Mapping[str, Any]) -> frozenset[Caseless] | None:
    """Subscriptions of the request; None means all."""
    named = _caseless(body.get("subscriptions"))
    groups = _caseless(body.get("managementGroups")) if state.settings.management_groups else frozenset()
    if not groups:
        return named or None
    return named.union(*(_members(state, group) for group in groups))


def _members(state: CloudState, group: Caseless) -> frozenset[Caseless]:
    """Subscriptions of a management group.

    Raises
    ------
    Refusal
        403: the group does not exist.
    """
    known = {Caseless(name): members for name, members in state.settings.management_groups.items()}
    if group not in known:
        raise Refusal(403, "AccessDenied", f"No access to management group '{group}', or it does not exist.")
    return _caseless(known[group])


def _caseless(names: Iterable[object] | None) -> frozenset[Caseless]:
    return frozenset(Caseless(str(name)) for name in names or ())


def _wanted(state: CloudState, query: str, scope: frozenset[Caseless] | None) -> Iterator[dict[str, Any]]:
    filters = _filters(query)
    for row in _rows(state, Caseless(query.partition("|")[0].strip()), _types(query)):
        inside = scope is None or Caseless(str(row["subscriptionId"])) in scope
        if inside and _may_be_read(state, row) and _passes(row, filters):
            yield row


def _types(query: str) -> frozenset[Caseless]:
    """Types of resources that a query names."""
    listed = (text for part in _TYPES.findall(query) for text in _TEXT.findall(part))
    return _caseless(_TYPE.findall(query)) | _caseless(listed)


def _filters(query: str) -> list[tuple[str, frozenset[Caseless]]]:
    """Columns that a query filters, each with the values that it allows; types are read elsewhere."""
    lists = _AMONG.findall(query)
    return [(name, _caseless(_TEXT.findall(part))) for name, part in lists if Caseless(name) != "type"]


def _passes(row: Mapping[str, Any], filters: Iterable[tuple[str, frozenset[Caseless]]]) -> bool:
    return all(Caseless(str(_column(row, name))) in texts for name, texts in filters)


def _may_be_read(state: CloudState, row: Mapping[str, Any]) -> bool:
    """Whether the account may read a resource; Resource Graph omits other resources without an error."""
    for denied in state.settings.denied_actions:
        action, _, scope = denied.partition(" ")
        if scope and Caseless(action) == f"{row['type']}/read" and lies_in(str(row["id"]), scope):
            return False
    return True


def _rows(state: CloudState, table: Caseless, types: frozenset[Caseless]) -> Iterator[dict[str, Any]]:
    if not types:
        raise Refusal(400, "BadRequest", "The emulator only supports queries that contain: where type =~ '...'.")
    view = state.view()
    if table == "resources":
        sources: Mapping[str, Iterable[Resource]] = {
            "microsoft.recoveryservices/vaults": view.vaults.values(),
            "microsoft.compute/virtualmachines": (_with_power(state, vm) for vm in view.vms.values()),
            "microsoft.compute/availabilitysets": _groups(view.vms.values(), "availabilitySet"),
            "microsoft.compute/virtualmachinescalesets": _groups(view.vms.values(), "virtualMachineScaleSet"),
        }
    elif table == "recoveryservicesresources":
        prefix = "microsoft.recoveryservices/vaults/"
        sources = {
            prefix + "backupfabrics/protectioncontainers/protecteditems": view.items.values(),
            prefix + "backuppolicies": view.policies.values(),
            prefix + "backupjobs": state.jobs if prefix + "backupjobs" in types else (),
        }
    else:
        message = f"The emulator has no table '{table}'; it has resources and recoveryservicesresources."
        raise Refusal(400, "InvalidQuery", message)
    for kind in sorted({kind.key for kind in types} & sources.keys()):
        for resource in sources[kind]:
            yield _row(resource, kind)


def _row(resource: Resource, kind: str) -> dict[str, Any]:
    arm_id = id_of(resource)
    columns = {
        "name": resource.get("name") or arm_id.name,
        "type": kind,
        "location": resource.get("location") or "",
        "resourceGroup": key(segment(arm_id, "resourceGroups")),
        "subscriptionId": segment(arm_id, "subscriptions"),
    }
    return {**dict.fromkeys(_NULLS), **resource, **columns}


def _with_power(state: CloudState, vm: Resource) -> Resource:
    properties = properties_of(vm)
    if "extended" in properties and key(vm["id"]) not in state.settings.stopped_vms:
        return vm
    power = {"instanceView": {"powerState": {"code": power_state(state, id_of(vm))}}}
    return {**vm, "properties": {**properties, "extended": power}}


def _groups(vms: Iterable[Resource], field: str) -> Iterator[Resource]:
    for group_id, members in groups_of(vms, field).items():
        yield {
            "id": group_id,
            "location": members[0].get("location"),
            "properties": {"virtualMachines": [{"id": vm["id"]} for vm in members]},
        }


def _column(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
