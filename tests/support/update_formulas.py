"""The baselines' update rules as formulas in NumPy, in float64, and a problem to run them on.

Written from the papers and the benchmark's description, not from any library: the reference for test_update_rules.py.
A rule is a function `(params, gradient, rate, t, s, state)`: dicts of arrays by name, a function from params to
gradients, the learning rate, the number of the update from 1, the settings, and a dict for whatever the rule keeps. It
returns new parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NUM_STEPS, EVALUATED, STEP_HINT, NUM_ROWS = 60, (30, 60), 70, 8
Arrays = dict[str, np.ndarray]

# In JAX's layout: inputs before outputs.
SHAPES = {"conv": (3, 3, 4, 5), "embedding": (7, 3), "matrix": (8, 6), "vector": (6,)}
# One half of the batch has more valid rows, so the mean of the halves' means is not the mean over all rows.
MASK = np.array([1, 1, 1, 1, 1, 0, 0, 1], np.float64)


def initial() -> Arrays:
    """Initial parameters; the vector is 0, like biases."""
    rng = np.random.default_rng(1)
    params = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    return {**params, "vector": np.zeros(SHAPES["vector"])}


def curvature() -> Arrays:
    """Second derivatives of the quadratic loss."""
    rng = np.random.default_rng(2)
    return {name: rng.uniform(0.2, 2.0, shape) for name, shape in SHAPES.items()}


def targets(step: int) -> Arrays:
    """Per example, the parameters at which its loss is 0: arrays (NUM_ROWS, *shape), different at each step."""
    rng = np.random.default_rng([3, step])
    return {name: 0.5 + rng.standard_normal((NUM_ROWS, *shape)) for name, shape in SHAPES.items()}


def gradient_at(step: int) -> Callable[[Arrays], Arrays]:
    """The gradient, by parameters, of the mean loss over valid rows: sum of curvature / 2 * (param - target)^2."""
    means = {name: np.tensordot(MASK, rows, 1) / MASK.sum() for name, rows in targets(step).items()}
    scale = curvature()
    return lambda params: {name: scale[name] * (params[name] - means[name]) for name in params}


def norm(arrays: Arrays) -> float:
    """The Euclidean norm of all arrays together."""
    return math.sqrt(sum(float(np.sum(array**2)) for array in arrays.values()))


# --- schedules ------------------------------------------------------------------------------------------------


def cosine(s: dict, k: int) -> float:
    """Linear up to step w, then half a cosine."""
    w = int(s["warmup_factor"] * STEP_HINT)
    if k < w:
        return s["learning_rate"] * k / w
    return s["learning_rate"] / 2 * (1 + math.cos(math.pi * (k - w) / (STEP_HINT - w)))


def linear(s: dict, k: int) -> float:
    """Linear up to step w, then linear down."""
    w = int(s["warmup_factor"] * STEP_HINT)
    if k < w:
        return s["learning_rate"] * k / w
    share = min(1.0, (k - w) / int((STEP_HINT - w) * s["decay_steps_factor"]))
    return s["learning_rate"] * (1 - share * (1 - s["end_factor"]))


def constant(s: dict, k: int) -> float:
    """Linear up from a nonzero first step, then constant."""
    return s["learning_rate"] * min(1.0, (k + 1) / int(s["warmup_factor"] * STEP_HINT))


# --- rules ----------------------------------------------------------------------------------------------------


def each(rule: Callable[..., np.ndarray]) -> Callable[..., Arrays]:
    """Make a rule for all tensors from a function `(name, p, g, rate, t, s, state)` for one."""

    def step(params: Arrays, gradient: Any, rate: float, t: int, s: dict, state: dict) -> Arrays:
        grads = gradient(params)
        return {name: rule(name, p, grads[name], rate, t, s, state.setdefault(name, {})) for name, p in params.items()}

    return step


def ema(state: dict, key: str, value: Any, decay: float) -> Any:
    state[key] = decay * state.get(key, np.zeros_like(value)) + (1 - decay) * value
    return state[key]


def adam_parts(g: np.ndarray, t: int, s: dict, state: dict, beta1: float | None = None):
    """Bias-corrected momentum of Adam and of NAdamW, and Adam's denominator."""
    b1, b2 = beta1 or 1 - s["one_minus_beta1"], s["beta2"]
    m, v = ema(state, "m", g, b1), ema(state, "v", g**2, b2)
    n = b1 * m + (1 - b1) * g
    return m / (1 - b1**t), n / (1 - b1**t), np.sqrt(v / (1 - b2**t)) + 1e-8


