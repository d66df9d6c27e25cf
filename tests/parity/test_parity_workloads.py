"""Passes of every workload, in both frameworks, against what the reference implementation computed.

Cases are the files that are there: forward and backward passes in both precisions (`forward/`, `forward_f64/`). See
golden.py for the place.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from unittest import mock

import numpy as np
import pytest

import golden
from algoperf.metrics.word_error_rate import collapse
from algoperf.workload.registry import find_workload
from golden_cases import CROSSCHECK, FORWARD, PARAMS, cases, counted, has_cube, relative_difference, sized, workload_of
from golden_tables import UsedRows, has_table
from side import Losses, Side, is_paired, open_side, translates

EVALUATED_AS = {"summed_loss": "loss"}  # names of the reference's sums per batch


@pytest.mark.skipif(golden.COMPLETE, reason="there is a folder of golden files")
def test_all_golden_files():
    """In the report, this says that most cases were not there to be collected."""
    pytest.skip(f"no golden files at {golden.FOLDER} (ALGOPERF_GOLDENS): only the copies in tests/goldens are used")


@pytest.mark.parametrize("pattern", [PARAMS, CROSSCHECK, *FORWARD])
def test_golden_files_are_found(pattern):
    assert cases(pattern)


def test_all_workloads_have_cubes():
    """In the report, this names those that have none."""
    patterns = (PARAMS, CROSSCHECK, "forward/*.*.json", "forward_f64/*.json")
    workloads = {workload_of(name) for pattern in patterns for name in golden.names(pattern)}
    if missing := sorted(name for name in workloads if not has_cube(name)):
        pytest.skip(f"no cube yet for {', '.join(missing)}")


@dataclass(frozen=True)
class Tolerance:
    """Largest relative errors; for a gradient's probe, relative to the gradient's norm."""

    eval_logits: float
    train_logits: float
    loss: float
    gradient: float
    state: float
    probe: float | None = None  # by default that of gradients


# As the golden files' own description advises for float32, and what float64 allows.
SINGLE = Tolerance(eval_logits=1e-4, train_logits=1e-3, loss=1e-4, gradient=1e-2, state=1e-4)
DOUBLE = Tolerance(eval_logits=1e-10, train_logits=1e-10, loss=1e-10, gradient=1e-8, state=1e-10)
# With a batch of three, float32 knows the gradients of these to a few per cent, and their norms better.
UNSTABLE = {
    **dict.fromkeys(  # their probes are compared in float64
        ("imagenet_resnet", "imagenet_resnet_large_bn_init"), dataclasses.replace(SINGLE, gradient=5e-2, probe=np.inf)
    ),
    # Nothing goes around six LSTMs and nine normalisations: here float32 and float64 differ by 0.7 % (base: 0.02 %),
    # and so does each of them from the reference's float32 by 1 to 2 %.
    "librispeech_deepspeech_no_resnet": dataclasses.replace(SINGLE, probe=0.1),
}
# What float64 shows. In both frameworks, the language model here divides queries and keys by norm + epsilon, as the
# reference does in JAX; its positions are known in single precision only.
DOUBLES = {
    ("finewebedu_lm", "jax"): Tolerance(1e-6, 1e-6, 1e-6, 1e-5, 1e-10),
    ("finewebedu_lm", "pytorch"): Tolerance(5e-5, 5e-5, 5e-5, 1e-3, 1e-10),
}
# The table of positions of wmt in PyTorch has phases in single precision. Its last bits depend on the instructions that
# PyTorch has for exponentials and sines: with those that the golden files were made with (AVX2 or AVX-512), float64
# agrees as elsewhere, with PyTorch's slowest ones to 6e-8.
TABLE, TABLE_SHA256 = "pos_encoder.pe", "e5944541e4fd9a79fb63a7991cb9f89ab885223f8c12572ff2342d23c818b4f9"
OTHER_TABLE = Tolerance(eval_logits=1e-7, train_logits=1e-7, loss=1e-9, gradient=1e-4, state=1e-10)

# `eval_loss` (float64 files), `train_loss_masked_ls0.1`, `eval_loss_soft_targets_masked_ls0.1`
LOSS_KEY = re.compile(r"(eval|train)_loss(?:_(soft_)?(?:targets_)?(masked|nomask)_ls(\d+\.\d+))?")


@dataclass(frozen=True)
class Computed:
    """The contents of a forward file, and the same computed here."""

    name: str
    golden: dict[str, Any]
    tolerance: Tolerance
    logits: dict[str, np.ndarray]
    paddings: dict[str, np.ndarray]  # of logits that have any
    losses: dict[str, Losses]
    num_tokens: float | None  # targets in rows that count, of batches with paddings
    real: np.ndarray | None  # which targets are no padding, where a loss belongs to each of them
    eval_step: dict[str, float]
    classes: np.ndarray | None  # of every frame, where an evaluation finds them
    updated_state: dict[str, np.ndarray]
    grad_loss: float
    gradient: dict[str, np.ndarray]
    table: UsedRows | None  # of models whose table is large

    def probe(self, name: str) -> np.ndarray:
        """The factor for the gradient of a parameter."""
        source = golden if self.table is None else self.table
        return source.probe(name, self.gradient[name].shape, self.golden["seed"])


def tolerance_of(info: dict[str, Any], double: bool, state: dict[str, np.ndarray]) -> Tolerance:
    """What is allowed for a forward file."""
    if double:
        if TABLE in state and sha256(state[TABLE].astype(np.float32).tobytes()).hexdigest() != TABLE_SHA256:
            return OTHER_TABLE
        return DOUBLES.get((info["workload"], info["framework"]), DOUBLE)
    return UNSTABLE.get(info["workload"], SINGLE)


@contextmanager
def rounded_as_published(side: Side) -> Iterator[None]:
    """Before the logits of wmt, the reference rounds to float32 in JAX, in float64 too: so does the model meanwhile."""
    if side.framework != "jax" or not translates(side):
        yield
        return
    module = type(side.workload._module)
    logits = module._logits
    with mock.patch.object(module, "_logits", lambda self, x: logits(self, x.astype(np.float32).astype(x.dtype))):
        yield


def compute(name: str) -> Computed:
    """Repeat the computation of one forward file."""
    info = golden.read(name)
    double = name.startswith("forward_f64/")
    dtype = np.float64 if double else np.float32
    entries = golden.read(f"params/{info['workload']}.{info['framework']}")
    parameters, definition = entries["params"] + entries["state"], find_workload(info["workload"])
    inputs = golden.arrays(info["inputs_file"].removesuffix(".npz"))
    table = UsedRows(parameters, inputs["inputs"]) if has_table(parameters) else None
    if table is None:
        weights = golden.weights(parameters, info["seed"])
    else:
        definition, inputs = table.applied(definition), table.renumbered(inputs)
        weights = table.weights(parameters, info["seed"])
    side = open_side(info["framework"], definition)
    with side.precision(dtype), rounded_as_published(side):
        side.load(weights, dtype)
        del weights  # as large as the model
        batch = side.batch(inputs, dtype)
        is_masked = info.get("grad_loss", {}).get("masked", True)
        passes = side.passes(batch, evaluate="eval_step" in info, masked=is_masked)
        eval_step = side.metrics(batch, passes.evaluated) if passes.evaluated else {}
        updated_state = side.state()
        losses = {}
        keys = filter(LOSS_KEY.fullmatch, info)
        if is_paired(batch):  # where the reference raises because of a mask for rows, there is a loss here
            keys = (key for key in keys if "error" not in info[key])
        for key in keys:
            mode, soft, mask, smoothing = LOSS_KEY.fullmatch(key).groups()
            with pytest.raises(ValueError, match="need a mask") if "error" in info[key] else nullcontext():
                losses[key] = side.losses(
                    batch,
                    passes.logits[mode],
                    targets="soft_targets" if soft else "targets",
                    masked=mask != "nomask",
                    smoothing=float(smoothing or 0.0),
                )
    logits = {mode: values if type(values) is tuple else (values,) for mode, values in passes.logits.items()}
    logits = {mode: [np.asarray(part).astype(dtype) for part in parts] for mode, parts in logits.items()}
    return Computed(
        name=name,
        golden=info,
        tolerance=tolerance_of(info, double, updated_state),
        logits={mode: parts[0] for mode, parts in logits.items()},
        paddings={mode: parts[1] for mode, parts in logits.items() if len(parts) > 1},
        losses=losses,
        num_tokens=float(((1 - batch["targets"][1]) * batch["weights"][:, None]).sum()) if is_paired(batch) else None,
        real=np.asarray(batch["targets"]) > 0 if translates(side) else None,
        eval_step=eval_step,
        classes=np.asarray(passes.evaluated["classes"]) if "classes" in passes.evaluated else None,
        updated_state=updated_state,
        grad_loss=passes.loss,
        gradient=passes.gradient,
        table=table,
    )


@pytest.fixture(scope="module", params=sized(*FORWARD))
def computed(request) -> Computed:
    return compute(request.param)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_logits(computed, mode):
    info = computed.golden[f"{mode}_logits"]
    found = computed.logits[mode]
    assert list(found.shape) == info["shape"]
    tolerance = getattr(computed.tolerance, f"{mode}_logits")
    stored = golden.arrays(computed.name)
    counts = True
    if mode in computed.paddings:  # behind the end of a row, logits depend on the implementation
        np.testing.assert_array_equal(computed.paddings[mode], stored[f"{mode}_logit_paddings"])
        counts = golden.thinned(counted(found, computed.paddings[mode]), info["stored_every_kth_k"])
    elif computed.real is not None:  # so does padding in rows of tokens
        counts = golden.thinned(counted(found, ~computed.real), info["stored_every_kth_k"])
    else:
        assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(info["l2"], rel=tolerance)
    thinned = golden.thinned(found, info["stored_every_kth_k"])
    assert relative_difference(thinned * counts, stored[f"{mode}_logits"] * counts) < tolerance


def test_losses(computed):
    golden_losses = {key: value for key, value in computed.golden.items() if LOSS_KEY.fullmatch(key)}
    keys = {key for key, value in golden_losses.items() if "error" not in value}
    assert computed.losses.keys() == keys
    assert keys
    stored = golden.arrays(computed.name)
    for key, found in computed.losses.items():
        expected = computed.golden[key]
        # The reference counts rows where a mask is given for rows of tokens (docs/differences.md).
        fixed = computed.num_tokens if "_masked_" in key else None
        assert found.n_valid_examples == (expected["n_valid_examples"] if fixed is None else fixed), key
        assert found.summed == pytest.approx(expected["summed"], rel=computed.tolerance.loss), key
        if "per_example_k" in expected:
            assert list(found.per_example.shape) == expected["per_example_shape"], key
            thinned = golden.thinned(found.per_example, expected["per_example_k"])
            assert relative_difference(thinned, stored[f"{key}_per_example"]) < computed.tolerance.loss, key


def test_evaluation_step(computed):
    if "eval_step" not in computed.golden:
        assert computed.name.startswith("forward_f64/")
        return
    # Without a tokenizer, the reference's error rate is 0 or missing.
    published = computed.golden["eval_step"].items()
    expected = {EVALUATED_AS.get(name, name): value for name, value in published if name not in ("wer", "note")}
    if computed.real is not None:  # means over tokens; the reference's sums and their number
        count = expected.pop("denominator")
        expected = {name: value / count for name, value in expected.items()}
    elif "denominator" in expected:
        mean = expected["loss"] / expected["denominator"]
        expected = {"loss": mean, "ppl": np.exp(mean)}
    found = {name: value for name, value in computed.eval_step.items() if not name.startswith(("wer", "bleu"))}
    assert found == pytest.approx(expected, rel=computed.tolerance.loss)
    if computed.classes is not None:
        stored = golden.arrays(computed.name)
        rows = zip(stored["greedy_decoded"], stored["greedy_decoded_paddings"], strict=True)
        assert [collapse(row) for row in computed.classes] == [row[paddings == 0].tolist() for row, paddings in rows]


def test_updated_state(computed):
    """Running statistics after one training forward pass."""
    for name, expected in computed.golden.get("updated_state", {}).items():
        found = computed.updated_state[name]
        norm = expected["l2"] if isinstance(expected, dict) else expected  # the files in float64 have norms alone
        assert np.linalg.norm(found) == pytest.approx(norm, rel=computed.tolerance.state), name
        if isinstance(expected, dict):
            # The reference's statistics of speech get two more axes at the first step (docs/differences.md).
            assert list(found.shape) == [size for size in expected["shape"] if size > 1], name


def test_gradient(computed):
    expected = computed.golden["grad_per_param__l2__probe_dot"]
    if "grad_loss" in computed.golden:
        value = computed.golden["grad_loss"]["value_summed_over_n_valid"]
        assert computed.grad_loss == pytest.approx(value, rel=computed.tolerance.loss)
    assert computed.gradient.keys() == expected.keys()
    tolerance, total, squares = computed.tolerance.gradient, 0.0, 0.0
    probe_tolerance = tolerance if computed.tolerance.probe is None else computed.tolerance.probe
    for name, (norm, dot) in expected.items():
        # Some gradients are zero but for rounding: keys of attention may be shifted together.
        noise = float(np.finfo(computed.gradient[name].dtype).eps) * computed.golden["grad"]["global_l2"]
        if name.endswith("attn_scale"):  # tiny: sums of numbers that all but cancel
            noise = max(noise, 2e-6)
        array = computed.gradient[name].astype(np.float64)
        found_norm = float(np.linalg.norm(array))
        assert found_norm == pytest.approx(norm, rel=tolerance, abs=noise), name
        squares += found_norm**2
        found = float(np.vdot(array, computed.probe(name)))
        assert found == pytest.approx(dot, abs=probe_tolerance * norm + noise), name
        total += found
    assert np.sqrt(squares) == pytest.approx(computed.golden["grad"]["global_l2"], rel=tolerance)
    allowed = probe_tolerance * computed.golden["grad"]["global_l2"]
    assert total == pytest.approx(computed.golden["grad"]["global_probe_dot"], abs=allowed)
