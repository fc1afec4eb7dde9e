"""Turns the load history into the risk of each start option, in at-risk backups per 30 days.

:func:`forecast_load` reads the history and makes a :class:`Forecast`, :func:`risk_table` makes the risk of each start
of it, :func:`expected_change` says what a schedule is expected to change, and :func:`observed_risk` what the history
itself shows.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
