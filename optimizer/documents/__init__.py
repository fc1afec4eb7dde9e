"""What is written to disk as data: plans, audits, explanations, moves curves and rollback files; and how it is read.

Other rooms import from here only.  A :class:`PlanDocument` is ``plan.json``, and an :class:`Audit` is what ``audit
--format json`` prints.  Nothing here knows how a plan is made.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
