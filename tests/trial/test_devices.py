"""One device or two: the same training steps and the same metrics, from processes of their own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.contracts import Padded, Shard, dataset_dir
from algoperf.random_utils import PRNGKey
from algoperf.workload.registry import find_workload
from bound_workload import WithData
from device_run import BATCH_SIZE
from places import SUPPORT

SCRIPT = SUPPORT / "device_run.py"
# Processes by name: their framework, and what they train. digits and cifar have batch statistics, which are global in
# JAX; in PyTorch they are each process's own, as published.
PER_PROCESS = "cifar:mini"
GRAPHS = "ogbg:mini"
TEXTS = "wmt:mini"
SPEECH = "librispeech_deepspeech:mini"  # its batch statistics are those of all processes
TEXT = "finewebedu_lm:mini"
PROCESSES = {
    "jax": ("jax", ["digits:full", GRAPHS]),
    "jax_more": ("jax", ["mnist:mini", "cifar:mini", TEXT]),
    "jax_pictures": ("jax", ["fastmri:mini"]),
    "jax_speech": ("jax", [SPEECH]),
    "pytorch": ("pytorch", ["mnist:mini", "imagenet_vit:mini", "fastmri:mini", TEXT, PER_PROCESS, GRAPHS]),
    "pytorch_speech": ("pytorch", [SPEECH]),
    **{f"{framework}_clicks": (framework, ["criteo1tb:mini"]) for framework in ("jax", "pytorch")},
    "jax_texts": ("jax", [TEXTS]),
    "pytorch_texts": ("pytorch", [TEXTS]),
}
CASES = [
    ("jax", "digits:full"),
    pytest.param(("jax_more", "mnist:mini"), marks=pytest.mark.full),  # more of what digits has
    pytest.param(("jax_more", "cifar:mini"), marks=pytest.mark.full),
    pytest.param(("jax_pictures", "fastmri:mini"), marks=pytest.mark.full),
    pytest.param(("jax_more", TEXT), marks=pytest.mark.full),
    pytest.param(("jax_speech", SPEECH), marks=pytest.mark.full),
    pytest.param(("pytorch_speech", SPEECH), marks=pytest.mark.full),
    *(pytest.param((f"{name}_clicks", "criteo1tb:mini"), marks=pytest.mark.full) for name in ("jax", "pytorch")),
    pytest.param(("jax_texts", TEXTS), marks=pytest.mark.full),
    pytest.param(("pytorch_texts", TEXTS), marks=pytest.mark.full),
    ("pytorch", "mnist:mini"),
    ("pytorch", "imagenet_vit:mini"),
    ("pytorch", "fastmri:mini"),
    ("pytorch", TEXT),
]
TWO_PROCESSES = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
EVALUATIONS = ["eval_default", "eval_77"]  # by batch size
Results = dict[str, np.ndarray]
# Rounding may exchange two graphs in the ranking that average precision looks at.
RANKING = 1e-3
SIGNS = {"fastmri:mini": 1e-3}  # an absolute error has signs as gradients: 400,000 of them make that of a bias
ROUNDING = 1e-8  # of sums of gradients; steps are larger than 1e-5


def run(framework: str, workloads: list[str], num_devices: int, data_root: Path, out: Path) -> None:
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}",
        "OMP_NUM_THREADS": "1",
    }
    launcher = TWO_PROCESSES if framework == "pytorch" and num_devices == 2 else ["-W", "error"]
    command = [sys.executable, *launcher, str(SCRIPT), framework, str(data_root), str(out), *workloads]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def runs(prepare, tmp_path_factory) -> Callable[[str], dict[int, Path]]:
    """For processes by name and by number of devices, the folder of results."""

    @functools.cache
    def run_both(processes: str) -> dict[int, Path]:
        framework, workloads = PROCESSES[processes]
        for name, scale in (workload.split(":") for workload in workloads):
            data_root = prepare(find_workload(name).at(scale).dataset, scale)
        outs = {num_devices: tmp_path_factory.mktemp(f"{processes}{num_devices}") for num_devices in (1, 2)}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda item: run(framework, workloads, item[0], data_root, item[1]), outs.items()))
        return outs

    return run_both


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request) -> tuple[str, str]:
    """Processes and a workload."""
    return request.param


@pytest.fixture(scope="module")
def results(runs, case) -> tuple[Results, list[Results]]:
    return results_of(runs, *case)


def results_of(runs, processes: str, workload: str) -> tuple[Results, list[Results]]:
    """What one device found, and what each of the processes that drive two found."""
    found: dict[int, list[Results]] = {1: [], 2: []}
    for num_devices, out in runs(processes).items():
        for file in sorted(out.glob(f"{workload.split(':')[0]}.*.npz")):
            with np.load(file) as arrays:
                found[num_devices].append(dict(arrays))
    [alone], together = found[1], found[2]
    assert len(together) == (2 if PROCESSES[processes][0] == "pytorch" else 1)
    return alone, together


def assert_same(alone: Results, together: Results, prefix: str, tolerance: float = 1e-5) -> None:
    names = {name for name in alone if name.startswith(prefix)}
    assert names
    assert names == {name for name in together if name.startswith(prefix)}
    for name in names:
        if name.endswith("attention1.key.bias"):
            continue  # attention does not depend on it: its gradient is rounding
        difference = np.linalg.norm(together[name] - alone[name])
        assert difference <= tolerance * np.linalg.norm(alone[name]) + ROUNDING, name


def test_the_devices_are_there(results):
    alone, together = results
    assert alone["num_devices"] == 1
    assert all(process["num_devices"] == 2 for process in together)


@pytest.mark.parametrize("prefix", ["sgd0/", "sgd1/", "nadamw/"])
def test_training_steps(case, results, prefix):
    """Loss, gradient norm, updated parameters and batch statistics, with and without mask."""
    alone, together = results
    tolerance = SIGNS.get(
        case[1], 5e-4 if prefix == "nadamw/" else 1e-5
    )  # its first steps are signs of gradients, even of small ones
    for process in together:
        assert_same(alone, process, prefix, tolerance)


def test_steps_change_the_parameters(results):
    """Else the comparison above would be empty."""
    alone, _ = results
    first, second = ({n.split("/", 1)[1]: a for n, a in alone.items() if n.startswith(p)} for p in ("sgd0/", "sgd1/"))
    changed = [not np.array_equal(first[name], second[name]) for name in first]
    assert sum(changed) > 0.8 * len(changed)  # behind a scale of zero, the first steps are lost in a scale of one


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_evaluation(results, evaluation):
    """All processes report the metrics that one device finds, whatever the batch size."""
    alone, together = results
    for process in together:
        assert_same(alone, process, f"{evaluation}/")
    [first, second] = ({n.split("/", 1)[1]: a for n, a in alone.items() if n.startswith(f"{p}/")} for p in EVALUATIONS)
    assert first.keys() == second.keys()
    assert all(second[name] == pytest.approx(value, rel=1e-5) for name, value in first.items())


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_every_example_is_evaluated_once(case, results, data_root, evaluation):
    """The rows that all processes fed together are those of the splits, and a sample of the training split."""
    alone, together = results
    rows = np.sort(np.concatenate([process[f"{evaluation}_rows"] for process in together]))
    np.testing.assert_array_equal(rows, np.sort(alone[f"{evaluation}_rows"]))
    name, scale = case[1].split(":")
    definition = find_workload(name).at(scale)
    opened = definition.dataset.open(dataset_dir(data_root, definition.dataset, scale))
    sampled = Counter(rows.tolist())
    for split in ("validation", "test") if definition.examples.test is not None else ("validation",):
        count = opened.num_examples(split)
        [whole] = opened.evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=0)
        inputs = whole["inputs"]
        sampled.subtract(zlib.crc32(row.tobytes()) for row in (inputs.values if isinstance(inputs, Padded) else inputs))
    assert min(sampled.values()) >= 0
    assert sampled.total() == definition.examples.eval_train


def test_batch_statistics_in_pytorch_are_those_of_each_process(runs, data_root):
    """As published: nothing synchronises them within a step."""
    import torch

    name, scale = PER_PROCESS.split(":")
    dataset = find_workload(name).at(scale).dataset
    opened = WithData.open(name, scale, "pytorch", dataset_dir(data_root, dataset, scale), seed=1)
    batch = next(opened.queue(BATCH_SIZE))
    params, _ = opened.workload.init_model_fn(PRNGKey(0))
    with torch.no_grad():
        means = [0.1 * params.conv1(half).mean(dim=(0, 2, 3)).numpy() for half in batch["inputs"].chunk(2)]
    assert not np.allclose(means[0], means[1], rtol=1e-2, atol=1e-4)
    for process, expected in enumerate(means):
        with np.load(runs("pytorch")[2] / f"{name}.{process}.npz") as found:
            np.testing.assert_allclose(found["sgd0/bn1.running_mean"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_graphs(runs, framework):
    """With the same batches the same training steps, and the same metrics.

    Every process reports what one device finds; in PyTorch each of them makes its own graphs only.
    """
    alone, together = results_of(runs, framework, GRAPHS)
    for process in together:
        assert (alone["num_devices"], process["num_devices"]) == (1, 2)
        assert process.keys() == alone.keys()
        assert process["position"] == alone["position"]
        for name, expected in alone.items():
            tolerance = RANKING if name.endswith("mean_average_precision") else 1e-5
            if name != "num_devices":
                difference = np.linalg.norm(process[name] - expected)
                assert difference <= tolerance * np.linalg.norm(expected) + 1e-8, name
