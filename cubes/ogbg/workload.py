"""ogbg: a graph network that predicts the results of 128 biological assays for 437,929 molecules. Scored."""

from typing import Any

from algoperf.datasets.ogbg.dataset import MOLPCBA, MolPcba
from algoperf.datasets.ogbg.raw import NUM_TASKS
from algoperf.metrics.average_precision import MULTI_LABEL
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition


def sized(*, hidden_dims: tuple[int, ...], latent_dim: int, num_message_passing_steps: int) -> dict[str, Any]:
    """The fields that depend on the size of the model."""
    sizes = {
        "hidden_dims": hidden_dims,
        "latent_dim": latent_dim,
        "num_message_passing_steps": num_message_passing_steps,
    }
    return {"model": sizes, "properties": sizes}


def activated(name: str) -> dict[str, Any]:
    """The fields that depend on the activation function."""
    return {"model": {"activation_fn_name": name}, "properties": {"activation_fn_name": name}}


BASE = sized(hidden_dims=(256,), latent_dim=256, num_message_passing_steps=5)
MINI = {
    "dataset": MolPcba(nodes_per_graph=12, edges_per_graph=26),
    "examples": Examples(train=4_000, eval_train=500, validation=500, test=500),
    "eval_batch_size": 500,
    **sized(hidden_dims=(32,), latent_dim=32, num_message_passing_steps=3),
}

WORKLOAD = WorkloadDefinition(
    name="ogbg",
    dataset=MOLPCBA,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,  # as published; submissions may depend on it
    loss="labels",
    evaluation=MULTI_LABEL,
    examples=Examples(train=350_343, eval_train=43_793, validation=43_793, test=43_793),
    eval_batch_size=32_768,
    model={**BASE["model"], **activated("relu")["model"], "num_outputs": NUM_TASKS},
    properties={**BASE["properties"], **activated("relu")["properties"], "_num_outputs": NUM_TASKS},
    dropout=0.1,
    variants={
        "ogbg_gelu": activated("gelu"),
        "ogbg_silu": activated("silu"),
        "ogbg_model_size": {
            **sized(hidden_dims=(256, 256), latent_dim=128, num_message_passing_steps=3),
            "mini": {**MINI, **sized(hidden_dims=(32, 32), latent_dim=16, num_message_passing_steps=2)},
        },
    },
    mini=MINI,
)
