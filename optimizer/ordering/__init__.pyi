from .cap_counts import CapCounts as CapCounts
from .clash_counts import ClashCounts as ClashCounts
from .estate_state import Progress as Progress
from .estate_state import Step as Step
from .trails import Move as Move
from .trails import order_of_moves as order_of_moves
