"""The update of each PyTorch baseline, without forward and backward: in lists of tensors, and one tensor after another.

For the parameters of a full-size model. Operations are those that Python starts; on a GPU, each of them starts a kernel
or a few. Both forms have the same results on a CPU, and are measured alternately.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import common
import torch

from algoperf import random_utils
from algoperf.blocks import torch_lists
from algoperf.frameworks import load_backend
from algoperf.submission.loading import load_submission
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload

# Bytes of a list on a CPU and elsewhere.
CPU_BYTES, BYTES = torch_lists.CPU_LIST_BYTES, torch_lists.LIST_BYTES
FORMS = {"single": (0, 0), "lists": (CPU_BYTES, BYTES), "lists of a GPU": (BYTES, BYTES)}
TIMED = ("single", "lists")


class Update:
    """The optimizer of a baseline, on parameters of its own with random gradients."""

    def __init__(self, folder: Path, workload: Any) -> None:
        params, model_state = workload.init_model_fn(random_utils.PRNGKey(0))
        state = load_submission(folder).init_optimizer_state(workload, params, model_state, None, None)
        self._optimizer: torch.optim.Optimizer = state["optimizer"]
        for group in self._optimizer.param_groups:
            group.update(lr=1e-3, alpha=5.0, beta3=0.99)
        generator = torch.Generator().manual_seed(1)
        for param in params.parameters():
            param.grad = 1e-3 * torch.randn(param.shape, generator=generator).to(param.device)
        self._device = param.device

    def __call__(self, form: str) -> float:
        """Milliseconds of an update."""
        torch_lists.CPU_LIST_BYTES, torch_lists.LIST_BYTES = FORMS[form]
        self._wait()
        begin = time.perf_counter() if self._device.type == "cuda" else time.process_time()
        self._optimizer.step()
        self._wait()
        return 1e3 * ((time.perf_counter() if self._device.type == "cuda" else time.process_time()) - begin)

    def operations(self, form: str) -> int:
        """How many operations Python starts for an update."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            self(form)
        ours = [event for event in profiler.events() if event.name.startswith("Optimizer.step")]
        inner = [child for event in ours for child in event.cpu_children]
        return sum(event.name.startswith("aten::") for event in inner)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


def measure(folder: Path, workload: Any, repetitions: int) -> dict[str, Any]:
    """One row."""
    update = Update(folder, workload)
    times: dict[str, list[float]] = {form: [] for form in TIMED}
    update("lists")  # makes the state
    operations = {form: update.operations(form) for form in FORMS}
    for _ in range(repetitions):
        for form in TIMED:
            times[form].append(update(form))
    ratios = [lists / single for single, lists in zip(*times.values(), strict=True)]
    return {
        "baseline": folder.name,
        **{f"{form}, operations": count for form, count in operations.items()},
        **{f"{form} ms": statistics.median(own) for form, own in times.items()},
        "ratio of times": statistics.median(ratios),
        "middle half": common.spread(ratios),
    }


def main() -> None:
    """Measure every baseline."""
    parser = common.parser(__doc__)
    parser.add_argument("--workload", default="cifar")
    parser.add_argument("--baselines", default="", help="these only, separated by commas")
    options = parser.parse_args()
    random_utils.use_framework("pytorch")
    limits = load_version().limits(options.workload, "full")
    workload = load_backend("pytorch").bind(find_workload(options.workload), limits)
    names = [name for name in options.baselines.split(",") if name]
    folders = sorted((common.ROOT / "submissions" / "baselines").glob("*_pytorch"))
    chosen = [folder for folder in folders if not names or folder.name in names]
    rows = [measure(folder, workload, 3 if options.quick else 15) for folder in chosen]
    common.report(f"Updates of {options.workload} on one {workload.device.type}", rows, options.json)


if __name__ == "__main__":
    main()
