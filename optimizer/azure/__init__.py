"""Adapter to Azure through Microsoft's own clients; no other package imports ``azure.*``.

Other rooms import from here only. :func:`connect` returns an :class:`AzureCloud`, whose methods open the clients.
"""

import lazy_loader

# Each name is imported on first use, so that --help does not load Microsoft's clients.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
