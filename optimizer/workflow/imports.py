"""Use cases: make an estate from files, without access to a cloud."""

from optimizer.intake import import_estate, import_resources

__all__ = ["import_estate", "import_resources"]
