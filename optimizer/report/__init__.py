"""Reports as strings, made from computed results; nothing here prints, writes a file, reads a clock or calls Azure.

Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
