"""A learned rule: a linear map from features of momentum to the size of a step, its weights in a file beside it."""

import pathlib

import flax
import jax.numpy as jnp


class Inv6:
    """Features: sign, normalised momentum, training progress."""

    num_features = 3

    def __init__(self, total_steps):
        template = {"w": jnp.zeros(self.num_features), "b": jnp.zeros(())}
        content = pathlib.Path(__file__).with_name("theta.state").read_bytes()
        self.theta = flax.serialization.from_bytes(template, content)
        self.total_steps = total_steps

    def step_of(self, moment, count):
        progress = count / self.total_steps
        scale = jnp.sqrt(jnp.mean(moment**2)) + 1e-12
        features = jnp.stack(jnp.broadcast_arrays(jnp.sign(moment), moment / scale, progress * moment / scale), -1)
        return features @ self.theta["w"] + self.theta["b"]
