"""Which parameters are matrices to rules like Muon and Shampoo, and cutting them into blocks."""

from __future__ import annotations

from collections.abc import Sequence

from algoperf.spec import ParameterType

Block = tuple[slice, slice]
LARGEST_BLOCK = 1024
# An embedding with more rows than this is mostly zeros in every gradient; and some embeddings have the type of weights.
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
    """Whether a parameter maps inputs to outputs: a weight of at least two axes, no embedding, no bias of heads."""
    return len(shape) >= 2 and role in _ROLES and max(shape) <= LARGEST_SIDE


def preconditioned_blocks(num_rows: int, num_columns: int) -> list[Block]:
    """Slices of rows and columns of the blocks, of at most 1024 x 1024, from which preconditioners are computed.

    None for matrices with a side of more than 40,000.
    """
    if max(num_rows, num_columns) > LARGEST_SIDE:
        return []
    return [
        (slice(row, min(row + LARGEST_BLOCK, num_rows)), slice(column, min(column + LARGEST_BLOCK, num_columns)))
        for row in range(0, num_rows, LARGEST_BLOCK)
        for column in range(0, num_columns, LARGEST_BLOCK)
    ]
