"""The baselines' update rules against the formulas, in float64, over 60 steps, in both frameworks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from algoperf.blocks.schedules import warmup_cosine, warmup_linear

NUM_STEPS, SHAPE = 60, (3, 4)
RATE, DECAY = 0.01, 0.1


def gradients():
    return np.random.default_rng(0).standard_normal((NUM_STEPS, *SHAPE))


def nadamw_formula(beta1=0.9, beta2=0.99, epsilon=1e-8):
    p, m, v = np.ones(SHAPE), np.zeros(SHAPE), np.zeros(SHAPE)
    for t, g in enumerate(gradients(), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        n = beta1 * m + (1 - beta1) * g
        direction = (n / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        p = p - RATE * (direction + DECAY * p)
    return p


def heavy_ball_formula(momentum=0.9):
    p, m = np.ones(SHAPE), np.zeros(SHAPE)
    for g in gradients():
        m = momentum * m + g + DECAY * p
        p = p - RATE * m
    return p


POINT = dict(one_minus_beta1=0.1, beta2=0.99, weight_decay=DECAY)
FORMULAS = {"nadamw": nadamw_formula, "momentum": heavy_ball_formula}
JAX = """
import jax, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
workload = types.SimpleNamespace(param_shapes={"w": spec.ShapeTuple(SHAPE)})
state, update = submission.init_optimizer_state(workload, None, None, point, None)
state = jax.tree.map(lambda x: x.astype(jnp.float64) if x.dtype == jnp.float32 else x, state)
p = {"w": jnp.ones(SHAPE, jnp.float64)}
for g in gradients():
    change, state = update({"w": jnp.asarray(g)}, state, p)
    p = {"w": p["w"] - RATE * change["w"]}
result = p["w"]
"""
TORCH = """
import torch
p = torch.nn.Parameter(torch.ones(SHAPE, dtype=torch.float64))
model = types.SimpleNamespace(parameters=lambda: [p])
optimizer = submission.init_optimizer_state(None, model, None, point, None)["optimizer"]
optimizer.param_groups[0]["lr"] = RATE
for g in gradients():
    p.grad = torch.from_numpy(g)
    optimizer.step()
result = p.detach()
"""
COMMON = """
import pathlib, sys, types
import numpy as np
sys.path.insert(0, "tests")
from test_baselines import POINT, RATE, SHAPE, gradients
from algoperf import spec
from algoperf.submission import load_submission
from algoperf.tuning import as_hyperparameters
submission = load_submission(pathlib.Path(sys.argv[1]))
point = as_hyperparameters(POINT)
"""


@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize("rule", sorted(FORMULAS))
def test_update_rules_equal_their_formulas(repository, rule, framework):
    code = COMMON + (JAX if framework == "jax" else TORCH) + "print(np.asarray(result).tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code, f"submissions/baselines/{rule}_{framework}"],
        capture_output=True, text=True, cwd=repository, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = np.array(eval(done.stdout))
    np.testing.assert_allclose(result, FORMULAS[rule](), rtol=1e-10, atol=0)


def test_warmup_cosine():
    rates = [warmup_cosine(step, 2.0, 10, 110) for step in (0, 5, 10, 60, 110, 200)]
    np.testing.assert_allclose(rates, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0], atol=1e-15)
    assert warmup_cosine(0, 2.0, 0, 100) == 2.0


def test_warmup_linear():
    rates = [warmup_linear(step, 2.0, 10, 110, 0.5, 0.1) for step in (0, 5, 10, 35, 60, 200)]
    np.testing.assert_allclose(rates, [0.0, 1.0, 2.0, 1.1, 0.2, 0.2], atol=1e-15)
