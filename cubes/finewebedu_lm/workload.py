"""finewebedu_lm: a decoder-only language model on 10 billion tokens of web pages. Scored in v1.0."""

from algoperf.datasets.fineweb_edu.dataset import FINEWEB_EDU, FINEWEB_EDU_MINI
from algoperf.metrics.perplexity import PERPLEXITY
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="finewebedu_lm",
    dataset=FINEWEB_EDU,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    loss="tokens",
    evaluation=PERPLEXITY,
    examples=Examples(eval_train=10_000, **FINEWEB_EDU.num_sequences),
    eval_batch_size=256,
    eval_rows_per_device=8,
    model={
        "max_length": FINEWEB_EDU.length,
        "width": 1024,
        "depth": 12,
        "mlp_dim": 4096,
        "num_heads": 8,
    },
    mini={
        "dataset": FINEWEB_EDU_MINI,
        "examples": Examples(eval_train=250, **FINEWEB_EDU_MINI.num_sequences),
        "eval_batch_size": 250,
        "eval_rows_per_device": 125,
        "model": {"max_length": FINEWEB_EDU_MINI.length, "width": 64, "depth": 2, "mlp_dim": 128, "num_heads": 4},
    },
)
