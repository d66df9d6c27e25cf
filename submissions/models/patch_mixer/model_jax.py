# SPDX-License-Identifier: Apache-2.0
"""Convolutions on patches: most of a picture's pixels are folded into channels by the first layer.

A ResNet for small pictures keeps their size for its first stages, where most of its time goes. This model sees
patches of four by four pixels, and then has only a sixteenth of the places; ConvMixer (https://arxiv.org/abs/2201.09792)
is the larger relative.
"""

from __future__ import annotations

import flax.linen as nn
import jax

from algoperf.task import Task


class PatchMixer(nn.Module):
    """Blocks of a depthwise convolution and a dense layer on patches; then the mean over places."""

    width: int
    num_blocks: int
    patch_size: int
    num_outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """Pictures (B, H, W, C) to logits (B, num_outputs)."""

        def normalised(x: jax.Array) -> jax.Array:
            return nn.BatchNorm(use_running_average, momentum=0.9)(nn.gelu(x))

        x = normalised(nn.Conv(self.width, (self.patch_size,) * 2, strides=self.patch_size)(x))
        for _ in range(self.num_blocks):
            x = x + normalised(nn.Conv(self.width, (3, 3), feature_group_count=self.width)(x))
            x = normalised(nn.Dense(self.width)(x))
        return nn.Dense(self.num_outputs)(x.mean((1, 2)))


def build(task: Task) -> nn.Module:
    """The model for a task from pictures (NHWC) to classes."""
    if len(task.inputs.shape) != 4 or task.num_classes is None:
        raise ValueError(f"{task.name} is not a task from pictures to classes")
    is_mini = task.scale == "mini"
    return PatchMixer(
        width=64 if is_mini else 256,
        num_blocks=2 if is_mini else 8,
        patch_size=4 if task.inputs.shape[1] <= 64 else 16,
        num_outputs=task.num_outputs,
    )
