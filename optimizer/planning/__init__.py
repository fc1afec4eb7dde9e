"""How a plan is made: read the estate, forecast the load, search for a schedule, compose and verify the document."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
