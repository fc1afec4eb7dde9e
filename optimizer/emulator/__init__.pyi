from .faults import Faults as Faults
from .refusal import Refusal as Refusal
from .server import Emulator as Emulator
from .settings import EmulatorSettings as EmulatorSettings
from .state import AcceptedWrite as AcceptedWrite
from .state import CloudState as CloudState

__all__ = ["AcceptedWrite", "CloudState", "Emulator", "EmulatorSettings", "Faults", "Refusal"]
