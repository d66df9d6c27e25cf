"""Parts of the translation workload against the reference: packing, the loss, beam search, decoding and BLEU."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import golden
from algoperf.metrics.translation import bleu, ended
from algoperf.workload.registry import find_workload
from side import open_side

needs_goldens = pytest.mark.skipif(not golden.COMPLETE, reason=f"no golden files at {golden.FOLDER}")
FRAMEWORKS = ("jax", "pytorch")
SEARCHES = [f"case{number}" for number in range(6)]


def test_bleu():
    """Of the whole corpus, both ways, of parts, and of each pair: to the last digit."""
    info = golden.read("metrics/bleu")
    found, expected = zip(*info["pairs_hyp_ref"], strict=True)
    assert bleu(found, expected) == info["corpus_default"]["score"]
    assert bleu(expected, found) == info["corpus_swapped"]["score"]
    assert bleu(found[:10], expected[:10]) == info["first10"]["score"]
    assert bleu(found[-20:], expected[-20:]) == info["last20"]["score"]
    assert bleu([], []) == info["empty_corpus"]["score"]
    for pair, score in zip(info["pairs_hyp_ref"], info["each_pair"], strict=True):
        assert bleu(*([text] for text in pair)) == score["score"], pair


def test_end_of_sentences():
    """Cut behind the end; without an end, one token is left."""
    for ids, expected in golden.read("metrics/wmt_loss")["decode_tokens"]:
        assert " ".join(map(str, ended(np.array(ids)))) == expected


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("smoothing", ["0.0", "0.1"])
def test_loss(framework, smoothing):
    if framework == "jax":
        import jax.numpy as jnp

        from algoperf.frameworks.jax.losses import LOSSES

        tensor, integer = jnp.asarray, np.int32
    else:
        import torch

        from algoperf.frameworks.torch.losses import LOSSES

        tensor, integer = torch.as_tensor, np.int64
    info = golden.read("metrics/wmt_loss")
    expected = info[f"ls{smoothing}"]
    [stored] = golden.arrays("metrics/wmt_loss").values()
    logits, weights = tensor(stored.astype(np.float32)), tensor(np.array(info["weights"], np.float32))
    targets = tensor(np.array(info["targets"], integer))
    losses = LOSSES["tokens"].per_example(targets, logits, float(smoothing))
    for mask, summed, count in [
        (weights, expected[f"{framework.removeprefix('py')}_summed"], expected["n_valid"][0]),
        (None, *expected["jax_no_weights"]),
    ]:
        found = LOSSES["tokens"].summarise(targets, losses, mask, lambda value, like: value)
        assert float(found["summed"]) == pytest.approx(summed, rel=1e-5)
        assert float(found["n_valid_examples"]) == count
    per_example = np.asarray(losses * weights)
    np.testing.assert_allclose(per_example, expected["jax_per_example"], rtol=1e-5, atol=1e-6)


class Table:
    """A model of PyTorch that knows how often a token follows another one, (B, V, V), and has no cache."""

    def __init__(self, table):
        import torch

        self.table, self.rows = torch.from_numpy(table), torch.arange(len(table))[:, None]

    def step(self, tokens, position):
        return self.table[self.rows, tokens]

    def reorder(self, rows, num_tokens):
        assert rows.shape == (self.rows.numel() * rows.numel() // self.rows.numel(),)


def searched(framework, table, info):
    """Sequences and scores that the framework's beam search finds."""
    shape = (len(table), info["beam_size"], info["max_decode_len"])
    options = {"length_penalty": info["alpha"], "end_id": golden.read("metrics/beam_search")["eos_id"]}
    if framework == "jax":
        import jax
        import jax.numpy as jnp

        from algoperf.frameworks.jax.beam_search import beam_search

        rows = jnp.arange(len(table))[:, None]
        found = jax.jit(
            lambda table: beam_search(lambda cache, tokens, _: (table[rows, tokens], cache), (), shape, **options)
        )(table)
    else:
        import torch

        from algoperf.frameworks.torch.beam_search import beam_search

        found = beam_search(Table(table), shape, torch.device("cpu"), **options)
    return np.asarray(found.sequences), np.asarray(found.scores)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", SEARCHES)
def test_beam_search(framework, name):
    """All beams and scores. The reference repeats the end in PyTorch; here zeros follow it, as in JAX."""
    info = golden.read("metrics/beam_search")[name]
    sequences, scores = searched(framework, golden.arrays("metrics/beam_search")[f"{name}__table"], info)
    np.testing.assert_array_equal(sequences, info["jax_seqs"])
    np.testing.assert_allclose(scores, info[f"{framework.removeprefix('py')}_scores"], rtol=1e-5)


@pytest.mark.full
@needs_goldens
@pytest.mark.parametrize("name", [f"{name}.{framework}" for name in ("wmt", "wmt_post_ln") for framework in FRAMEWORKS])
def test_translations_of_the_full_model(name):
    """With a cache, from the weights of the forward files: the best beams of the reference, token by token."""
    info = golden.read(f"forward/wmt_decode.{name}")
    entries = golden.read(f"params/{info['workload']}.{info['framework']}")
    side = open_side(info["framework"], find_workload(info["workload"]))
    side.load(golden.weights(entries["params"] + entries["state"], 0), np.float32)
    batch = side.batch(golden.arrays(info["inputs_file"].removesuffix(".npz")), np.float32)
    found = side.translations(batch["inputs"], info["max_decode_len"])
    expected = np.array(info["predicted"])
    np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)


def test_packed_rows():
    """The published rows, where groups have as many pairs as rows have tokens."""
    from algoperf.data.contracts import Shard
    from algoperf.datasets.wmt import batches

    info = golden.read("pipelines/wmt_packing")
    pairs = [info["pairs_inputs_targets"][number] for number in info["pairs_kept_by_length_filter"]]
    expected = {name: np.array(rows) for name, rows in info["train_packed"]["rows"].items()}
    [count] = {len(rows) for rows in expected.values()}
    found = batches.PackedBatches(
        InMemory(info["pairs_inputs_targets"]), room=info["max_length"], seed=0, batch_size=count, shard=Shard()
    )
    assert found._rows.tolist() == info["pairs_kept_by_length_filter"]
    found._order = SimpleNamespace(indices=lambda start, number: np.arange(start, start + number) % len(pairs))
    batch = found.batch(0)
    for name, rows in expected.items():
        np.testing.assert_array_equal(batch[name], rows, err_msg=name)
    np.testing.assert_array_equal(batch["weights"], expected["targets"] > 0)


class InMemory:
    """Streams of pairs in memory."""

    def __init__(self, pairs):
        self.sides = [[np.array(pair[side], np.uint16) for pair in pairs] for side in range(2)]
        self.lengths = np.array([[len(tokens) for tokens in side] for side in self.sides])
        self.known = np.array([[np.count_nonzero(tokens) for tokens in side] for side in self.sides])

    def take(self, rows, side, counts):
        return np.concatenate([self.sides[side][row][:count] for row, count in zip(rows, counts, strict=True)])
