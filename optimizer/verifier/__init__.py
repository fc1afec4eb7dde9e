"""The independent verifier: checks a plan against inventory, rules and risk by plain loops over clock times.

It shares no code with what makes plans, and imports neither :mod:`optimizer.plan` nor :mod:`optimizer.solve` nor
:mod:`optimizer.risk`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
