"""Files: where they are (on this machine or behind a URL), and writing them so that a failure loses nothing.

Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
