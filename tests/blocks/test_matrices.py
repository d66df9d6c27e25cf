"""Matrices of Muon and Shampoo: which parameters they are, and their blocks."""

import numpy as np
import pytest

from algoperf.blocks.matrices import is_linear_map, preconditioned_blocks
from algoperf.spec import ParameterType


@pytest.mark.parametrize(
    ("shape", "role", "expected"),
    [
        ((8, 4), ParameterType.WEIGHT, True),
        ((3, 3, 8, 4), ParameterType.CONV_WEIGHT, True),
        ((64, 4, 16), ParameterType.ATTENTION_Q, True),
        ((8,), ParameterType.BIAS, False),
        ((4, 16), ParameterType.ATTENTION_BIAS, False),  # of heads, in flax
        ((1000, 8), ParameterType.EMBEDDING, False),
        ((1_048_576, 128), ParameterType.WEIGHT, False),  # a part of Criteo's embedding, as PyTorch names it
    ],
)
def test_linear_maps(shape, role, expected):
    assert is_linear_map(shape, role) is expected


@pytest.mark.parametrize(("rows", "columns", "count"), [(5, 3, 1), (1024, 1024, 1), (1025, 7, 2), (2500, 1100, 6)])
def test_blocks_cover_a_matrix_once(rows, columns, count):
    covered = np.zeros((rows, columns), int)
    blocks = preconditioned_blocks(rows, columns)
    for block in blocks:
        assert max(covered[block].shape) <= 1024
        covered[block] += 1
    assert len(blocks) == count
    assert (covered == 1).all()


def test_the_largest_matrices_have_no_blocks():
    assert preconditioned_blocks(1_048_576, 128) == []
