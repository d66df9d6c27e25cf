"""A `dropout_rate` in a trial's point that the submission does not pass on: applied, or said not to be."""

from __future__ import annotations

import json

import pytest

from trial_runs import Run, metrics

HEAD = """
from {package} import spec
def get_batch_size(workload_name):
    return 64
def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state, hyperparameters,
                   global_step, rng):
    return next(input_queue)
"""
TORCH = """
import torch
def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {"optimizer": torch.optim.SGD(model_params.parameters(), lr=hyperparameters.learning_rate)}
def update_params(workload, current_param_container, current_params_types, model_state, hyperparameters, batch,
                  loss_type, optimizer_state, eval_results, global_step, rng):
    model = current_param_container
    optimizer_state["optimizer"].zero_grad()
    logits, model_state = workload.model_fn(model, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True)
    loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
    (loss["summed"] / loss["n_valid_examples"]).backward()
    optimizer_state["optimizer"].step()
    return optimizer_state, model, model_state
"""
JAX = """
import jax
def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng):
    return {}
def update_params(workload, current_param_container, current_params_types, model_state, hyperparameters, batch,
                  loss_type, optimizer_state, eval_results, global_step, rng):
    def mean_loss(params):
        logits, new = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True)
        loss = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
        return loss["summed"] / loss["n_valid_examples"], new
    grads, new = jax.grad(mean_loss, has_aux=True)(current_param_container)
    step = lambda param, grad: param - hyperparameters.learning_rate * grad
    return optimizer_state, jax.tree.map(step, current_param_container, grads), new
"""
BODIES = {"pytorch": TORCH, "jax": JAX}


@pytest.fixture
def trained(tmp_path, data_root, capsys):
    """A function that runs four steps with a point, and returns the exit code, the evaluation and what was printed."""

    def run(framework, package, version, **point):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "same"  # the seed depends on the name
        folder.mkdir(parents=True)
        (folder / "submission.py").write_text(HEAD.format(package=package) + BODIES[framework])
        (folder / "tuning_search_space.json").write_text(json.dumps([{"learning_rate": 0.1, **point}] * 5))
        options = {"ruleset": "external", "version": version, "max_global_steps": 4, "eval_every_steps": 4}
        trial = Run(folder, framework, data_root, folder.parent / "runs", options)
        capsys.readouterr()
        code = trial.here()
        printed = capsys.readouterr()
        return code, metrics(trial.rows[-1]) if code == 0 else None, printed.out + printed.err

    return run


@pytest.mark.parametrize(
    ("framework", "package", "version"),
    [
        ("pytorch", "algoperf", "v0.6"),
        ("pytorch", "algoperf", "v0.5"),
        ("pytorch", "algorithmic_efficiency", "v1.0"),
        ("jax", "algoperf", "v0.6"),
    ],
)
def test_it_is_applied_as_the_runner_did(trained, framework, package, version):
    small, large = (trained(framework, package, version, dropout_rate=rate) for rate in (0.1, 0.6))
    assert small[0] == large[0] == 0
    assert small[1] != large[1]
    assert "dropout_rate 0.6 of the trial's point is the model's default" in large[2]


def test_a_trial_warns_if_it_is_not_applied(trained):
    small, large = (trained("pytorch", "algoperf", "v1.0", dropout_rate=rate) for rate in (0.1, 0.6))
    assert small[1] == large[1]
    assert "WARNING: dropout_rate 0.6 of the trial's point is not applied in version v1.0" in large[2]


def test_the_second_rate_of_v05_is_not_applied_and_said_so(trained):
    code, _, printed = trained("pytorch", "algorithmic_efficiency", "v0.5", dropout_rate=0.1, aux_dropout_rate=0.2)
    assert code == 0
    assert "WARNING: aux_dropout_rate 0.2 of the trial's point is not applied" in printed


@pytest.mark.parametrize("rate", ["0.1", 1.5, True])
def test_a_rate_that_is_none_is_refused(trained, rate):
    code, _, printed = trained("pytorch", "algoperf", "v0.6", dropout_rate=rate)
    assert code == 2
    assert "a number from 0 to below 1" in printed
