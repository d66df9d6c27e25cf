"""Train two steps on graphs and evaluate; run by test_graph_devices.py in processes of its own.

    graph_device_run.py FRAMEWORK DATA_DIR OUT NUM_PARTS

The batches are those of NUM_PARTS devices, however many there are. Process number r writes `OUT/<r>.npz`.
"""

import sys
from pathlib import Path

import numpy as np

from algoperf import random_utils
from algoperf.data.contracts import Shard
from algoperf.frameworks import load_backend
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload
from device_run import LEARNING_RATE, STEPS, Jax, Torch

BATCH_SIZE = 64


def main(framework: str, data_dir: str, out: str, num_parts: str) -> None:
    backend, kit = load_backend(framework), {"jax": Jax, "pytorch": Torch}[framework]()
    definition = find_workload("ogbg").at("mini").with_fields({"model": {"num_message_passing_steps": 1}})
    limits = load_version().limits("ogbg", "mini")
    bound = backend.bind(definition, limits, seed=1)
    shard = backend.shard
    assert shard.num_parts in (1, int(num_parts))
    workload = type(bound)(definition, limits, 1, Shard(shard.index, shard.count, int(num_parts) // shard.count))
    key = random_utils.PRNGKey(0)
    bound.init_model_fn(key)
    params, model_state = workload.init_model_fn(key)
    optimizer = kit.init_sgd(workload, params)
    queue = workload.input_queue(data_dir, BATCH_SIZE)
    results = {"num_devices": np.array(backend.num_devices)}
    for step in range(STEPS):
        (optimizer, params, model_state), metrics = kit.step.train_step(
            workload, optimizer, params, model_state, next(queue), key, LEARNING_RATE,
            label_smoothing=0.1, dropout_rate=0.0,
        )  # fmt: skip
        results.update({f"{step}/{name}": np.asarray(value) for name, value in metrics.items()})
    results["position"] = np.array(queue.position)
    results.update({f"params/{name}": array.copy() for name, array in kit.arrays(params, model_state).items()})
    # The bound workload evaluates in as many parts as there are devices.
    metrics = bound.eval_model(BATCH_SIZE, params, model_state, key, data_dir, None, 3)
    results.update({f"evaluation/{name}": np.array(value) for name, value in metrics.items()})
    np.savez(Path(out, f"{backend.rank}.npz"), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
