"""tokens: a loss per token with masks, decoding with a state, and a metric that needs a file of the store."""

from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition
from generated_dataset import EXAMPLES

from .dataset import TokensDataset
from .sentences import SENTENCES

WORKLOAD = WorkloadDefinition(
    name="tokens",
    dataset=TokensDataset(),
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    loss="tokens",
    evaluation=SENTENCES,
    examples=EXAMPLES,
    eval_batch_size=60,
    model={"num_channels": 8, "num_hidden": 16},
)
