"""A cube that evaluates more than the shared steps do, with a metric made from the opened dataset."""

from __future__ import annotations

import shutil

import pytest

from algoperf.data.contracts import dataset_dir
from algoperf.frameworks import load_backend
from algoperf.random_utils import PRNGKey
from algoperf.trial.data import TrialData
from algoperf.trial.evaluation import Evaluator
from algoperf.versions import load_version
from algoperf.workload.registry import find_workload
from places import REPOSITORY

DECODES = {
    "jax": """

def evaluate(model, params, model_state, batch, rng):
    variables = {"params": params, **model_state}
    logits = model.apply(variables, batch["inputs"], train=False, use_running_average=True, dropout_rate=0.0)
    return {"decoded": logits.argmax(-1)}
""",
    "torch": """

def evaluate(model, params, model_state, batch, rng):
    assert not model.training
    return {"decoded": model(batch["inputs"], 0.0).argmax(-1)}
""",
}
METRIC = """

class Decoded:
    def __init__(self, dataset):
        self.about, self.right = dataset.hash, 0

    def add(self, outputs, batch):
        self.right += int(((outputs["decoded"] == batch["targets"]) & batch["real"]).sum())
        self.sum = getattr(self, "sum", 0.0) + float(outputs["accuracy"])

    def result(self, num_examples):
        return {"decoded": self.right / num_examples, "accuracy": self.sum / num_examples, "words": len(self.about)}


import dataclasses

from algoperf.metrics.base import Evaluation

WORKLOAD = dataclasses.replace(
    WORKLOAD, name="digits_that_decode", evaluation=Evaluation("classification", lambda dataset: Decoded(dataset))
)
"""


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
def test_a_cube_may_decode(tmp_path, data_root, framework):
    cube = tmp_path / f"digits_that_decode_{framework}"  # one process knows a cube by its name
    shutil.copytree(REPOSITORY / "cubes" / "digits", cube)
    for name, code in [("workload.py", METRIC), *((f"model_{part}.py", code) for part, code in DECODES.items())]:
        (cube / name).write_text((cube / name).read_text() + code)
    definition = find_workload(str(cube))
    backend = load_backend(framework)
    workload = backend.bind(definition, load_version().limits("digits"))
    data_dir = dataset_dir(data_root, definition.dataset, "full")
    data = TrialData.open(definition, data_dir, backend.shard, seed=0)
    params, model_state = workload.init_model_fn(PRNGKey(0))
    found = Evaluator(workload, data, backend, batch_size=128).metrics(params, model_state, PRNGKey(1), 0)
    assert found["validation/decoded"] == pytest.approx(found["validation/accuracy"])
    assert found["test/words"] == 64
