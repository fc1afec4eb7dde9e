"""Estate folder: everything that was pulled, imported or generated, so that all later steps work offline.

Other rooms import from here only. Each name is loaded on first use, because polars alone takes as long to import as
everything else together.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
