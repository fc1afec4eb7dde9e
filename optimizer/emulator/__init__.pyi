from .faults import Faults as Faults
from .moved_history import MovedLoad as MovedLoad
from .moved_history import move_jobs as move_jobs
from .refusal import Refusal as Refusal
from .server import Emulator as Emulator
from .settings import EmulatorSettings as EmulatorSettings
from .state import AcceptedWrite as AcceptedWrite
from .state import CloudState as CloudState

__all__ = [
    "AcceptedWrite",
    "CloudState",
    "Emulator",
    "EmulatorSettings",
    "Faults",
    "MovedLoad",
    "Refusal",
    "move_jobs",
]
