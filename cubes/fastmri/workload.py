"""fastmri: a U-Net that reconstructs knees from a quarter of the measurements of an MRI scan. Scored."""

from typing import Any

from algoperf.datasets.fastmri.dataset import FastMRI
from algoperf.datasets.fastmri.masks import ACCELERATION, CENTRE_SHARE
from algoperf.metrics.means import RECONSTRUCTION
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition


def model(**settings: Any) -> dict[str, Any]:
    """The fields that depend on the model."""
    return {"model": settings, "properties": settings}


BASE = model(num_pool_layers=4, num_channels=32, use_tanh=False, use_layer_norm=False)
MINI = {
    "dataset": FastMRI(image_size=48, num_train_volumes=40, num_val_volumes=12, num_validation_volumes=6),
    "examples": Examples(train=320, eval_train=48, validation=48, test=48),
    "eval_batch_size": 48,
    **model(num_pool_layers=2, num_channels=16),
}

WORKLOAD = WorkloadDefinition(
    name="fastmri",
    dataset=FastMRI(),
    loss_type=LossType.MEAN_ABSOLUTE_ERROR,
    evaluation=RECONSTRUCTION,
    examples=Examples(train=34_742, eval_train=3_584, validation=3_554, test=3_581),
    eval_batch_size=256,
    model=BASE["model"],
    properties={**BASE["properties"], "accelerations": (ACCELERATION,), "center_fractions": (CENTRE_SHARE,)},
    dropout=0.0,
    variants={
        "fastmri_model_size": {
            **model(num_pool_layers=3, num_channels=64),
            "mini": {**MINI, **model(num_pool_layers=1, num_channels=24)},
        },
        "fastmri_tanh": model(use_tanh=True),
        "fastmri_layernorm": model(use_layer_norm=True),
    },
    mini=MINI,
)
