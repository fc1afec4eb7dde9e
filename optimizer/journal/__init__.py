"""Journal of an ``apply`` or a rollback: its records on disk, the state of each write, and moves of earlier months.

Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
