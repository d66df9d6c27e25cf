"""Every workload in both frameworks. Another workload is another row of ROWS."""

from __future__ import annotations

import pytest

from algoperf.data.contracts import dataset_dir
from contract_case import FRAMEWORKS, ROWS, Case, Jax, Torch, bind


@pytest.fixture(
    scope="module",
    params=[(*row, framework) for row in ROWS for framework in FRAMEWORKS],
    ids="-".join,
)
def case(request, prepare) -> Case:
    name, scale, framework = request.param
    workload = bind(name, scale, framework)
    data_root = prepare(workload.definition.dataset, scale)
    data_dir = str(dataset_dir(data_root, workload.definition.dataset, scale))
    return Case(workload, framework, {"jax": Jax, "pytorch": Torch}[framework](), data_dir)
