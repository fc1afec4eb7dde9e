"""Meaning of Azure's JSON: the schedule of a policy, the VM of a protected item, the service of a VM.

Raw resources are kept as they were read, and interpreted here only. Other rooms import from here only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
