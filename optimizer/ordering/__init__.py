"""The order in which writes can be made so that every limit and every rule between VMs holds after each of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
