"""Train two steps and evaluate, on arrays or on graphs; test_devices.py runs this in separate processes.

    device_run.py FRAMEWORK DATA_ROOT OUT WORKLOAD:SCALE...

Process number r writes `OUT/WORKLOAD.<r>.npz`: losses, parameters and metrics, which all processes share, and
hashes of the examples that it evaluated.
"""

import dataclasses
import importlib
import sys
import zlib
from pathlib import Path

import numpy as np

from algoperf import random_utils
from algoperf.blocks.self_tuning import NADAMW
from algoperf.data.contracts import Padded, Shard, dataset_dir
from algoperf.frameworks import load_backend
from algoperf.tuning.points import as_hyperparameters
from algoperf.workload import registry
from bound_workload import SMALL_MODELS, WithData
from places import BASELINES

BATCH_SIZE, STEPS, LEARNING_RATE = 64, 2, 0.1
NUM_PARTS = 2  # of batches of graphs
# The inputs of mnist go up to 827, and the gradients of fastmri are sums of signs: rounding errors would be amplified.
SMALLER_RATES = {"mnist": 1e-4, "fastmri": 1e-2, "librispeech_deepspeech": 1e-3}


class Jax:
    def __init__(self):
        import jax
        import optax

        from algoperf.blocks import jax_step
        from algoperf.jax_sharding_utils import shard_along_batch_dim

        self.step, self.jax, self.sgd = jax_step, jax, optax.identity()
        self.shard = shard_along_batch_dim

    def init_sgd(self, workload, params):
        return self.step.init_state(workload, self.sgd)

    def mask(self, weights):
        return self.shard(weights)

    def arrays(self, params, model_state):
        leaves = self.jax.tree_util.tree_leaves_with_path({"params": params, "state": model_state})
        return {self.jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


class Torch:
    def __init__(self):
        import torch

        from algoperf.blocks import torch_step

        self.step, self.torch = torch_step, torch

    def init_sgd(self, workload, params):
        return {"optimizer": self.torch.optim.SGD(params.parameters(), lr=0.0)}

    def mask(self, weights):
        return self.torch.from_numpy(weights)

    def arrays(self, params, model_state):
        del model_state
        tensors = [*params.named_parameters(), *params.named_buffers()]
        return {name.removeprefix("module."): tensor.detach().numpy() for name, tensor in tensors}


def weights_of(position: int, shard) -> np.ndarray:
    """This process's part of a mask over the global batch. The parts have different sums."""
    mask = np.ones(BATCH_SIZE, np.float32)
    mask[: 5 + 7 * position] = 0.0
    size = BATCH_SIZE // shard.count
    return mask[shard.index * size : (shard.index + 1) * size]


def run(backend, kit, name: str, scale: str, data_root: Path) -> dict[str, np.ndarray]:
    definition = registry.find_workload(name).at(scale)
    data_dir = dataset_dir(data_root, definition.dataset, scale)
    opened = WithData.open(name, scale, backend.name, data_dir, seed=1, **SMALL_MODELS.get(name, {}))
    workload = opened.workload
    key = random_utils.PRNGKey(0)
    results = {"num_devices": np.array(backend.num_devices)}

    def batches(first_masked):
        """Training batches, with a mask from batch `first_masked` on."""
        queue = opened.queue(BATCH_SIZE)
        for position in range(STEPS):
            batch = next(queue)
            if position >= first_masked:
                batch["weights"] = kit.mask(weights_of(position, backend.shard))
            yield batch

    # Plain gradient descent, so that differences of parameters are gradients.
    params, model_state = workload.init_model_fn(key)
    optimizer = kit.init_sgd(workload, params)
    for number, batch in enumerate(batches(first_masked=1)):
        (optimizer, params, model_state), metrics = kit.step.train_step(
            workload,
            optimizer,
            params,
            model_state,
            batch,
            key,
            SMALLER_RATES.get(name, LEARNING_RATE),
            label_smoothing=0.1,
            dropout_rate=0.0,
        )
        results.update({f"sgd{number}/{label}": np.asarray(value) for label, value in metrics.items()})
        results.update(
            {f"sgd{number}/{label}": array.copy() for label, array in kit.arrays(params, model_state).items()}
        )

    evaluated = []
    true_place = workload.place

    def watching(batch):
        inputs = batch["inputs"]
        rows = np.asarray(inputs.values if isinstance(inputs, Padded) else inputs)[batch["real"]]
        evaluated.extend(zlib.crc32(row.tobytes()) for row in rows)
        return true_place(batch)

    workload.place = watching
    for label, batch_size in (("eval_default", definition.eval_batch_size), ("eval_77", 77)):
        evaluated.clear()
        found = opened.evaluate(params, model_state, key, 3, batch_size)
        results.update({f"{label}/{metric}": np.array(value) for metric, value in found.items()})
        results[f"{label}_rows"] = np.array(evaluated, np.uint32)
    workload.place = true_place

    # The baseline itself, with its optimizer.
    sys.path.insert(0, str(BASELINES / f"nadamw_{backend.name}"))
    baseline = importlib.import_module("submission")
    hyperparameters = as_hyperparameters({**NADAMW, "dropout_rate": 0.0, "warmup_factor": 0.0})
    params, model_state = workload.init_model_fn(key)
    optimizer = baseline.init_optimizer_state(workload, params, model_state, hyperparameters, key)
    for number, batch in enumerate(batches(first_masked=0)):
        optimizer, params, model_state = baseline.update_params(
            workload=workload, current_param_container=params, current_params_types=None, model_state=model_state,
            hyperparameters=hyperparameters, batch=batch, loss_type=workload.loss_type, optimizer_state=optimizer,
            eval_results=[], global_step=number, rng=key,
        )  # fmt: skip
    results.update({f"nadamw/{label}": array for label, array in kit.arrays(params, model_state).items()})
    return results


def run_graphs(backend, kit, scale: str, data_root: Path) -> dict[str, np.ndarray]:
    """The batches are those of two devices, whatever the real number."""
    data_dir = dataset_dir(data_root, registry.find_workload("ogbg").at(scale).dataset, scale)
    # The steps of message passing are all alike, and take long to compile.
    own = WithData.open("ogbg", scale, backend.name, data_dir, seed=1, num_message_passing_steps=1)
    workload, shard = own.workload, own.data.shard
    assert shard.num_parts in (1, NUM_PARTS)
    parts = Shard(shard.index, shard.count, NUM_PARTS // shard.count)
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
    return results


def main(framework: str, data_root: str, out: str, *workloads: str) -> None:
    backend = load_backend(framework)
    kit = {"jax": Jax, "pytorch": Torch}[framework]()
    for workload in workloads:
        name, scale = workload.split(":")
        if name == "ogbg":
            results = run_graphs(backend, kit, scale, Path(data_root))
        else:
            results = run(backend, kit, name, scale, Path(data_root))
        np.savez(Path(out, f"{name}.{backend.rank}.npz"), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
