"""Numbers whose sign a linear rule decides, stored in the order of time and read in blocks."""

from __future__ import annotations

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.contracts import Batch
from algoperf.data.store.store import Store
from generated_dataset import GeneratedDataset, Rows

BLOCK_ROWS = 16
NUM_COLUMNS = 6


class RowsDataset(GeneratedDataset):
    """`inputs` float32 (B, 6), of which the first is the time; `targets` (B, 1), known where `weights` (B, 1) is 1."""

    name = "probe_rows"
    input_stats = ((100.0, *[3.0] * 5), (60.0, *[2.0] * 5))

    def generate(self, rng: np.random.Generator, num_examples: int) -> Rows:
        values = rng.normal(3.0, 2.0, size=(num_examples, NUM_COLUMNS)).astype(np.float32)
        values[:, 0] = np.arange(num_examples)
        clicked = (values[:, 1:] - 3.0) @ np.array([1.0, -1.0, 0.5, 0.0, 2.0]) > 0
        return {"values": values, "clicked": clicked.astype(np.uint8), "known": rng.random(num_examples) < 0.9}

    def finish(self, rows: Rows) -> Batch:
        mean, deviation = (np.array(part, np.float32) for part in self.input_stats)
        return {
            "inputs": (rows["values"] - mean) / deviation,
            "targets": (rows["clicked"] * rows["known"]).astype(np.float32)[:, np.newaxis],
            "weights": rows["known"].astype(np.float32)[:, np.newaxis],
        }

    def opened(self, store: Store) -> StoredArrays:
        return StoredArrays(store, self.finish, block_rows=BLOCK_ROWS)
