"""Parts of the language model against the reference: positions, small models, and the loss of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest

import golden
from algoperf.datasets.fineweb_edu.dataset import FineWebEdu
from algoperf.metrics.perplexity import PerplexityMetrics
from algoperf.spec import ForwardPassMode
from algoperf.versions import load_version
from algoperf.workload import registry
from algoperf.workload.registry import find_workload
from contract_case import kit_of
from side import open_side

needs_goldens = pytest.mark.skipif(not golden.COMPLETE, reason=f"no golden files at {golden.FOLDER}")
SMALL = {"max_length": 64, "width": 32, "depth": 2, "mlp_dim": 256, "num_heads": 2}
VOCAB_SIZE = 101
Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=["jax", "pytorch"])
def framework(request) -> str:
    return request.param


@needs_goldens
def test_positions():
    """The reference's phases are float32: late positions of its frameworks differ."""
    blocks = golden.arrays("metrics/lm_blocks")
    table = registry.model_module(find_workload("finewebedu_lm"), "pytorch").rotary_table(1024, 128)
    positions = blocks["rope_positions"]
    for name in ("rope_jax", "rope_pytorch"):
        difference = np.abs(table[positions] - blocks[name]).max(axis=(1, 2))
        assert difference.max() < 1e-4
        assert difference[positions < 96].max() < 6e-6


def small_weights(scales: list[float]) -> Weights:
    """Weights of the small models, by PyTorch's names."""
    shapes = golden.read("metrics/lm_blocks")["tiny_model"]["names"]["pytorch"]
    rules = {name: "scale" if "norm" in name else "matrix" for name in shapes if not name.endswith("attn_scale")}
    found = {name: golden.weight(name, tuple(shapes[name]), rule, 0) for name, rule in rules.items()}
    return found | {f"layers.{i}.attn.attn_scale": np.array(scale, np.float32) for i, scale in enumerate(scales)}


def by_names_of_jax(weights: Weights) -> Weights:
    found = {"embed/embedding": weights["embed_tokens.weight"], "out_ln/scale": weights["out_norm.weight"]}
    for layer in range(SMALL["depth"]):
        own = {name.removeprefix(f"layers.{layer}."): array for name, array in weights.items()}
        heads = (SMALL["width"], SMALL["num_heads"], -1)
        parts = zip(("query", "key", "value"), np.split(own["attn.w_qkv.weight"], 3), strict=True)
        attention = {f"{name}/kernel": array.T.reshape(heads) for name, array in parts}
        attention |= {"attn_out_proj/kernel": own["attn.w_out.weight"].T, "attn_scale": own["attn.attn_scale"]}
        block = {f"CausalAttn_0/{name}": array for name, array in attention.items()}
        block |= {"Mlp_0/Dense_0/kernel": own["mlp.fc1.weight"].T, "Mlp_0/Dense_1/kernel": own["mlp.fc2.weight"].T}
        block |= {"RMSNorm_0/scale": own["attn_norm.weight"], "RMSNorm_1/scale": own["mlp_norm.weight"]}
        found |= {f"blocks_{layer}/{name}": array for name, array in block.items()}
    return found


@needs_goldens
@pytest.mark.parametrize("case", ["initial", "one", "small", "negative"])
def test_small_models(framework, case):
    """Also with negative scales, where the reference fails in JAX; the future is masked after scaling."""
    info, stored = golden.read("metrics/lm_blocks")["tiny_model"], golden.arrays("metrics/lm_blocks")
    changes = {"dataset": FineWebEdu(length=64, vocab_size=VOCAB_SIZE), "model": SMALL}
    side = open_side(framework, find_workload("finewebedu_lm").with_fields(changes))
    weights = small_weights(info["cases"][case]["attn_scale"])
    side.load(weights if framework == "pytorch" else by_names_of_jax(weights), np.float32)
    assert len(side.listing()[0]) == len(info["names"][framework])
    for logits in side.logits({"inputs": side.tensor(stored["tiny_inputs"])}).values():
        expected = stored[f"tiny_{case}_float64"]
        found = np.array(logits.tolist())
        assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


class Given:
    """A workload whose model has fixed logits."""

    def __init__(self, framework, logits):
        from algoperf.frameworks import load_backend

        limits = load_version("v1.0").limits("finewebedu_lm")
        self.loss_fn = load_backend(framework).bind(find_workload("finewebedu_lm"), limits).loss_fn
        self.logits = logits

    def model_fn(self, params, batch, model_state, mode, rng, update_batch_norm):
        assert mode is ForwardPassMode.EVAL
        return self.logits, None


def test_perplexity_of_batches(framework):
    """Batch by batch, with padding in the last one, as the reference adds them up."""
    from algoperf.frameworks.steps import STEPS

    info, stored, tensor = golden.read("metrics/lm_eval"), golden.arrays("metrics/lm_eval"), kit_of(framework).tensor
    metrics, published = PerplexityMetrics(), info[framework]["targets_valid"]
    for number, expected in enumerate(published["per_batch"]):
        batch = {name: tensor(stored[name][number]) for name in ("targets", "weights")}
        batch["targets"] = tensor(stored["targets"][number].astype(kit_of(framework).integer))
        given = Given(framework, tensor(stored["logits"][number].astype(np.float32)))
        outputs = {
            name: np.asarray(value) for name, value in STEPS["token_loss"](given, None, None, batch, None).items()
        }
        assert outputs["loss"] == pytest.approx(expected["loss"], rel=1e-6)
        assert outputs["num_tokens"] == expected["denominator"]
        part = PerplexityMetrics()
        part.add(outputs, batch)
        metrics.merge(part)
    assert metrics.result(9) == pytest.approx(published["result"], rel=1e-6)
    assert metrics.result(9) == pytest.approx({key: info["float64"][key] for key in ("loss", "ppl")}, rel=1e-6)


def test_when_the_target_is_reached():
    limits = load_version("v1.0").limits("finewebedu_lm")
    for value, reached in golden.read("metrics/lm_eval")["targets_reached"].items():
        assert [limits.reached(float(value))] * 2 == reached


def test_a_loss_beyond_all_bounds():
    """A model that diverges has an infinite perplexity, and one without a loss has none; neither raises."""
    for loss, expected in ((1e4, np.inf), (np.nan, np.nan)):
        metrics = PerplexityMetrics()
        metrics.add({"loss": np.array(loss), "num_tokens": np.array(1.0)}, {})
        np.testing.assert_equal(metrics.result(1), {"loss": loss, "ppl": expected})
