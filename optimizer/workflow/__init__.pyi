from .audit import audit_case as audit_case
from .explain import explain_vm as explain_vm
from .limits import price_plan_limits as price_plan_limits
from .plan import make_plan as make_plan
from .whatif import sensitivity as sensitivity
from .whatif import what_if as what_if
