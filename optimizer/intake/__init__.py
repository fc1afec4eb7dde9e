"""The ways into an estate: ``import`` from files, and ``pull`` from Azure; other rooms import from here only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
