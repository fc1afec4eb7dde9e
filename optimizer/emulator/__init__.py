"""Emulator of the Azure endpoints on loopback, which ``rehearse`` and the tests write to.

Other rooms import from here only. An :class:`Emulator` serves a :class:`CloudState`, which contains an estate.
"""

import lazy_loader

# Each name is imported on first use, so that --help does not load a web server.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
