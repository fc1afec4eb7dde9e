"""Changes to an estate or its rules that a scenario consists of."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.rules import Rule
from optimizer.model.selectors import Selector


@dataclass(frozen=True, slots=True)
class SetKey:
    """Another value for a key of the rules, such as ``prices.snapshot_overlap``."""

    key: str
    value: object

    def __str__(self) -> str:
        """The change as it is written."""
        value = str(self.value).lower() if isinstance(self.value, bool) else str(self.value)
        return f"{self.key}={value}"


@dataclass(frozen=True, slots=True)
class AddVms:
    """A number of new VMs, copied in turn from the selected ones, with the same service, policy and history."""

    where: Selector
    count: int

    def __str__(self) -> str:
        """The change as it is written."""
        return f"add-vms={','.join([*_criteria(self.where), f'count={self.count}'])}"


@dataclass(frozen=True, slots=True)
class LoseVault:
    """Loss of a vault; another vault then protects its VMs, either a named one or the one with the most room."""

    vault: str
    to: str | None = None

    def __str__(self) -> str:
        """The change as it is written."""
        return f"lose-vault={self.vault}" + (f",to={self.to}" if self.to else "")


@dataclass(frozen=True, slots=True)
class AddRules:
    """Additional rules.

    Parameters
    ----------
    rules
        The rules.
    written
        Text of the change as it was given.
    dated
        Whether the rules only apply on dates, which must then be within the 30 days of the plan.
    """

    rules: tuple[Rule, ...]
    written: str = ""
    dated: bool = False

    def __str__(self) -> str:
        """The change as it is written."""
        return self.written or "add-rule=" + ", ".join(rule.name for rule in self.rules)


@dataclass(frozen=True, slots=True)
class DropRule:
    """Removal of one rule."""

    name: str

    def __str__(self) -> str:
        """The change as it is written."""
        return f"drop-rule={self.name}"


Change = SetKey | AddVms | LoseVault | AddRules | DropRule


def _criteria(where: Selector) -> list[str]:
    """Criteria as they are written on the command line."""
    criteria = [f"tag.{name}={value}" for name, value in where.tag.items()]
    for key, value in where.model_dump(exclude={"tag"}).items():
        criteria += [f"{key}={choice}" for choice in (value if isinstance(value, tuple) else (value,))]
    return criteria
