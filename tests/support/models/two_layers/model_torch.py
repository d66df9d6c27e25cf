"""A dense network with batch normalisation and dropout."""

import math

from layers import WIDTH
from torch import nn


def build(task):
    num_inputs = math.prod(task.inputs.shape[1:])
    hidden = (nn.Linear(num_inputs, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout(0.1))
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(WIDTH, task.num_outputs))
