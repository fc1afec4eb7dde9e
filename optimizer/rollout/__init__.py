"""Roll-out of a plan: the calendar of its writes, their execution, the watch, and the rollback.

Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
