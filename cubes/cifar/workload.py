"""cifar: ResNet-18 on small photographs in ten classes. Not scored; for development."""

from algoperf.datasets.cifar.dataset import CIFAR10, MEAN, STDDEV
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition, example_image

WORKLOAD = WorkloadDefinition(
    name="cifar",
    dataset=CIFAR10,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    num_train_examples=45_000,
    num_eval_train_examples=5_120,
    num_validation_examples=5_000,
    num_test_examples=10_000,
    eval_batch_size=1024,
    example_batch=example_image(32),
    input_stats=(MEAN, STDDEV),
    model={"stage_sizes": (2, 2, 2, 2), "num_filters": 64, "num_classes": 10},
    output_params={"jax": frozenset({"Dense_0"}), "pytorch": frozenset({"fc.weight", "fc.bias"})},
    channels_last=True,
    torch_compile=frozenset({"model"}),
    properties={"crop_size": 32, "padding_size": 4},
    mini={
        "num_train_examples": 4_500,
        "num_eval_train_examples": 500,
        "num_validation_examples": 500,
        "num_test_examples": 500,
        "eval_batch_size": 500,
        "model": {"stage_sizes": (1, 1, 1, 1), "num_filters": 8},
    },
)
