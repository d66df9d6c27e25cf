"""Cutting a matrix into blocks, for rules whose cost grows with the cube of a side."""

from __future__ import annotations

Block = tuple[slice, slice]
LARGEST_BLOCK = 1024
# An embedding with more rows than this is mostly zeros in every gradient, and its statistics would be larger than it.
LARGEST_SIDE = 40_000


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
