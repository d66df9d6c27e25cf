"""Parts of the speech workloads against the reference: features, SpecAugment, the loss, decoding and error rates."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

import golden
from algoperf.data.audio import log_mel
from algoperf.data.audio.spec_augment import LONGEST_FREQUENCY_MASK, LONGEST_TIME_MASK
from algoperf.data.contracts import Padded
from algoperf.data.text.sentence_piece import Tokenizer
from algoperf.metrics.word_error_rate import TranscriptMetrics, collapse, num_edits, published_words

needs_goldens = pytest.mark.skipif(not golden.COMPLETE, reason=f"no golden files at {golden.FOLDER}")


class Jax:
    name = "jax"

    def __init__(self):
        import jax
        import jax.numpy as jnp

        from algoperf.frameworks.jax.losses import LOSSES
        from algoperf.frameworks.jax.models.speech import features

        self.tensor, self.losses = jnp.asarray, LOSSES
        self.features, self.masked = jax.jit(features.features), features.masked


class Torch:
    name = "torch"

    def __init__(self):
        import torch

        from algoperf.frameworks.torch.losses import LOSSES
        from algoperf.frameworks.torch.models.speech import features

        self.tensor, self.losses = torch.as_tensor, LOSSES
        self.features, self.masked = features.LogMel(), features.masked


@pytest.fixture(scope="module", params=[Jax, Torch], ids=["jax", "pytorch"])
def side(request):
    return request.param()


def features_of(side, audio, paddings):
    tensors = (side.tensor(np.asarray(array, np.float32)) for array in (audio, paddings))
    return tuple(np.asarray(part) for part in side.features(*tensors))


def test_mel_filters():
    weights = log_mel.mel_filters()
    assert weights.shape == (257, 80)
    assert weights.sum() == pytest.approx(234.948, abs=1e-3)
    assert np.flatnonzero(weights.any(axis=1))[[0, -1]].tolist() == [5, 243]
    counts = np.count_nonzero(weights, axis=0)
    assert (counts.min(), counts.max()) == (1, 15)


def test_features_of_noise(side):
    """Numbers of the specification: 20 seconds of noise."""
    audio = np.random.RandomState(0).randn(1, 320_000).astype(np.float32) * 1000
    found, paddings = features_of(side, audio, np.zeros_like(audio))
    assert found.shape == (1, 1998, 80)
    assert not paddings.any()
    assert found.mean() == pytest.approx(1.15940, abs=1e-5)
    assert found.std() == pytest.approx(0.733426, abs=1e-5)
    np.testing.assert_allclose(found[0, 0, :4], [0.25597, 0.17447, 0.10974, -0.00985], atol=5e-5)
    np.testing.assert_allclose(found[0, 1000, 40:44], [1.08696, 1.11486, 1.46602, 1.22663], atol=5e-5)


def test_padding_of_frames(side):
    """A frame is padding if all of its samples are."""
    lengths = np.array([0, 1, 159, 160, 161, 4_000, 9_000])
    paddings = np.arange(9_000) >= lengths[:, np.newaxis]
    found, behind = features_of(side, np.ones((7, 9_000)), paddings)
    assert found.shape[1] == log_mel.num_frames(9_000) == 54
    expected = [0, 1, 1, 1, 2, 25, 54]
    assert (behind == 0).sum(axis=1).tolist() == expected
    silence = (math.log(log_mel.FLOOR) - log_mel.MEAN) / log_mel.STDDEV
    np.testing.assert_allclose(found[0, -1], silence, rtol=1e-5)


@needs_goldens
def test_features(side):
    inputs = golden.arrays("forward/inputs/librispeech.common.seed0")
    found, paddings = features_of(side, inputs["inputs"], inputs["input_paddings"])
    stored = golden.arrays("forward/librispeech_frontend")
    every = golden.read("forward/librispeech_frontend")["seed0"][f"{side.name}_k"]
    np.testing.assert_array_equal(paddings, stored[f"seed0_{side.name}_paddings"])
    np.testing.assert_allclose(golden.thinned(found, every), stored[f"seed0_{side.name}_features_every_k"], atol=2e-4)


def test_spec_augment(side):
    info, uniform = golden.read("pipelines/specaug"), golden.arrays("pipelines/specaug")
    lengths = side.tensor(np.array(info["lengths"], np.float32)[:, np.newaxis])
    numbers = {
        kind: side.tensor(np.stack([uniform[f"{kind}_sizes"], uniform[f"{kind}_starts"]]))
        for kind in ("time", "frequency")
    }
    frames = side.masked(numbers["time"], lengths, LONGEST_TIME_MASK * lengths, info["shape"][1])
    bins = side.masked(numbers["frequency"], log_mel.NUM_BINS, LONGEST_FREQUENCY_MASK, log_mel.NUM_BINS)
    assert [np.flatnonzero(row).tolist() for row in np.asarray(frames)] == info["masked_frames"]
    assert [np.flatnonzero(row).tolist() for row in np.asarray(bins)] == info["masked_bins"]


@needs_goldens
def test_ctc(side):
    """Short, empty and impossible alignments among them; impossible ones cost 1e5 in JAX, infinity in PyTorch."""
    arrays = golden.arrays("metrics/ctc")
    pairs = [
        tuple(side.tensor(arrays[name]) for name in names)
        for names in (("targets", "target_paddings"), ("logits", "logit_paddings"))
    ]
    loss = side.losses["ctc"]
    found = loss.summarise(pairs[0], loss.per_example(*pairs, 0.0), None, None)
    np.testing.assert_allclose(np.asarray(found["per_example"]), arrays[f"{side.name}_nomask_per_example"], rtol=1e-5)
    assert float(found["n_valid_examples"]) == golden.read("metrics/ctc")[f"{side.name}_nomask"]["n_valid_examples"]


@needs_goldens
def test_greedy_decoding():
    arrays = golden.arrays("metrics/ctc")
    best = arrays["logits"].argmax(axis=-1) * (arrays["logit_paddings"] == 0)
    for row, expected, paddings in zip(best, arrays["jax_decoded"], arrays["jax_decoded_paddings"], strict=True):
        assert collapse(row) == expected[paddings == 0].tolist()
    battery = arrays["battery_logits"].argmax(axis=-1) * (arrays["battery_paddings"] == 0)
    for batch, expected in zip(battery, arrays["battery_torch_decoded"], strict=True):
        assert [collapse(row) for row in batch] == [row[row > 0].astype(int).tolist() for row in expected]


def test_word_errors():
    """As published, and of the texts alone."""
    info = golden.read("metrics/wer")
    totals = np.zeros(2)
    for pair in info["pairs"]:
        found, expected = pair["hyp_text"], pair["ref_text"]
        words = published_words(expected)
        assert words == pair["ref_string_scored"].split()
        errors = num_edits(published_words(found), words)
        assert (errors, len(words)) == (pair["word_errors"], pair["num_words"])
        plain = num_edits(found.split(), expected.split())
        assert (plain, len(expected.split())) == (pair["plain_word_errors"], pair["plain_num_words"])
        totals += errors, len(words)
    assert totals.tolist() == [info["batch_total"]["word_errors"], info["batch_total"]["num_words"]]
    for found, expected, count in info["edit_distance_src_tgt_value"]:
        assert num_edits(found.split(), expected.split()) == count


@needs_goldens
def test_from_logits_to_the_error_rate():
    """With the tokenizer that the reference trained."""
    info, arrays = golden.read("pipelines/speech_decode"), golden.arrays("pipelines/speech_decode")
    tokenizer = Tokenizer((golden.ROOT / info["model_file"]).read_bytes())
    for entry in info["encode"]:
        assert tokenizer.encode(entry["text"]) == entry["ids"]
    for entry in info["decode"]:
        assert tokenizer.decode(entry["ids"]) == entry["decoded"]
    metrics = TranscriptMetrics(tokenizer)
    lengths = (arrays["target_paddings"] == 0).sum(axis=1)
    batch = {"targets": Padded(arrays["targets"], lengths), "real": np.ones(len(lengths), bool)}
    classes = arrays["logits"].argmax(axis=-1) * (arrays["logit_paddings"] == 0)
    expected = info["greedy_and_wer"]["jax"]
    assert [collapse(row) for row in classes] == expected["decoded_ids"]
    metrics.add({"ctc_loss": np.float32(30), "num_tokens": np.float32(10), "classes": classes}, batch)
    results = metrics.result(len(lengths))
    assert results["wer"] == pytest.approx(expected["wer"], rel=1e-12)
    assert results["ctc_loss"] == 3


def test_padding_rows_are_not_counted_and_processes_add_up():
    tokenizer = SimpleNamespace(decode=lambda ids: " ".join("ABCDEF"[label] for label in ids))
    batch = {"targets": Padded(np.array([[1, 2], [3, 4], [5, 0]]), np.array([2, 2, 1])), "real": np.arange(3) < 2}
    outputs = {
        "ctc_loss": np.float32(6),
        "num_tokens": np.float32(4),
        "classes": np.array([[1, 1, 2], [3, 0, 3], [0] * 3]),
    }
    one, other = TranscriptMetrics(tokenizer), TranscriptMetrics(tokenizer)
    for metrics in (one, other):
        metrics.add(outputs, batch)
    one.merge(other)
    assert one.result(4) == {"ctc_loss": 1.5, "wer": 2 * 1 / (2 * (4 + 4)), "wer_plain": 2 / 8}
