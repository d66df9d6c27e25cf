"""mnist: a multilayer perceptron with one hidden layer on handwritten digits. Not scored; for tests and experiments."""

import numpy as np

from algoperf.data.contracts import Batch
from algoperf.datasets.mnist.dataset import MEAN, MNIST, STDDEV
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition


def _example_batch() -> Batch:
    return {"inputs": np.ones((1, 28, 28, 1), np.float32), "targets": np.zeros((1,), np.int32)}


WORKLOAD = WorkloadDefinition(
    name="mnist",
    dataset=MNIST,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    num_train_examples=50_000,
    num_eval_train_examples=10_000,
    num_validation_examples=10_000,
    num_test_examples=10_000,
    eval_batch_size=10_000,
    example_batch=_example_batch,
    input_stats=(MEAN, STDDEV),
    model={"hidden_size": 128, "num_classes": 10},
    output_params={
        "jax": frozenset({"Dense_1"}),
        "pytorch": frozenset({"net.layer2.weight", "net.layer2.bias"}),
    },
    channels_last=True,
    torch_train_weights=True,
    torch_compile=frozenset({"model"}),
    mini={
        "num_train_examples": 20_000,
        "num_eval_train_examples": 2_000,
        "num_validation_examples": 4_000,
        "num_test_examples": 4_000,
        "eval_batch_size": 2_000,
    },
)
