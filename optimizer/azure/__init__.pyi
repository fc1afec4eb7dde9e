from .cloud import CLOUDS as CLOUDS
from .cloud import AzureCloud as AzureCloud
from .cloud import connect as connect
from .connection import Connection as Connection

__all__ = ["CLOUDS", "AzureCloud", "Connection", "connect"]
