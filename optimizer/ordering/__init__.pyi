from .cap_counts import CapCounts as CapCounts
from .clash_counts import ClashCounts as ClashCounts
from .estate_state import EstateState as EstateState
from .estate_state import PlannedMove as PlannedMove
from .trails import Move as Move
from .trails import order_of_moves as order_of_moves
