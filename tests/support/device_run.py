"""Train two steps and evaluate, on arrays or on graphs; run by test_devices.py in processes of its own.

    device_run.py FRAMEWORK DATA_ROOT OUT WORKLOAD:SCALE...

Process number r writes `OUT/WORKLOAD.<r>.npz`: what every process knows (losses, parameters, metrics), and
hashes of the examples that it evaluated.
"""

import importlib
import sys
import zlib
from pathlib import Path

import numpy as np

from algoperf import random_utils
from algoperf.blocks.self_tuning import NADAMW
from algoperf.data.contracts import Shard, dataset_dir
from algoperf.frameworks import load_backend
from algoperf.tuning.points import as_hyperparameters
from algoperf.versions import load_version
from algoperf.workload import registry
from places import BASELINES

BATCH_SIZE, STEPS, LEARNING_RATE = 64, 2, 0.1
NUM_PARTS = 2  # of batches of graphs
SMALLER_RATES = {"mnist": 1e-4}  # its inputs go up to 827: larger steps would multiply the rounding, too


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
    """A mask over the global batch, of which each process holds a part; the parts have different sums."""
    mask = np.ones(BATCH_SIZE, np.float32)
    mask[: 5 + 7 * position] = 0.0
    size = BATCH_SIZE // shard.count
    return mask[shard.index * size : (shard.index + 1) * size]


def run(backend, kit, name: str, scale: str, data_root: Path) -> dict[str, np.ndarray]:
    definition = registry.find_workload(name).at(scale)
    data_dir = str(dataset_dir(data_root, definition.dataset, scale))
    workload = backend.bind(definition, load_version().limits(name, scale), seed=1)
    key = random_utils.PRNGKey(0)
    results = {"num_devices": np.array(backend.num_devices)}

    def batches(first_masked):
        """Training batches, with a mask from one of them on."""
        queue = workload.input_queue(data_dir, BATCH_SIZE)
        for position in range(STEPS):
            batch = next(queue)
            if position >= first_masked:
                batch["weights"] = kit.mask(weights_of(position, backend.shard))
            yield batch

    # Plain gradient descent: differences of parameters are gradients.
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
        rows = np.asarray(batch["inputs"])[batch["weights"] > 0]
        evaluated.extend(zlib.crc32(row.tobytes()) for row in rows)
        return true_place(batch)

    workload.place = watching
    for label, batch_size in (("eval_default", definition.eval_batch_size), ("eval_77", 77)):
        evaluated.clear()
        found = workload.eval_model(batch_size, params, model_state, key, data_dir, None, 3)
        results.update({f"{label}/{metric}": np.array(value) for metric, value in found.items()})
        results[f"{label}_rows"] = np.array(evaluated, np.uint32)
    workload.place = true_place

    # The baseline itself, with its own optimizer.
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
    """The batches are those of two devices, however many there are."""
    # The steps of message passing are all alike, and take long to compile.
    definition = registry.find_workload("ogbg").at(scale).with_fields({"model": {"num_message_passing_steps": 1}})
    data_dir = str(dataset_dir(data_root, definition.dataset, scale))
    limits = load_version().limits("ogbg", scale)
    bound = backend.bind(definition, limits, seed=1)
    shard = backend.shard
    assert shard.num_parts in (1, NUM_PARTS)
    workload = type(bound)(definition, limits, 1, Shard(shard.index, shard.count, NUM_PARTS // shard.count))
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
