"""Plan when Azure VMs are backed up: no service all at once, no VM while it is busy.

The names below are the public API; they are loaded when they are first used, so that importing the package is cheap.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
