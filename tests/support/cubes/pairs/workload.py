"""pairs: sequences of different lengths as inputs and targets, the loss of alignments, and decoded transcripts."""

from algoperf.spec import LossType
from algoperf.workload.definition import WorkloadDefinition
from generated_dataset import EXAMPLES

from .dataset import PairsDataset
from .transcripts import TRANSCRIPTS

WORKLOAD = WorkloadDefinition(
    name="pairs",
    dataset=PairsDataset(),
    loss_type=LossType.CTC_LOSS,
    evaluation=TRANSCRIPTS,
    examples=EXAMPLES,
    eval_batch_size=60,
    model={"num_hidden": 16},
)
