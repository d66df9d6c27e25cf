"""mnist: a multilayer perceptron with one hidden layer on handwritten digits. Not scored; for tests and experiments."""

from algoperf.datasets.mnist.dataset import MNIST
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="mnist",
    dataset=MNIST,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    examples=Examples(train=50_000, eval_train=10_000, validation=10_000, test=10_000),
    eval_batch_size=10_000,
    model={"hidden_size": 128},
    mini={
        "examples": Examples(train=20_000, eval_train=2_000, validation=4_000, test=4_000),
        "eval_batch_size": 2_000,
    },
)
