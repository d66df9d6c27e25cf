"""Linear functions with noise, in groups whose names are in a file of the store."""

from __future__ import annotations

import json

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.contracts import Batch
from algoperf.data.store.store import Store
from generated_dataset import GeneratedDataset, Rows

NUM_INPUTS, NUM_OUTPUTS = 5, 3
GROUPS = {"calm": 0.05, "windy": 0.1, "stormy": 0.2}  # standard deviation of the noise
GROUPS_FILE = "groups.json"


class OpenGroups(StoredArrays):
    """Batches, and the names of the groups."""

    def __init__(self, store: Store, finish) -> None:
        super().__init__(store, finish)
        self.groups = json.loads(store.read_file(GROUPS_FILE))


class GroupsDataset(GeneratedDataset):
    """`inputs` float32 (B, 5); `targets` float32 (B, 3); `groups` int32 (B,)."""

    name = "probe_needs_data"
    files = {GROUPS_FILE: json.dumps(list(GROUPS)).encode()}

    def generate(self, rng: np.random.Generator, num_examples: int) -> Rows:
        inputs = rng.normal(size=(num_examples, NUM_INPUTS)).astype(np.float32)
        groups = rng.integers(len(GROUPS), size=num_examples)
        rule = np.cos(np.arange(NUM_INPUTS * NUM_OUTPUTS)).reshape(NUM_INPUTS, NUM_OUTPUTS)
        noise = np.array(list(GROUPS.values()))[groups, np.newaxis] * rng.normal(size=(num_examples, NUM_OUTPUTS))
        return {
            "inputs": inputs,
            "targets": (inputs @ rule + noise).astype(np.float32),
            "groups": groups.astype(np.uint8),
        }

    def finish(self, rows: Rows) -> Batch:
        return {**rows, "groups": rows["groups"].astype(np.int32)}

    def opened(self, store: Store) -> StoredArrays:
        return OpenGroups(store, self.finish)
