"""The speech models: what must not matter does not, augmentation follows the key, and the LSTM is an LSTM."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from algoperf import random_utils
from algoperf.spec import ForwardPassMode
from algoperf.workload.registry import find_workload
from bound_workload import bind

TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL
CUBES = ("librispeech_conformer", "librispeech_deepspeech")


class Model:
    """A model of one framework, and its passes as numpy."""

    def __init__(self, name: str, framework: str, **settings):
        random_utils.use_framework(framework)
        self.workload = bind(name, "mini", framework, **settings)
        self.params, self.state = self.workload.init_model_fn(random_utils.PRNGKey(0))
        self.passes = {mode: functools.partial(self._forward, mode) for mode in (TRAIN, EVAL)}
        if framework == "jax":
            import jax

            self.passes = {mode: jax.jit(forward) for mode, forward in self.passes.items()}

    def _forward(self, mode, batch, key):
        args = (self.params, batch, self.state, mode, key, mode is TRAIN)
        return self.workload.model_fn(*args, dropout_rate=0.0)[0]

    def batch(self, lengths, num_samples=8_000):
        """The same noise, of these lengths."""
        rng = np.random.default_rng(0)
        audio = rng.normal(size=(len(lengths), 8_000), scale=1000).astype(np.float32)[:, :num_samples]
        paddings = (np.arange(num_samples) >= np.array(lengths)[:, np.newaxis]).astype(np.float32)
        if self.workload.framework == "pytorch":
            import torch

            audio, paddings = torch.from_numpy(audio), torch.from_numpy(paddings)
        return {"inputs": (audio, paddings)}

    def logits(self, lengths, mode=EVAL, seed=0, num_samples=8_000):
        """Logits of the same noise, of these lengths."""
        logits, behind = self.passes[mode](self.batch(lengths, num_samples), random_utils.PRNGKey(seed))
        return np.array(logits.tolist()), np.array(behind.tolist())


@pytest.fixture(
    scope="module", params=[(name, framework) for name in CUBES for framework in ("jax", "pytorch")], ids="-".join
)
def model(request) -> Model:
    return Model(*request.param)


def test_rows_do_not_depend_on_each_other_or_on_padding(model):
    """In evaluations. A row without any sound gives numbers too: batches are padded with such rows."""
    logits, behind = model.logits([8_000, 5_000, 3_000])
    assert (behind == 0).sum(axis=1).tolist() == [12, 8, 5]
    # 40 frames in place of 48: the convolutions pad even numbers alike.
    shorter, _ = model.logits([5_000, 5_000, 3_000], num_samples=6_700)
    for row in (1, 2):
        real = behind[row] == 0
        np.testing.assert_allclose(shorter[row][: real.sum()], logits[row][real], rtol=1e-4, atol=1e-4)
    with_empty, behind = model.logits([8_000, 5_000, 0])
    assert behind[2].all()
    assert np.isfinite(with_empty).all()
    np.testing.assert_allclose(with_empty[:2], logits[:2], rtol=1e-4, atol=1e-4)


def test_the_key_decides_what_is_masked(model):
    """In training only; PyTorch's own generator does not matter."""
    first = model.logits([8_000, 7_000], TRAIN, seed=1)[0]
    if model.workload.framework == "pytorch":
        import torch

        torch.manual_seed(99)
    np.testing.assert_array_equal(model.logits([8_000, 7_000], TRAIN, seed=1)[0], first)
    assert np.abs(model.logits([8_000, 7_000], TRAIN, seed=2)[0] - first).max() > 1e-3
    evaluated = model.logits([8_000, 7_000], seed=1)[0]
    np.testing.assert_array_equal(model.logits([8_000, 7_000], seed=2)[0], evaluated)


@pytest.mark.parametrize("name", CUBES)
def test_backward_passes_keep_one_output_of_convolutions(name):
    """PyTorch: the first one, with its margin, is most of the memory of a step at full size."""
    import torch

    model = Model(name, "pytorch")
    kept = {}

    def pack(tensor):
        if tensor.ndim == 4 and tensor.shape[:2] == (2, model.workload.definition.model["encoder_dim"]):
            kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model._forward(TRAIN, model.batch([8_000, 7_000]), random_utils.PRNGKey(0))
    assert [tuple(tensor.shape[2:]) for tensor in kept.values()] == [(25, 41)]
    assert logits[0].requires_grad


def test_number_of_masks():
    """Of time and of frequency, as published: in the base, and in the variant that has more. At scale mini, fewer."""
    names = (*CUBES, "librispeech_deepspeech_norm_and_spec_aug")
    for scale, expected in (("full", [(10, 2), (10, 2), (15, 4)]), ("mini", [(2, 1), (2, 1), (3, 2)])):
        models = [find_workload(name).at(scale).model for name in names]
        assert [(model["time_mask_count"], model["freq_mask_count"]) for model in models] == expected
