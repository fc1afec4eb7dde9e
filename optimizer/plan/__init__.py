"""How plans are made, audited and explained.

A :class:`Case` is an estate under rules, with its forecast and the risk of every start. It is audited, or solved and
turned into a verified :class:`~optimizer.documents.PlanDocument`, or used to explain one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
