"""Every workload in both frameworks. Another workload is another row of ROWS."""

from __future__ import annotations

import pytest

from contract_case import FRAMEWORKS, LOSSES, ROWS, Case, open_case

TABLE = [(*row, framework) for row in ROWS for framework in FRAMEWORKS]


@pytest.fixture(scope="session", params=TABLE, ids="-".join)
def case(request, prepare) -> Case:
    """A workload of one framework. What it compiles serves all tests."""
    return open_case(*request.param, prepare)


@pytest.fixture(scope="session", params=FRAMEWORKS)
def classes(request, prepare) -> Case:
    """A workload whose loss is that of classes; there is one such loss per framework."""
    return open_case(*LOSSES["classes"], request.param, prepare)


@pytest.fixture(scope="session", params=FRAMEWORKS)
def labels(request, prepare) -> Case:
    """A workload whose loss is that of many labels per example; there is one such loss per framework."""
    return open_case(*LOSSES["labels"], request.param, prepare)
