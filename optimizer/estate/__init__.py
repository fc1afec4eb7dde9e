"""Estate folder: everything that was pulled, imported or generated, so that all later steps work offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader  # type: ignore[import-untyped]  # it ships no types

if TYPE_CHECKING:
    from optimizer.estate.arm import build_inventory as build_inventory
    from optimizer.estate.arm_policy import twin_key as twin_key
    from optimizer.estate.arm_policy import with_start as with_start
    from optimizer.estate.csv_import import import_estate as import_estate
    from optimizer.estate.csv_import import import_resources as import_resources
    from optimizer.estate.demo import generate_demo as generate_demo
    from optimizer.estate.document import EstateDocument as EstateDocument
    from optimizer.estate.folder import Estate as Estate
    from optimizer.estate.folder import open_estate as open_estate
    from optimizer.estate.import_report import ImportReport as ImportReport
    from optimizer.estate.load_store import LoadStore as LoadStore
    from optimizer.estate.load_store import VmLoad as VmLoad
    from optimizer.estate.writer import EstateWriter as EstateWriter

# Each name is imported on first use, because polars alone takes as long to import as everything else together.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "arm": ["build_inventory"],
        "arm_policy": ["twin_key", "with_start"],
        "csv_import": ["import_estate", "import_resources"],
        "demo": ["generate_demo"],
        "document": ["EstateDocument"],
        "folder": ["Estate", "open_estate"],
        "import_report": ["ImportReport"],
        "load_store": ["LoadStore", "VmLoad"],
        "writer": ["EstateWriter"],
    },
)
