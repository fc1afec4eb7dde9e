from .faults import Faults as Faults
from .refusal import Refusal as Refusal
from .server import Emulator as Emulator
from .settings import Settings as Settings
from .state import AcceptedWrite as AcceptedWrite
from .state import CloudState as CloudState

__all__ = ["AcceptedWrite", "CloudState", "Emulator", "Faults", "Refusal", "Settings"]
