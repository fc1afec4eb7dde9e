"""ARM resources of an estate are one value, from intake to estate and back."""

from __future__ import annotations

from datetime import UTC, datetime

from optimizer.arm.resources import ArmResources
from optimizer.estate.document import EstateDocument
from optimizer.model.arm_id import ArmId

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE = ArmResources(
    NOW, "azure", vaults=({"id": "v"},), policies=({"id": "p"},), protected_items=({"id": "i"},), vms=({"id": "m"},),
    vault_settings=({"id": "s"},), missing_vms={ArmId("x"): "gone"}, services={ArmId("m"): "shop"},
)  # fmt: skip


def test_the_fields_make_the_value_again() -> None:
    """The fields by name are all that the value has."""
    assert ArmResources(**WHOLE.as_fields()) == WHOLE
    assert ArmResources.of(WHOLE) == WHOLE


def test_an_estate_document_holds_them_all() -> None:
    """A document made of the fields gives them back unchanged, and with them its inventory."""
    document = EstateDocument(created_at=NOW, **WHOLE.as_fields())
    assert document.resources() == WHOLE
    assert document.inventory(()).as_of == NOW


def test_nothing_is_the_default() -> None:
    """An estate may be empty."""
    empty = ArmResources(NOW, "demo")
    assert {key for key, value in empty.as_fields().items() if value} == {"as_of", "source"}