def adamw(name, p, g, rate, t, s, state):
    m_hat, _, root = adam_parts(g, t, s, state)
    return p - rate * (m_hat / root + s["weight_decay"] * p)


def nadamw(name, p, g, rate, t, s, state):
    _, n_hat, root = adam_parts(g, t, s, state)
    return p - rate * (n_hat / root + s["weight_decay"] * p)


def cautious_nadamw(name, p, g, rate, t, s, state):
    _, n_hat, root = adam_parts(g, t, s, state)
    mask = (n_hat * g > 0).astype(float)
    return p - rate * (n_hat / root * mask / max(mask.mean(), 1e-3) + s["weight_decay"] * p)


def ema_nadamw(params, gradient, rate, t, s, state):
    new = each(nadamw)(params, gradient, rate, t, s, state)
    decay = min(s["ema_decay"], (1 + t) / (10 + t))
    old = state.get("average", params)
    state["average"] = {name: decay * old[name] + (1 - decay) * new[name] for name in new}
    return new


def momentum(name, p, g, rate, t, s, state):
    d = g + s["weight_decay"] * p
    state["m"] = (1 - s["one_minus_beta1"]) * state.get("m", 0.0) + d
    return p - rate * state["m"]


def nesterov(name, p, g, rate, t, s, state):
    d, mu = g + s["weight_decay"] * p, 1 - s["one_minus_beta1"]
    state["m"] = mu * state.get("m", 0.0) + d
    return p - rate * (d + mu * state["m"])


def lamb(name, p, g, rate, t, s, state):
    m_hat, _, root = adam_parts(g, t, s, state)
    u = m_hat / root + s["weight_decay"] * p
    lengths = np.linalg.norm(p), np.linalg.norm(u)
    return p - rate * (lengths[0] / lengths[1] if all(lengths) else 1.0) * u


def adafactor(name, p, g, rate, t, s, state):
    b1 = 1 - s["one_minus_beta1"]
    d = 0.99 * (1 - 0.99 ** (t - 1)) / (1 - 0.99**t)
    squares = g**2 + 1e-30
    if g.ndim >= 2:
        rows, columns = ema(state, "r", squares.mean(-1), d), ema(state, "c", squares.mean(-2), d)
        shares = rows / rows.mean(-1, keepdims=True)
        root = np.sqrt(shares[..., :, None] * columns[..., None, :])
    else:
        root = np.sqrt(ema(state, "v", squares, d))
    x = g / root
    x = x / max(1.0, math.sqrt(np.mean(x**2)))
    return p - ema(state, "step", rate * x, b1) - s["weight_decay"] * rate * p


def sam(params, gradient, rate, t, s, state):
    grads = gradient(params)
    length = norm(grads)
    above = gradient({name: p + s["rho"] * grads[name] / length for name, p in params.items()})
    return each(adamw)(params, lambda _: above, rate, t, s, state)


def lion(name, p, g, rate, t, s, state):
    m = state.get("m", np.zeros_like(p))
    state["m"] = s["beta2"] * m + (1 - s["beta2"]) * g
    return p * (1 - rate * s["weight_decay"]) - rate * np.sign(s["beta1"] * m + (1 - s["beta1"]) * g)


