"""Train two steps on graphs and evaluate; test_graph_devices.py runs this in separate processes.

    graph_device_run.py FRAMEWORK DATA_DIR OUT NUM_PARTS

The batches are those of NUM_PARTS devices, whatever the real number. Process number r writes `OUT/<r>.npz`.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from algoperf import random_utils
from algoperf.data.contracts import Shard
from bound_workload import WithData
from device_run import LEARNING_RATE, STEPS, Jax, Torch

BATCH_SIZE = 64


def main(framework: str, data_dir: str, out: str, num_parts: str) -> None:
    kit = {"jax": Jax, "pytorch": Torch}[framework]()
    own = WithData.open("ogbg", "mini", framework, Path(data_dir), seed=1, num_message_passing_steps=1)
    backend, workload, shard = own.backend, own.workload, own.data.shard
    assert shard.num_parts in (1, int(num_parts))
    parts = Shard(shard.index, shard.count, int(num_parts) // shard.count)
    queue = dataclasses.replace(own.data, shard=parts).input_queue(BATCH_SIZE, workload.place_training)
    key = random_utils.PRNGKey(0)
    params, model_state = workload.init_model_fn(key)
    optimizer = kit.init_sgd(workload, params)
    results = {"num_devices": np.array(backend.num_devices)}
    for step in range(STEPS):
        (optimizer, params, model_state), metrics = kit.step.train_step(
            workload, optimizer, params, model_state, next(queue), key, LEARNING_RATE,
            label_smoothing=0.1, dropout_rate=0.0,
        )  # fmt: skip
        results.update({f"{step}/{name}": np.asarray(value) for name, value in metrics.items()})
    results["position"] = np.array(queue.position)
    results.update({f"params/{name}": array.copy() for name, array in kit.arrays(params, model_state).items()})
    # The bound workload evaluates in one part per device.
    metrics = own.evaluate(params, model_state, key, 3, BATCH_SIZE)
    results.update({f"evaluation/{name}": np.array(value) for name, value in metrics.items()})
    np.savez(Path(out, f"{backend.rank}.npz"), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
