"""Reads resources from an exported ARM template, whose names and ids are expressions with parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.intake.arm_ids import join_id
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.ports import Resource

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([(),.\[\]]))")
_PART_IS_OF_USE = frozenset(
    {Caseless("Microsoft.RecoveryServices/vaults"), Caseless("Microsoft.Compute/virtualMachines")}
)
"""Types of resources that are useful even if some of their properties cannot be evaluated."""

_MOST_EXPRESSIONS = 32
"""Maximum depth of parameters and variables that refer to each other, and of nested calls; more is a loop."""


class TemplateError(ValueError):
    """A template expression that cannot be evaluated."""


@dataclass(frozen=True)
class Template:
    """An exported template and its origin.

    Parameters
    ----------
    content
        The template as JSON.
    group_id
        ARM id of the resource group; empty if unknown.
    vault_ids
        Ids of vaults that other files list, by name; None for a name that two vaults have.
    """

    content: Mapping[str, Any]
    group_id: str = ""
    vault_ids: Mapping[Caseless, str | None] | None = None

    def resources(self) -> Iterator[tuple[str, Resource | str]]:
        """Place and resource of each entry; if a resource cannot be read, the reason replaces it."""
        yield from self._nested(self.content.get("resources"), "", "", "resource")

    def _nested(
        self, listed: object, outer_type: str, outer_name: str, place: str
    ) -> Iterator[tuple[str, Resource | str]]:
        entries = list(listed.values()) if isinstance(listed, dict) else listed
        for number, entry in enumerate(entries if isinstance(entries, list) else [], start=1):
            where = f"{place} {number}"
            if isinstance(entry, dict):
                yield from self._entry(entry, outer_type, outer_name, where)
            else:
                yield where, "it is not an object"

    def _entry(
        self, entry: Mapping[str, Any], outer_type: str, outer_name: str, where: str
    ) -> Iterator[tuple[str, Resource | str]]:
        """A resource and the resources inside it; nothing inside a resource that cannot be read."""
        kind = f"{outer_type}/{entry.get('type')}".lstrip("/")
        try:
            name = f"{outer_name}/{self.evaluate(entry.get('name'))}".lstrip("/")
            yield where, self._resource(entry, kind, name)
        except TemplateError as exc:
            yield f"{where} ({kind} {entry.get('name')!r})", str(exc)
            return
        yield from self._nested(entry.get("resources"), kind, name, f"{where}, resource")

    def _resource(self, entry: Mapping[str, Any], kind: str, name: str) -> Resource:
        names = name.split("/")
        if kind.count("/") != len(names):
            raise TemplateError(f"its name {name!r} does not fit its type {kind}")
        # Policies and items may be written back later and must be complete; vaults and VMs are useful in part.
        read = self._part_of if Caseless(kind) in _PART_IS_OF_USE else self.evaluate
        inner = {key: read(entry[key]) for key in ("location", "tags", "sku", "zones", "properties") if key in entry}
        return {"id": self._id(kind, names), "name": names[-1], "type": kind, **inner}

    def _id(self, kind: str, names: list[str], group_id: str = "") -> str:
        """ARM id of a resource.

        If other files list the vault, the ids of the vault and its contents come from there.
        """
        group_id = group_id or self.group_id or self._group_of_vault(kind, names[0])
        if not group_id:
            raise TemplateError(
                "a template does not say its subscription and resource group; give --resource-group, or the list of "
                "vaults as well"
            )
        return join_id(group_id, kind, names)

    def _group_of_vault(self, kind: str, vault: str) -> str:
        """ARM id of the resource group of a vault that other files list, for the vault itself and its contents."""
        if not Caseless(kind).key.startswith("microsoft.recoveryservices/vaults"):
            return ""
        vault_id = (self.vault_ids or {}).get(Caseless(vault)) or ""
        return vault_id.partition("/providers/")[0]

    def evaluate(self, value: object, depth: int = 0) -> Any:
        """A value of the template in which every expression is replaced by its result.

        Raises
        ------
        TemplateError
            An expression uses something that the template does not contain, or an unsupported function.
        """
        if depth > _MOST_EXPRESSIONS:
            raise TemplateError("its expressions refer to each other without end")
        if isinstance(value, dict):
            return {key: self.evaluate(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.evaluate(inner, depth + 1) for inner in value]
        return self._evaluate_text(value, depth) if isinstance(value, str) else value

    def _evaluate_text(self, text: str, depth: int) -> Any:
        """Value of the expression in brackets, or the text itself; ``[[`` is an escaped bracket."""
        if not (text.startswith("[") and text.endswith("]")):
            return text
        return text[1:] if text.startswith("[[") else _Expression(self, text, depth).result()

    def _part_of(self, value: object) -> Any:
        """The part of a value that can be evaluated, without members that cannot."""
        if not isinstance(value, dict):
            try:
                return self.evaluate(value)
            except TemplateError:
                return None
        found = {key: self._part_of(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner is not None}

    def call(self, name: str, arguments: list[Any], depth: int) -> Any:
        """Result of a template function.

        Raises
        ------
        TemplateError
            The function is not supported, or does not accept these arguments.
        """
        functions: dict[Caseless, tuple[Callable[..., Any], range]] = {
            Caseless("parameters"): (lambda name: self._named("parameters", str(name), depth), range(1, 2)),
            Caseless("variables"): (lambda name: self._named("variables", str(name), depth), range(1, 2)),
            Caseless("resourceId"): (lambda *parts: self._resource_id([str(part) for part in parts]), range(2, 100)),
            Caseless("concat"): (lambda *parts: "".join(map(str, parts)), range(1, 100)),
            Caseless("format"): (_format, range(1, 100)),
            Caseless("toLower"): (lambda text: str(text).lower(), range(1, 2)),
            Caseless("toUpper"): (lambda text: str(text).upper(), range(1, 2)),
        }
        if self.group_id:
            group = {"id": self.group_id, "name": ArmId(self.group_id).name}
            functions[Caseless("resourceGroup")] = (lambda: group, range(1))
            functions[Caseless("subscription")] = (lambda: {"subscriptionId": self.group_id.split("/")[2]}, range(1))
        function, counts = functions.get(Caseless(name), (None, range(0)))
        if function is None or len(arguments) not in counts:
            raise TemplateError(
                f"the expression uses {name}() with {len(arguments)} arguments, which only Azure can evaluate"
            )
        return function(*arguments)

    def _named(self, function: str, name: str, depth: int) -> Any:
        listed = self.content.get(function)
        found = {Caseless(str(key)): inner for key, inner in (listed if isinstance(listed, dict) else {}).items()}
        stated = found.get(Caseless(name))
        if function == "parameters":
            stated = stated.get("defaultValue") if isinstance(stated, dict) else None
        if stated is None:
            raise TemplateError(f"{function[:-1]} {name!r} has no value in the template")
        return self.evaluate(stated, depth + 1)

    def _resource_id(self, arguments: list[str]) -> str:
        """``resourceId([subscription], [group], type, name, ...)``: the type is the first argument with a slash."""
        at = next((place for place, argument in enumerate(arguments) if "/" in argument), -1)
        names = "/".join(arguments[at + 1 :]).split("/")
        if not 0 <= at <= 2 or not names[0] or arguments[at].count("/") != len(names):
            raise TemplateError(f"resourceId({', '.join(arguments)}) does not name a resource")
        return self._id(arguments[at], names, self._group_of(arguments[:at]))

    def _group_of(self, leading: list[str]) -> str:
        """ARM id of the resource group that the arguments before the type state; empty if they state none."""
        match leading:
            case [subscription, group]:
                return f"/subscriptions/{subscription}/resourceGroups/{group}"
            case [group] if self.group_id:
                return f"{self.group_id.rpartition('/')[0]}/{group}"
        return ""


def _format(pattern: object, *arguments: object) -> str:
    def value(match: re.Match[str]) -> str:
        number = int(match[1])
        if number >= len(arguments):
            raise TemplateError(f"format() lacks argument {{{number}}}")
        return str(arguments[number])

    return re.sub(r"\{(\d{1,4})\}", value, str(pattern))


class _Expression:
    """One bracketed expression, parsed from left to right.

    Parameters
    ----------
    template
        Template that provides parameters and functions.
    text
        The expression with its brackets.
    depth
        Number of nested references that lead to this expression.
    """

    def __init__(self, template: Template, text: str, depth: int) -> None:
        self._template, self._text, self._depth = template, text, depth
        self._tokens = self._split(text[1:-1])
        self._place = 0

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._fault()
            position = match.end()
            kind = ("text", "number", "name", "sign")[(match.lastindex or 1) - 1]
            tokens.append((kind, match[match.lastindex or 1]))
        return tokens

    def _fault(self) -> TemplateError:
        return TemplateError(f"the expression {self._text!r} cannot be read")

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise self._fault()
        self._place += 1
        return self._tokens[self._place - 1]

    def _skip(self, sign: str) -> bool:
        found = self._place < len(self._tokens) and self._tokens[self._place] == ("sign", sign)
        self._place += found
        return found

    def result(self) -> Any:
        """Value of the whole expression."""
        value = self._value(0)
        if self._place != len(self._tokens):
            raise self._fault()
        return value

    def _value(self, nesting: int) -> Any:
        kind, text = self._next()
        if kind == "text":
            return text.replace("''", "'")
        if kind == "number":
            return int(text)
        if kind != "name" or nesting > _MOST_EXPRESSIONS or not self._skip("("):
            raise self._fault()
        return self._members_of(self._template.call(text, self._arguments(nesting), self._depth))

    def _arguments(self, nesting: int) -> list[Any]:
        """Arguments of a call, up to its closing parenthesis."""
        arguments: list[Any] = []
        while not self._skip(")"):
            if arguments and not self._skip(","):
                raise self._fault()
            arguments.append(self._value(nesting + 1))
        return arguments

    def _members_of(self, value: Any) -> Any:
        """Member of a result that the expression asks for, such as ``.id``; the result itself if it asks for none."""
        while self._skip("."):
            member = self._next()[1]
            if not isinstance(value, dict) or member not in value:
                raise TemplateError(f"the expression {self._text!r} asks for {member!r}, which is not known here")
            value = value[member]
        return value
