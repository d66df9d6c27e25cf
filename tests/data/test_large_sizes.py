"""A store of 4.2e9 rows: opened, ordered and read, with memory and processor time for a few batches only."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.store.manifest import StoredFile, write_manifest
from algoperf.data.store.store import Store
from algoperf.errors import DataError

NUM_ROWS = {"train": 4_200_000_000, "validation": 83_000_000}
ROW_BYTES, BLOCK_ROWS = 157, 5_000_000
NOT_HASHED = "0" * 64  # hashing 670 GB of zeros would take most of an hour, and is not what is tested here


@pytest.fixture
def directory(tmp_path) -> Path:
    """A store of sparse files, which take no space on disk. Its manifest is true but for the hashes."""
    files = {}
    for split, num_rows in NUM_ROWS.items():
        path = tmp_path / "store" / split / "x.npy"
        path.parent.mkdir(parents=True)
        header = {"descr": "|u1", "fortran_order": False, "shape": (num_rows, ROW_BYTES)}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            num_bytes = file.tell() + num_rows * ROW_BYTES
            try:
                file.truncate(num_bytes)
            except OSError as error:
                pytest.skip(f"this file system holds no sparse file of {num_bytes} bytes: {error}")
        files[f"{split}/x.npy"] = StoredFile(NOT_HASHED, num_bytes, "|u1", (num_rows, ROW_BYTES))
    splits = {split: {"num_examples": num_rows, "fields": ["x"]} for split, num_rows in NUM_ROWS.items()}
    write_manifest(tmp_path / "store", "large", splits, files)
    return tmp_path / "store"


READER = """
import json, re, sys, time
from pathlib import Path
from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.batches.queue import InputQueue
from algoperf.data.contracts import Shard
from algoperf.data.store.store import Store

def peak():
    # Not ru_maxrss: it begins with what the parent process had at the fork.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) * 1024

before, began = peak(), time.process_time()
dataset = StoredArrays(Store.open(Path(sys.argv[1])), dict, block_rows=int(sys.argv[2]))
queue = InputQueue(dataset.training(seed=0, batch_size=262_144, shard=Shard(1, 2)), lambda batch: batch)
queue.fill()
shapes = [next(queue)["x"].shape]
seconds = time.process_time() - began
shapes += [next(queue)["x"].shape for _ in range(2)]
for split in ("validation", "eval_train"):
    batches = dataset.evaluation(split, num_examples=83_000_000, batch_size=131_072, shard=Shard(1, 2), seed=0)
    shapes += [batches[number]["x"].shape for number in (0, len(batches) - 1)]
print(json.dumps({"shapes": shapes, "seconds": seconds, "bytes": peak() - before}))
"""


def test_four_billion_rows(directory):
    command = [sys.executable, "-c", READER, str(directory), str(BLOCK_ROWS)]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert found["shapes"] == [[131_072, ROW_BYTES]] * 3 + [[65_536, ROW_BYTES]] * 4
    assert found["bytes"] < 200_000_000
    assert found["seconds"] < 1
    assert sum(path.stat().st_blocks * 512 for path in directory.rglob("*.npy")) < 1_000_000


def test_sizes_are_those_of_the_manifest(directory):
    path = directory / "train" / "x.npy"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(DataError, match=r"train/x\.npy has 659400000127 bytes, expected 659400000128"):
        Store.open(directory)
