"""Roll-out of a plan: when each write is made, how it is carried out, watched, and rolled back.

Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
