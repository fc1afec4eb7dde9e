"""Whether a running backup job forbids a write now; jobs of an uncertain VM forbid it too."""

from __future__ import annotations

from optimizer.model.inventory import Inventory
from optimizer.model.raw import properties_of
from optimizer.ports import BackupReader
from optimizer.rollout.writes.write import Write


def running_job(reader: BackupReader, inventory: Inventory, write: Write) -> str:
    """Explain which running job a write has to wait for; empty if no job forbids the write.

    A job without the name of its container may belong to any VM of the vault that has the VM name in the job. A job
    that names no VM may belong to any VM of the vault, so it closes the whole vault.

    Parameters
    ----------
    reader
        Client that reads the service.
    inventory
        Estate, which shows to which VM a job belongs.
    write
        Write in one vault; only the VMs that it moves matter.

    Raises
    ------
    CloudError
        The service cannot be read.
    """
    vms = set(write.vms)
    if not vms:
        return ""
    for job in reader.running_jobs(write.vault_id):
        owner = inventory.job_owners.find(write.vault_id, properties_of(job))
        if not owner.named:
            vault = inventory.vaults.get(write.vault_id)
            name = vault.name if vault is not None else write.vault_id.name
            return f"a job in progress in vault {name} does not name its VM: no VM of the vault is moved until it ends"
        for vm_id in sorted(owner.vms & vms):
            vm = inventory.vms.get(vm_id)
            return f"a job of {vm.name if vm is not None else vm_id.name} is in progress"
    return ""
