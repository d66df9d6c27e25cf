"""Device functions of evaluations, the same in both frameworks: `(workload, params, model_state, batch, rng) -> sums`.

They use only what tensors of JAX and PyTorch have in common. What a workload evaluates beyond them, such as decoded
sentences, comes from `evaluate` in its model modules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from algoperf import spec
from algoperf.data.contracts import Batch
from algoperf.frameworks.ssim import reconstruction_similarity


def classification(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any
) -> dict[str, spec.Tensor]:
    """Number of correct predictions and summed loss over the rows with weight 1."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    correct = (logits.argmax(-1) == batch["targets"]) * batch["weights"]
    loss = workload.loss_fn(batch["targets"], logits, batch["weights"])
    return {"accuracy": correct.sum(), "loss": loss["summed"]}


def multi_label(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any
) -> dict[str, spec.Tensor]:
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


def reconstruction(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any
) -> dict[str, spec.Tensor]:
    """Summed structural similarity and loss over the rows with weight 1."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    units = (batch[name] for name in ("mean", "std", "volume_max"))
    similarity = reconstruction_similarity(logits, batch["targets"], *units) * batch["weights"]
    loss = workload.loss_fn(batch["targets"], logits, batch["weights"])
    return {"ssim": similarity.sum(), "loss": loss["summed"]}


def summed_loss(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any
) -> dict[str, spec.Tensor]:
    """Summed loss over the rows with weight 1."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    return {"loss": workload.loss_fn(batch["targets"], logits, batch["weights"])["summed"]}


def mean_loss(workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any) -> dict[str, spec.Tensor]:
    """Sum over the real rows of the loss, which is a mean in rows with several losses."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    rows = workload.loss_fn(batch["targets"], logits)["per_example"].reshape(len(batch["real"]), -1).mean(1)
    return {"loss": (rows * batch["real"]).sum()}


def transcription(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any
) -> dict[str, spec.Tensor]:
    """Summed loss and number of target tokens of the real rows; and the best class of every frame (B, T).

    Logits and targets are pairs of values and paddings. The best class is 0, the blank, at padding.
    """
    (logits, paddings), _ = workload.model_fn(
        params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False
    )
    loss = workload.loss_fn(batch["targets"], (logits, paddings), batch["weights"])
    num_tokens = ((1 - batch["targets"][1]) * batch["weights"][:, None]).sum()
    return {"ctc_loss": loss["summed"], "num_tokens": num_tokens, "classes": logits.argmax(-1) * (paddings == 0)}


def token_loss(
    workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any
) -> dict[str, spec.Tensor]:
    """Summed loss and number of the tokens with weight 1."""
    logits, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    loss = workload.loss_fn(batch["targets"], logits, batch["weights"])
    return {"loss": loss["summed"], "num_tokens": loss["n_valid_examples"]}


def outputs(workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any) -> dict[str, spec.Tensor]:
    """What the model makes of a batch without labels: `output_0`, and more if its outputs are a tuple."""
    found, _ = workload.model_fn(params, batch, model_state, spec.ForwardPassMode.EVAL, rng, update_batch_norm=False)
    return {f"output_{number}": part for number, part in enumerate(found if isinstance(found, tuple) else (found,))}


def decoding(workload: spec.Workload, params: Any, model_state: Any, batch: Batch, rng: Any) -> dict[str, spec.Tensor]:
    """Nothing: all that is evaluated is what `evaluate` of the model's code decodes from the inputs."""
    del workload, params, model_state, batch, rng
    return {}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "classification": classification,
    "multi_label": multi_label,
    "reconstruction": reconstruction,
    "summed_loss": summed_loss,
    "mean_loss": mean_loss,
    "transcription": transcription,
    "token_loss": token_loss,
    "outputs": outputs,
    "decoding": decoding,
}
