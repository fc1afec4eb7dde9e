"""The bound, where the instance is unusual; that it is one at all: test_optimality.py and the benchmarks."""

from __future__ import annotations

import numpy as np

from optimizer.solve.bound.ascent import ascend
from optimizer.solve.problem.cost import evaluate
from tests.benchmarks.twin_keys import of_key
from tests.solve.examples import vaults_that_share_services


def test_rows_of_services_without_vms_do_not_matter() -> None:
    """The VMs of one twin key alone have a bound, although rows of services without VMs are still there."""
    whole = vaults_that_share_services().instance()
    for key in range(whole.num_keys):
        alone = of_key(whole, key)
        assert alone.service.max() <= whole.service.max()
        assert ascend(alone, 50).bound <= evaluate(alone, alone.today).total
    assert any(of_key(whole, key).service.max() < whole.service.max() for key in np.unique(whole.key).tolist())
