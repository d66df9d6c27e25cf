"""Packs sentence pairs into rows: as many as fit one after another, in groups that begin a new row each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GROUP = 256  # pairs, as published where rows have 256 tokens: a group has as many pairs as a row has tokens


@dataclass(frozen=True)
class Plan:
    """Where consecutive pairs go.

    Attributes:
      rows: int64 (N,): the row of each pair, from 0 on.
      numbers: int64 (N,): its number among the pairs of its row, from 1 on.
      starts: int64 (2, N): its first place in the row, of inputs and targets.
      firsts: int64 (R,): the first pair of every row.
    """

    rows: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray
    firsts: np.ndarray


def plan(lengths: np.ndarray, room: int, group: int) -> Plan:
    """Pack pairs of the given lengths, int (2, N), into rows with `room` tokens for inputs and as many for targets.

    N is a multiple of `group`. A pair that does not fit into the row on either side begins a new one.
    """
    grouped = lengths.reshape(2, -1, group).transpose(2, 0, 1).astype(np.int64)  # (group, 2, groups)
    starts = np.zeros_like(grouped)
    begins = np.zeros((group, grouped.shape[2]), np.bool_)
    used = np.full(grouped.shape[1:], room)  # nothing fits into the row before the first one
    for place, length in enumerate(grouped):
        begins[place] = (used + length > room).any(axis=0)
        starts[place] = np.where(begins[place], 0, used)
        used = starts[place] + length
    is_first = begins.T.reshape(-1)
    rows = np.cumsum(is_first) - 1
    firsts = np.flatnonzero(is_first)
    numbers = np.arange(len(rows)) - firsts[rows] + 1
    return Plan(rows, numbers, starts.transpose(1, 2, 0).reshape(2, -1), firsts)


def spread(counts: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... for each of the counts: int64 (sum,)."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
