"""Run baselines on the noisy quadratic of update_formulas.py, on two devices, for test_update_rules.py.

    update_rules_run.py FRAMEWORK OUT RULE...

It calls each submission as the harness does. The evaluated parameters go to `OUT/RULE.npz`, in JAX's layout of axes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import update_formulas as formulas
from algoperf import random_utils
from algoperf.spec import LossType, ParameterType
from algoperf.submission.loading import load_submission
from algoperf.tuning.points import as_hyperparameters
from places import BASELINES

TYPES = {
    "conv": ParameterType.CONV_WEIGHT,
    "embedding": ParameterType.EMBEDDING,
    "matrix": ParameterType.WEIGHT,
    "vector": ParameterType.BIAS,
}


class Workload:
    """The quadratic as a workload: the model's outputs are the losses of the examples."""

    step_hint = formulas.STEP_HINT
    metrics_logger = None
    model_params_types = TYPES

    def loss_fn(self, label_batch, logits_batch, mask_batch, label_smoothing):
        del label_batch, label_smoothing
        return {"summed": (logits_batch * mask_batch).sum(), "n_valid_examples": mask_batch.sum()}


def losses_of(params: dict[str, Any], batch: dict[str, Any], scale: dict[str, Any]) -> Any:
    """Loss per example, (B,)."""
    return sum(
        (0.5 * scale[name] * (param - batch[name]) ** 2).reshape(len(batch[name]), -1).sum(1)
        for name, param in params.items()
    )


class Jax:
    """Two host devices; the batch is split over them."""

    def __init__(self) -> None:
        import jax

        from algoperf.jax_sharding_utils import replicate, shard_along_batch_dim

        jax.config.update("jax_enable_x64", True)
        assert jax.device_count() == 2
        self.rank, self.replicate, self.shard = 0, replicate, shard_along_batch_dim

    def workload(self, same_layout: bool) -> Workload:
        class Quadratic(Workload):
            def model_fn(self, params, batch, model_state, mode, rng, update_batch_norm, dropout_rate):
                return losses_of(params, batch["inputs"], formulas.curvature()), model_state

        return Quadratic()

    def params(self, workload: Workload) -> Any:
        return self.replicate(formulas.initial())

    def batch(self, step: int) -> dict[str, Any]:
        host = {"inputs": formulas.targets(step), "targets": np.zeros(formulas.NUM_ROWS), "weights": formulas.MASK}
        return self.shard(host)

    def read(self, params: Any) -> formulas.Arrays:
        return {name: np.array(array) for name, array in params.items()}


class Torch:
    """Two processes, each with half of the batch. In kernels, outputs come before inputs."""

    def __init__(self) -> None:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        assert dist.get_world_size() == 2
        self.rank, self.torch = dist.get_rank(), torch

    def axes(self, name: str) -> tuple[int, ...]:
        native = {4: (3, 2, 0, 1), 2: (1, 0)}
        dims = len(formulas.SHAPES[name])
        return native.get(dims, (0,)) if self.native else tuple(range(dims))

    def laid_out(self, arrays: formulas.Arrays, batched: bool = False) -> dict[str, Any]:
        found = {}
        for name, array in arrays.items():
            axes = (0, *(axis + 1 for axis in self.axes(name))) if batched else self.axes(name)
            found[name] = self.torch.from_numpy(np.ascontiguousarray(array.transpose(axes)))
        return found

    def workload(self, same_layout: bool) -> Workload:
        self.native = not same_layout
        torch, scale = self.torch, self.laid_out(formulas.curvature())

        class Model(torch.nn.Module):
            def __init__(self, params):
                super().__init__()
                self.params = torch.nn.ParameterDict(params)

            def forward(self, inputs):
                return losses_of(dict(self.params.items()), inputs, scale)

        class Quadratic(Workload):
            model = Model

            def model_fn(
                self,
                params,
                augmented_and_preprocessed_input_batch,
                model_state,
                mode,
                rng,
                update_batch_norm,
                dropout_rate,
            ):
                return params(augmented_and_preprocessed_input_batch["inputs"]), model_state

        return Quadratic()

    def params(self, workload: Workload) -> Any:
        model = workload.model(self.laid_out(formulas.initial()))
        return self.torch.nn.parallel.DistributedDataParallel(model)

    def batch(self, step: int) -> dict[str, Any]:
        half = slice(self.rank * formulas.NUM_ROWS // 2, (self.rank + 1) * formulas.NUM_ROWS // 2)
        rows = self.laid_out({name: array[half] for name, array in formulas.targets(step).items()}, batched=True)
        weights = self.torch.from_numpy(formulas.MASK[half])
        return {"inputs": rows, "targets": self.torch.zeros(len(weights)), "weights": weights}

    def read(self, params: Any) -> formulas.Arrays:
        found = {name: array.detach().numpy() for name, array in params.module.params.items()}
        return {name: array.transpose(np.argsort(self.axes(name))).copy() for name, array in found.items()}


def run(kit: Jax | Torch, folder: Path, rule: formulas.Rule) -> dict[str, np.ndarray]:
    submission = load_submission(folder)
    workload = kit.workload(rule.same_layout)
    params, key = kit.params(workload), random_utils.PRNGKey(0)
    point = as_hyperparameters(rule.settings)
    state = submission.init_optimizer_state(workload, params, None, point, key)
    model_state, results = None, {}
    for step in range(formulas.NUM_STEPS):
        arguments = dict(
            workload=workload, current_params_types=TYPES, hyperparameters=point,
            loss_type=LossType.MEAN_SQUARED_ERROR, eval_results=[], global_step=step, rng=key,
        )  # fmt: skip
        state, params, model_state = submission.update_params(
            current_param_container=params, model_state=model_state, optimizer_state=state, batch=kit.batch(step),
            **arguments,
        )  # fmt: skip
        if step + 1 in formulas.EVALUATED:
            if submission.prepare_for_eval is not None:
                state, params, model_state = submission.prepare_for_eval(
                    current_param_container=params, model_state=model_state, optimizer_state=state, **arguments
                )
            results.update({f"{step + 1}/{name}": array for name, array in kit.read(params).items()})
    return results


def main(framework: str, out: str, *rules: str) -> None:
    random_utils.use_framework(framework)
    kit = {"jax": Jax, "pytorch": Torch}[framework]()
    for name in rules:
        results = run(kit, BASELINES / f"{name}_{framework}", formulas.RULES[name])
        np.savez(Path(out, f"{name}.{kit.rank}.npz"), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
