from .case import prepare as prepare
from .case import prepare_forecast as prepare_forecast
from .make import make_plan_of as make_plan_of
from .solving import solve_case as solve_case
from .why_not import Tell as Tell
from .why_not import diagnose_case as diagnose_case
