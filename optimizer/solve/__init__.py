"""The constraint problem, its proven bound and its search; the only package that imports OR-Tools.

Other rooms import from here only. A :class:`Problem` is made once from an estate, its rules, the risk of every start
and earlier moves. :func:`find_schedule` answers it with a :class:`Solved`, or says that no schedule exists or that
none was found; :class:`Unsolved` finds the reason.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
