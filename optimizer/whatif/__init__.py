"""What-if questions: plans for a changed estate or changed rules, and the influence of the prices on a plan.

Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
