"""Device memory of a training step and of an evaluation step at full size, estimated on a CPU.

PyTorch: a step of the NAdamW baseline runs with two small batches, while the bytes of all tensors that are alive are
counted; they grow linearly with the batch, which gives those of larger ones. What libraries take for themselves, such
as cuDNN for convolutions, is not counted. JAX: the step is compiled for the large batch, but not run; XLA says what
it needs, here on a CPU, and on a GPU it may choose other algorithms.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import common
import numpy as np
from generated import on_generated_data, random_batch

from algoperf.data.contracts import Padded

NUM_DEVICES = 8  # share the published batch
SMALL = (1, 2)  # batch sizes that are run in PyTorch


class Opened:
    """A workload at full size with the baseline's model and optimizer state."""

    def __init__(self, workload: str, framework: str, folder: Path) -> None:
        from algoperf.frameworks import load_backend
        from algoperf.random_utils import PRNGKey, use_framework
        from algoperf.submission.loading import load_submission

        settings = common.endless(workload, framework, "full", folder)
        self.definition = on_generated_data(settings.definition, NUM_DEVICES)
        self.submission = load_submission(settings.submission_file)
        self.batch_size = max(1, self.submission.get_batch_size(workload) // NUM_DEVICES)
        self.eval_batch_size = max(1, settings.definition.eval_batch_size // NUM_DEVICES)
        use_framework(framework)
        self.key = PRNGKey(0)
        limits = settings.version.limits(workload, "full")
        self.workload = load_backend(framework).bind(self.definition, limits)
        self.params, self.model_state = self.workload.init_model_fn(self.key)
        self.state = self.submission.init_optimizer_state(self.workload, self.params, self.model_state, None, self.key)

    def update(self, params: Any, model_state: Any, state: Any, batch: Any) -> Any:
        """One update; returns the new optimizer state, parameters and model state."""
        return self.submission.update_params(
            workload=self.workload, current_param_container=params,
            current_params_types=self.workload.model_params_types, model_state=model_state, hyperparameters=None,
            batch=batch, loss_type=self.workload.loss_type, optimizer_state=state, eval_results=[], global_step=0,
            rng=self.key,
        )  # fmt: skip

    def train_batch(self, size: int) -> Any:
        """A placed training batch."""
        return self.workload.place_training(_longest(random_batch(self.definition, size)))

    def eval_batch(self, size: int) -> Any:
        """A placed batch of an evaluation."""
        masks = {"weights": np.ones(size, np.float32), "real": np.ones(size, bool)}
        return self.workload.place({**masks, **_longest(random_batch(self.definition, size))})


def _longest(batch: Any) -> Any:
    """The batch with inputs that fill their rows."""
    inputs = batch["inputs"]
    if isinstance(inputs, Padded):
        lengths = np.full_like(inputs.lengths, inputs.values.shape[1])
        batch["inputs"] = dataclasses.replace(inputs, lengths=lengths)
    return batch


# --- PyTorch: count ---------------------------------------------------------------------------------------------


def _counted(function: Callable[[], Any], lasting: Iterable[Any]) -> int:
    """Most bytes that tensors made inside have at the same time, besides the lasting ones."""
    from torch.utils import _pytree as tree
    from torch.utils._python_dispatch import TorchDispatchMode

    class Live(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.now = self.most = 0
            self.known = {tensor.untyped_storage()._cdata for tensor in lasting}

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            for made in tree.tree_leaves(result := func(*args, **(kwargs or {}))):
                if hasattr(made, "untyped_storage"):
                    self.see(made.untyped_storage())
            return result

        def see(self, storage: Any) -> None:
            if storage._cdata not in self.known:
                self.known.add(storage._cdata)
                weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)

        def forget(self, key: int, num_bytes: int) -> None:
            self.known.discard(key)
            self.now -= num_bytes

    with Live() as live:
        function()
    return live.most


def _fed(function: Callable[[Any], Any], make: Callable[[int], Any], rows: int) -> None:
    function(make(rows))


def _torch(opened: Opened) -> dict[str, float]:
    def step(batch: Any) -> Any:
        return opened.update(opened.params, opened.model_state, opened.state, batch)

    evaluate = opened.workload.evaluation_step(opened.params, opened.model_state, opened.key)
    step(opened.train_batch(SMALL[0]))  # makes moments
    parameters = list(opened.params.parameters())
    moments = [v for s in opened.state["optimizer"].state.values() for v in s.values() if hasattr(v, "nbytes")]
    found = {}
    for name, function, make, size in (
        ("step", step, opened.train_batch, opened.batch_size),
        ("evaluation", evaluate, opened.eval_batch, opened.eval_batch_size),
    ):
        lasting = [*parameters, *moments]
        few, more = (_counted(functools.partial(_fed, function, make, rows), lasting) for rows in SMALL)
        total = few + (more - few) * (size - SMALL[0]) / (SMALL[1] - SMALL[0])
        found[f"{name} GiB"] = (total + sum(tensor.nbytes for tensor in lasting)) / 2**30
    return found


# --- JAX: compile -----------------------------------------------------------------------------------------------


def _jax(opened: Opened) -> dict[str, float]:
    import jax

    state, update = opened.state

    def step(params: Any, model_state: Any, state: Any, batch: Any) -> Any:
        (state, _), params, model_state = opened.update(params, model_state, (state, update), batch)
        return state, params, model_state

    def evaluate(params: Any, model_state: Any, batch: Any) -> Any:
        return opened.workload.evaluation_step(params, model_state, opened.key)(batch)

    found = {}
    for name, jitted, arguments in (
        ("step", jax.jit(step, donate_argnums=(0, 1, 2)),
         (opened.params, opened.model_state, state, opened.train_batch(opened.batch_size))),
        ("evaluation", jax.jit(evaluate),
         (opened.params, opened.model_state, opened.eval_batch(opened.eval_batch_size))),
    ):  # fmt: skip
        begun = time.process_time()
        needs = jitted.lower(*arguments).compile().memory_analysis()
        found[f"{name} compile CPU s"] = time.process_time() - begun
        num_bytes = needs.argument_size_in_bytes + needs.output_size_in_bytes - needs.alias_size_in_bytes
        found[f"{name} GiB"] = (num_bytes + needs.temp_size_in_bytes) / 2**30
    return found


def measure(workload: str, framework: str) -> dict[str, Any]:
    """Estimate one row."""
    with tempfile.TemporaryDirectory() as folder:
        opened = Opened(workload, framework, Path(folder))
        sizes = {"batch": opened.batch_size, "eval batch": opened.eval_batch_size}
        found = {"jax": _jax, "pytorch": _torch}[framework](opened)
    return {"workload": workload, "framework": framework, **sizes, **found}


def main() -> None:
    """Estimate every row in a separate process."""
    parser = common.parser(__doc__)
    parser.add_argument("--workloads", default=",".join(common.SPEECH), help="these only, separated by commas")
    parser.add_argument("--case", nargs=2, metavar=("WORKLOAD", "FRAMEWORK"), help="only this one")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*options.case)))
        return
    rows = []
    for workload in options.workloads.split(","):
        for framework in common.FRAMEWORKS:
            command = [sys.executable, __file__, "--case", workload, framework]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env={"OMP_NUM_THREADS": "1", **os.environ}
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    common.report(f"Memory of one of {NUM_DEVICES} devices", rows, options.json)


if __name__ == "__main__":
    main()
