"""A workload in one framework, and what the contract tests need to know about each framework."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algoperf import random_utils
from algoperf.data.contracts import Dataset, dataset_dir
from algoperf.spec import ForwardPassMode, ParameterType
from algoperf.trial.evaluation import SPLITS
from bound_workload import SMALL_MODELS, WithData, find
from clicks_kind import Clicks
from contract_kinds import Classification, MultiLabelGraphs, Reconstruction, one_array
from probe_kinds import PROBE_KINDS
from speech_kind import Speech
from text_kind import Text
from translation_kind import Translation

ROWS = [
    ("digits", "full"),
    ("mnist", "mini"),
    ("cifar", "mini"),
    ("imagenet_resnet", "mini"),
    ("imagenet_vit", "mini"),
    ("ogbg", "mini"),
    ("fastmri", "mini"),
    ("librispeech_conformer", "mini"),
    ("librispeech_deepspeech", "mini"),
    ("finewebedu_lm", "mini"),
    ("criteo1tb", "mini"),
    ("wmt", "mini"),
    *((name, "mini") for name in PROBE_KINDS),
]
SPEECH = Speech(num_samples=8_000, num_frames=12, num_tokens=16, vocab_size=24)
KINDS = {
    "imagenet_vit": Classification(mixed=True),
    "ogbg": MultiLabelGraphs(),
    "fastmri": Reconstruction(),
    "librispeech_conformer": SPEECH,
    "librispeech_deepspeech": SPEECH,
    "finewebedu_lm": Text(length=64, vocab_size=432),
    "criteo1tb": Clicks(),
    "wmt": Translation(num_tokens=32, vocab_size=96),
    **PROBE_KINDS,
}
DEFAULT_KIND = Classification()
LOSSES = {"classes": ("digits", "full"), "labels": ("ogbg", "mini")}  # one of the rows for each loss function
FRAMEWORKS = ("jax", "pytorch")
TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL
BATCH_SIZE = 16


def noise(shape):
    return np.random.default_rng(0).normal(size=shape, scale=0.1).astype(np.float32)


class Jax:
    """What the tests need to know about JAX."""

    def __init__(self):
        import jax

        self.jax = jax
        self.tensor_type = jax.Array
        self.tensor = jax.numpy.asarray
        self.integer = np.int32
        self.compile = jax.jit

    def seed_dropout(self, seed):
        """Do nothing: the key determines dropout."""

    def key(self, seed):
        return self.jax.random.PRNGKey(seed)

    def parameters(self, params):
        leaves = self.jax.tree_util.tree_leaves_with_path(params)
        return {"/".join(entry.key for entry in path): np.asarray(leaf) for path, leaf in leaves}

    def statistics(self, params, model_state):
        return self.parameters(model_state)

    def stir(self, params, chosen):
        for name in filter(chosen, params):
            params[name] = self.jax.tree.map(lambda leaf: leaf + noise(leaf.shape), params[name])

    def output_candidates(self, params):
        return list(params)

    def losses(self):
        from algoperf.frameworks.jax.losses import LOSSES

        return LOSSES


class Torch:
    """What the tests need to know about PyTorch."""

    def __init__(self):
        import torch

        self.torch = torch
        self.tensor_type = torch.Tensor
        self.tensor = torch.as_tensor
        self.integer = np.int64

    def compile(self, function):
        """It runs as it is."""
        return function

    def seed_dropout(self, seed):
        self.torch.manual_seed(seed)

    def key(self, seed):
        random_utils.use_framework("pytorch")
        return random_utils.PRNGKey(seed)

    def parameters(self, params):
        return {name: param.detach().numpy().copy() for name, param in params.named_parameters()}

    def statistics(self, params, model_state):
        return {name: b.numpy().copy() for name, b in params.named_buffers() if "running" in name}

    def stir(self, params, chosen):
        with self.torch.no_grad():
            for name, param in params.named_parameters():
                if chosen(name):
                    param.add_(self.torch.from_numpy(noise(param.shape)))

    def output_candidates(self, params):
        return [name for name, _ in params.named_parameters()]

    def losses(self):
        from algoperf.frameworks.torch.losses import LOSSES

        return LOSSES


@dataclass
class Case:
    """A workload in one framework, and helpers that are the same for both."""

    workload: Any
    framework: str
    kit: Any
    opened: WithData
    compiled: dict[tuple, Any] = field(default_factory=dict)

    @property
    def kind(self):
        """What the tests need to know about its kind of task."""
        return KINDS.get(self.workload.definition.name, DEFAULT_KIND)

    def init(self, seed=0):
        return self.workload.init_model_fn(self.kit.key(seed))

    @property
    def splits(self):
        """What metrics are called -> the split, of the splits that the workload has."""
        definition = self.workload.definition
        return {label: split for label, split in SPLITS.items() if definition.num_examples(split) is not None}

    def train_batch(self):
        return next(self.opened.queue(BATCH_SIZE))

    def eval_batch(self):
        return self.opened.first_evaluated("validation", BATCH_SIZE)

    def stirred(self, seed=0):
        """A model with a nonzero output layer, so that logits depend on inputs: some models start with zeros there."""
        params, model_state = self.init(seed)
        self.kit.stir(params, self.workload.is_output_params)
        return params, model_state

    def forward(self, model, batch, mode, *, seed=0, compiled=True, constants=None, update_batch_norm=True, **dropout):
        """Logits as one numpy array, and the new model state.

        JAX compiles it unless told not to: a dropout rate is an argument of the program, `constants` are part of it.
        """
        constants = {"update_batch_norm": update_batch_norm, **(constants or {})}

        def model_fn(params, batch, model_state, key, dropout):
            return self.workload.model_fn(params, batch, model_state, mode, key, **constants, **dropout)

        if compiled:
            model_fn = self.compiled.setdefault((mode, *constants.items()), self.kit.compile(model_fn))
        self.kit.seed_dropout(seed)
        params, model_state = model
        logits, state = model_fn(params, batch, model_state, self.kit.key(seed), dropout)
        return one_array(logits), state

    def tensor(self, value):
        """An array, or nested tuples of them, as tensors."""
        return tuple(map(self.tensor, value)) if isinstance(value, tuple) else self.kit.tensor(value)

    def loss(self, name, labels, logits, mask, smoothing):
        """One of the framework's losses, on numpy arrays."""
        loss, tensor = self.kit.losses()[name], self.kit.tensor
        labels, logits, mask = tensor(labels), tensor(logits), None if mask is None else tensor(mask)
        losses = loss.per_example(labels, logits, smoothing)
        return loss.summarise(labels, losses, mask, self.workload._constant)

    def evaluate(self, model, batch_size, step=0):
        return self.opened.evaluate(*model, self.kit.key(0), step, batch_size)

    def needs(self, kind: ParameterType):
        """Skip models without parameters of this type."""
        self.init()
        types = self.workload.model_params_types
        leaves = types.values() if self.framework == "pytorch" else self.kit.jax.tree.leaves(types)
        if kind not in leaves:
            pytest.skip(f"{self.workload.definition.name} has no {kind.name}")


@functools.cache
def kit_of(framework: str) -> Jax | Torch:
    return {"jax": Jax, "pytorch": Torch}[framework]()


def open_case(name: str, scale: str, framework: str, prepare: Callable[[Dataset, str], Path]) -> Case:
    """A row of the table, with its data."""
    dataset = find(name, scale).dataset
    data_dir = dataset_dir(prepare(dataset, scale), dataset, scale)
    opened = WithData.open(name, scale, framework, data_dir, **SMALL_MODELS.get(name, {}))
    return Case(opened.workload, framework, kit_of(framework), opened)