def ademamix(name, p, g, rate, t, s, state):
    m_hat, _, root = adam_parts(g, t, s, state, s["beta1"])
    share = min(1.0, t / s["slow_warmup_steps"])
    b1, b3 = s["beta1"], s["beta3"]
    slow = math.exp(math.log(b1) * math.log(b3) / ((1 - share) * math.log(b3) + share * math.log(b1)))
    state["slow"] = slow * state.get("slow", 0.0) + (1 - slow) * g
    return p - rate * ((m_hat + share * s["alpha"] * state["slow"]) / root + s["weight_decay"] * p)


def orthogonalised(matrix: np.ndarray) -> np.ndarray:
    x = matrix / (np.linalg.norm(matrix) + 1e-8)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x - 4.7750 * a @ x + 2.0315 * a @ a @ x
    return x


def muon(name, p, g, rate, t, s, state):
    if name not in ("conv", "matrix"):
        return nadamw(name, p, g, rate, t, s, state)
    m = ema(state, "m", g, s["matrix_momentum"]) / (1 - s["matrix_momentum"] ** t)
    matrix = m.reshape(-1, m.shape[-1])
    num_inputs, num_outputs = matrix.shape
    update = orthogonalised(matrix).reshape(p.shape) * math.sqrt(max(1.0, num_outputs / num_inputs))
    return p - rate * s["matrix_factor"] * (update + s["matrix_weight_decay"] * p)


def schedule_free_adamw(name, p, g, rate, t, s, state):
    state.setdefault("x", p), state.setdefault("z", p)  # p is y
    b1, b2 = s["beta1"], s["beta2"]
    v, step = ema(state, "v", g**2, b2), rate * math.sqrt(1 - b2**t)
    state["z"] = state["z"] - step * s["weight_decay"] * p - step * g / (np.sqrt(v) + 1e-8)
    state["sum"] = state.get("sum", 0.0) + rate**2
    share = rate**2 / state["sum"]
    state["x"] = (1 - share) * state["x"] + share * state["z"]
    return b1 * state["x"] + (1 - b1) * state["z"]


def prodigy(params, gradient, rate, t, s, state):
    g, first = gradient(params), state.setdefault("first", params)
    b1, b2, d0 = s["beta1"], s["beta2"], s["initial_distance"]
    b3, d = math.sqrt(b2), state.get("d", d0)
    step = rate * d * math.sqrt(1 - b2**t) / (1 - b1**t)
    moved = sum(float(np.sum(g[name] * (first[name] - p))) for name, p in params.items())
    state["r"] = b3 * state.get("r", 0.0) + d / d0 * step * moved
    new = {}
    for name in params:
        own = state.setdefault(name, {"s": 0.0})
        ema(own, "m", d * g[name], b1), ema(own, "v", (d * g[name]) ** 2, b2)
        own["s"] = b3 * own["s"] + d * d / d0 * g[name]
    state["d"] = max(d, state["r"] / sum(float(np.abs(state[name]["s"]).sum()) for name in params))
    for name, p in params.items():
        own = state[name]
        new[name] = p - step * (own["m"] / (np.sqrt(own["v"]) + state["d"] * 1e-8) + s["weight_decay"] * p)
    return new


def inverse_fourth_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag((np.maximum(values, 0) + 1e-6 * values.max() + 1e-30) ** -0.25) @ vectors.T


