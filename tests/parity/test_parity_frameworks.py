"""Both frameworks against each other: the JAX model with the weights of PyTorch makes what PyTorch's makes.

Cases are the files of `crosscheck/`, which say which parameters are the same, and how far the published models differ.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import golden
from algoperf.workload.registry import find_workload
from golden_cases import CROSSCHECK, counted, relative_difference, sized
from golden_tables import UsedRows, has_table
from side import open_side, translates

LSTM_GATES = "ifgo"
_QKV = ("query", "key", "value")
STACKED = {"in_proj": _QKV, "w_qkv": _QKV, "kv_proj": ("key", "value")}  # in this order


def torch_source(row: dict[str, Any], weights: dict[str, np.ndarray]) -> np.ndarray:
    """What a parameter of JAX is made from. A gate of an LSTM has one bias in JAX, and two in PyTorch."""
    if row["torch"] in weights:
        return weights[row["torch"]]
    if row["jax"] == "embedding_table":
        return np.concatenate([weights[f"embedding_chunk_{number}"] for number in range(4)])
    layer, direction = re.match(r"BatchRNN_(\d+)/.*LSTMSequenceEncoder_(\d)/", row["jax"]).groups()
    suffix = "_reverse" if direction == "1" else ""
    return sum(weights[f"lstms.{layer}.lstm.bias_{kind}_l0{suffix}"] for kind in ("ih", "hh"))


def in_jax_layout(row: dict[str, Any], weights: dict[str, np.ndarray]) -> np.ndarray:
    """Linear and convolution weights have their output axis first in PyTorch and last in JAX.

    Attention in JAX has an axis of heads, and separate queries, keys and values where PyTorch stacks them. An LSTM in
    JAX has separate gates.
    """
    array, shape = torch_source(row, weights), tuple(row["jax_shape"])
    if row["jax"].rpartition("/")[2] in ("embedding_table", "embedding"):
        return array
    for stack, parts in STACKED.items():
        if stack in row["torch"]:
            array = dict(zip(parts, np.split(array, len(parts)), strict=True))[row["jax"].split("/")[-2]]
    if gate := re.search(r"/cell/[ih](\w)/", row["jax"]):
        array = np.split(array, len(LSTM_GATES))[LSTM_GATES.index(gate[1])]
    if "transpose_conv" in row["torch"]:  # input axis first; JAX's windows are mirrored
        array = np.moveaxis(array[..., ::-1, ::-1], (0, 1), (-2, -1))
    elif array.ndim == 2:
        array = array.T
    elif array.ndim > 2:
        array = np.moveaxis(array, (0, 1), (-1, -2))
    return array.reshape(shape)


def statistics_in_jax_layout(info: dict[str, Any], weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The running statistics: they have the names of the scales that they go with."""
    scales = {row["jax"]: row["torch"].rpartition(".")[0] for row in info["name_map"] if row["jax"].endswith("/scale")}
    return {
        f"batch_stats/{in_jax.removesuffix('scale')}{jax_name}": weights[f"{in_torch}.{torch_name}"]
        for in_jax, in_torch in scales.items()
        for jax_name, torch_name in (("mean", "running_mean"), ("var", "running_var"))
        if f"{in_torch}.{torch_name}" in weights
    }


@pytest.mark.parametrize("name", sized(CROSSCHECK))
def test_models_of_both_frameworks_agree(name):
    info = golden.read(name)
    definition = find_workload(info["workload"])
    if name.endswith(".sympad"):  # the residual networks agree once they pad alike
        definition = definition.with_fields({"model": {"padding": 1}})
    if not info["architectures_agree"]:
        pytest.skip("the two published models differ")
    published = golden.read(f"params/{info['workload']}.pytorch")
    parameters = published["params"] + published["state"]
    inputs_file = golden.read(f"forward/{info['workload']}.jax.seed0")["inputs_file"].removesuffix(".npz")
    inputs = golden.arrays(inputs_file)
    if has_table(parameters):
        table = UsedRows(parameters, inputs["inputs"])
        definition, inputs = table.applied(definition), table.renumbered(inputs)
        torch_weights = table.weights(parameters, seed=0)
    else:
        torch_weights = golden.weights(parameters, seed=0)
    initial = {entry["name"] for entry in parameters if entry["rule"] is None}  # the same in both frameworks
    rows = [row for row in info["name_map"] if row["torch"] not in initial]
    weights = {row["jax"]: in_jax_layout(row, torch_weights) for row in rows}
    weights |= statistics_in_jax_layout(info, torch_weights)
    side = open_side("jax", definition)
    side.load(weights, np.float32)
    kept = {row["jax"] for row in info["name_map"] if row not in rows}
    assert weights.keys() | kept == {*side.parameters(), *side.state()}
    batch = side.batch(inputs, np.float32)
    torch_name = f"forward/{info['workload']}.pytorch.seed0"
    for mode, logits in side.logits(batch).items():
        found, *paddings = map(np.asarray, logits if type(logits) is tuple else (logits,))
        stored = golden.arrays(torch_name)[f"{mode}_logits"]
        every = golden.read(torch_name)[f"{mode}_logits"]["stored_every_kth_k"]
        if translates(side):
            paddings = [np.asarray(batch["targets"]) == 0]
        counts = golden.thinned(counted(found, *paddings), every) if paddings else True
        # Five times what the reference's own models differ by.
        tolerance = max(1e-6, 5 * info[mode]["rel_l2_diff"])
        assert relative_difference(golden.thinned(found, every) * counts, stored * counts) < tolerance
