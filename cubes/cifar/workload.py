"""cifar: ResNet-18 on small photographs in ten classes. Not scored; for development."""

from algoperf.datasets.cifar.dataset import CIFAR10
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="cifar",
    dataset=CIFAR10,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    examples=Examples(train=45_000, eval_train=5_120, validation=5_000, test=10_000),
    eval_batch_size=1024,
    model={"stage_sizes": (2, 2, 2, 2), "num_filters": 64},
    properties={"crop_size": 32, "padding_size": 4},
    mini={
        "examples": Examples(train=4_500, eval_train=500, validation=500, test=500),
        "eval_batch_size": 500,
        "model": {"stage_sizes": (1, 1, 1, 1), "num_filters": 8},
    },
)