def shampoo(name, p, g, rate, t, s, state):
    _, n_hat, root = adam_parts(g, t, s, state)
    direction = n_hat / root
    if g.ndim >= 2:
        matrix = g.reshape(-1, g.shape[-1])
        left = ema(state, "left", matrix @ matrix.T, s["beta2"])
        right = ema(state, "right", matrix.T @ matrix, s["beta2"])
        if t >= s["start_step"]:
            if (t - s["start_step"]) % s["root_every"] == 0:
                state["roots"] = inverse_fourth_root(left), inverse_fourth_root(right)
            whitened = state["roots"][0] @ n_hat.reshape(matrix.shape) @ state["roots"][1]
            direction = (whitened * np.linalg.norm(direction) / np.linalg.norm(whitened)).reshape(p.shape)
    return p - rate * (direction + s["weight_decay"] * p)


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
      step: the formula.
      settings: a point at which every part of the rule has an effect within 60 steps.
      schedule: the learning rate of step k, from 0.
      shown: the parameters to evaluate, from parameters and state.
      same_layout: whether the rule depends on which axes are last, so that PyTorch needs JAX's layout.
    """

    step: Callable[..., Arrays]
    settings: dict[str, float]
    schedule: Callable[[dict, int], float] = cosine
    shown: Callable[[Arrays, dict], Arrays] = field(default=lambda params, state: params)
    same_layout: bool = False


ADAM = {"learning_rate": 0.02, "one_minus_beta1": 0.1, "beta2": 0.98, "weight_decay": 0.1, "warmup_factor": 0.1}
SGD = {
    "learning_rate": 0.05,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.01,
    "warmup_factor": 0.1,
    "decay_steps_factor": 0.7,
    "end_factor": 0.01,
}
BETAS = {"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.98, "weight_decay": 0.1, "warmup_factor": 0.1}
RULES = {
    "adafactor": Rule(
        each(adafactor), {name: value for name, value in ADAM.items() if name != "beta2"}, same_layout=True
    ),
    "adamw": Rule(each(adamw), ADAM),
    "ademamix": Rule(
        each(ademamix), {**BETAS, "beta3": 0.99, "alpha": 5.0, "slow_warmup_steps": 40, "grad_clip": 12.0}
    ),
    "cautious_nadamw": Rule(each(cautious_nadamw), ADAM),
    "ema_nadamw": Rule(ema_nadamw, {**ADAM, "ema_decay": 0.8}, shown=lambda params, state: state["average"]),
    "lamb": Rule(each(lamb), ADAM),
    "lion": Rule(each(lion), BETAS),
    "momentum": Rule(each(momentum), SGD, linear),
    "muon": Rule(
        each(muon),
        {**ADAM, "matrix_factor": 3.0, "matrix_momentum": 0.95, "matrix_weight_decay": 0.05, "warmup_factor": 0.0},
    ),
    "nadamw": Rule(each(nadamw), ADAM),
    "nesterov": Rule(each(nesterov), SGD, linear),
    "prodigy": Rule(prodigy, {**BETAS, "learning_rate": 1.0, "initial_distance": 1e-2}),
    "sam": Rule(sam, {**ADAM, "rho": 0.5}),
    "schedule_free_adamw": Rule(
        each(schedule_free_adamw), BETAS, constant, lambda params, state: {name: state[name]["x"] for name in params}
    ),
    "shampoo": Rule(each(shampoo), {**ADAM, "start_step": 12, "root_every": 10}),
}


def run_formula(rule: Rule) -> dict[int, Arrays]:
    """The evaluated parameters after the steps in EVALUATED."""
    params, state, found = initial(), {}, {}
    for k in range(NUM_STEPS):
        gradient = gradient_at(k)
        if "grad_clip" in rule.settings:
            gradient = clipped(gradient, rule.settings["grad_clip"])
        params = rule.step(params, gradient, rule.schedule(rule.settings, k), k + 1, rule.settings, state)
        if k + 1 in EVALUATED:
            found[k + 1] = rule.shown(params, state)
    return found


def clipped(gradient: Callable[[Arrays], Arrays], limit: float) -> Callable[[Arrays], Arrays]:
    """The gradient scaled by min(1, limit / (norm + 1e-6))."""

    def limited(params: Arrays) -> Arrays:
        grads = gradient(params)
        factor = min(1.0, limit / (norm(grads) + 1e-6))
        return {name: factor * grad for name, grad in grads.items()}

    return limited


def largest_difference(found: Arrays, expected: Arrays) -> float:
    """The largest difference, relative to the largest movement of a parameter from its initial value."""
    moved = max(float(np.abs(expected[name] - start).max()) for name, start in initial().items())
    return max(float(np.abs(found[name] - expected[name]).max()) for name in expected) / moved
