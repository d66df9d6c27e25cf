"""Device functions of evaluations: `(workload, params, model_state, batch, rng) -> sums over valid rows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from algoperf import spec
from algoperf.data.contracts import Batch


def classification(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: jax.Array
) -> dict[str, jax.Array]:
    """Number of correct predictions and summed loss over the rows with weight 1."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    correct = (jnp.argmax(logits, axis=-1) == batch["targets"]) * batch["weights"]
    loss = workload.loss_fn(batch["targets"], logits, batch["weights"])
    return {"accuracy": correct.sum(), "loss": loss["summed"]}


def multi_label(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: jax.Array
) -> dict[str, jax.Array]:
    """Correct predictions, summed loss and number of the labels with weight 1; and the logits of all rows."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    correct = ((logits > 0) == (batch["targets"] > 0)) * batch["weights"]
    loss = workload.loss_fn(batch["targets"], logits, batch["weights"])
    return {
        "accuracy": correct.sum(),
        "loss": loss["summed"],
        "num_labels": loss["n_valid_examples"],
        "logits": logits,
    }


EVALUATORS: dict[str, Callable[..., dict[str, Any]]] = {
    "classification": classification,
    "multi_label": multi_label,
}
