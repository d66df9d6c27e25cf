"""Models are compared with formulas as users' runs compute them."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _optimised(optimised_jax) -> None:
    """All tests of this folder are optimised by JAX as users' runs are."""
