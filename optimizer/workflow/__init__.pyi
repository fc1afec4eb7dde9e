from .audit import audit_case as audit_case
from .explain import explain_vm as explain_vm
from .limits import price_plan_limits as price_plan_limits
from .plan import make_plan as make_plan
