"""Chooses the parameters that rules like Muon and Shampoo treat as matrices, and cuts them into blocks."""

from __future__ import annotations

from collections.abc import Sequence

from algoperf.spec import ParameterType

Block = tuple[slice, slice]
LARGEST_BLOCK = 1024
# Gradients of embeddings with more rows are mostly zero. The role is not enough: some embeddings have the weight role.
LARGEST_SIDE = 40_000
_ROLES = {
    ParameterType.WEIGHT,
    ParameterType.CONV_WEIGHT,
    ParameterType.ATTENTION_Q,
    ParameterType.ATTENTION_K,
    ParameterType.ATTENTION_V,
    ParameterType.ATTENTION_OUT,
    ParameterType.ATTENTION_QKV,
    ParameterType.ATTENTION_KV,
}


def is_linear_map(shape: Sequence[int], role: ParameterType) -> bool:
    """Whether a parameter maps inputs to outputs: a weight with at least two axes, no embedding, no attention bias."""
    return len(shape) >= 2 and role in _ROLES and max(shape) <= LARGEST_SIDE


def preconditioned_blocks(num_rows: int, num_columns: int) -> list[Block]:
    """Row and column slices of the blocks, at most 1024 x 1024, from which preconditioners are computed.

    None for matrices with a side of more than 40,000.
    """
    if max(num_rows, num_columns) > LARGEST_SIDE:
        return []
    return [
        (slice(row, min(row + LARGEST_BLOCK, num_rows)), slice(column, min(column + LARGEST_BLOCK, num_columns)))
        for row in range(0, num_rows, LARGEST_BLOCK)
        for column in range(0, num_columns, LARGEST_BLOCK)
    ]
