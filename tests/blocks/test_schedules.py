"""Schedules in closed form, at the points where they bend."""

import math

import numpy as np

from algoperf.blocks.schedules import slow_average, warmup_constant, warmup_cosine, warmup_linear


def test_warmup_cosine():
    rates = [warmup_cosine(step, 2.0, 10, 110) for step in (0, 5, 10, 60, 110, 200)]
    np.testing.assert_allclose(rates, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0], atol=1e-15)
    assert warmup_cosine(0, 2.0, 0, 100) == 2.0


def test_warmup_linear():
    rates = [warmup_linear(step, 2.0, 10, 110, 0.5, 0.1) for step in (0, 5, 10, 35, 60, 200)]
    np.testing.assert_allclose(rates, [0.0, 1.0, 2.0, 1.1, 0.2, 0.2], atol=1e-15)


def test_warmup_constant():
    rates = [warmup_constant(step, 2.0, 4) for step in (0, 1, 3, 4, 1000)]
    np.testing.assert_allclose(rates, [0.5, 1.0, 2.0, 2.0, 2.0], atol=1e-15)
    assert warmup_constant(0, 2.0, 0) == 2.0


def test_slow_average_of_ademamix():
    """From the fast average's decay to its own; its half-life is about half-way there at half of the warm-up."""
    settings = dict(beta1=0.9, beta3=0.9999, alpha=8.0, slow_warmup_steps=1000)
    assert slow_average(settings, 999) == slow_average(settings, 5000) == {"alpha": 8.0, "beta3": 0.9999}
    assert slow_average(settings, 0)["beta3"] < 0.991
    middle = slow_average(settings, 499)
    assert middle["alpha"] == 4.0
    half_life = math.log(0.5) / math.log(middle["beta3"])
    np.testing.assert_allclose(half_life, 0.5 * math.log(0.5) / math.log(0.9999), rtol=2e-3)
