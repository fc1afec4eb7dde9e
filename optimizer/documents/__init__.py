"""Documents that are written to disk and read again: plans, audits, explanations, moves curves, rollback files.

Other rooms import from here only. A :class:`PlanDocument` is ``plan.json``, and an :class:`Audit` is what ``audit
--format json`` prints. Nothing here knows how a plan is made.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
