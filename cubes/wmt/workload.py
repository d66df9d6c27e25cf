"""wmt: a Transformer that translates German news into English. Scored."""

from typing import Any

from algoperf.datasets.wmt.dataset import WMT, WMT_MINI
from algoperf.metrics.translation import TRANSLATIONS
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition


def varied(**settings: Any) -> dict[str, Any]:
    """Settings of the model that submissions can read too."""
    return {"model": settings, "properties": settings}


BASE = varied(pre_ln=True, attention_temp=1.0, activation="relu", glu=False)

WORKLOAD = WorkloadDefinition(
    name="wmt",
    dataset=WMT,
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    loss="tokens",
    evaluation=TRANSLATIONS,
    examples=Examples(train=5_906_184, eval_train=3_072, validation=3_000, test=3_003),
    eval_batch_size=128,
    model={
        "width": 1024,
        "num_heads": 16,
        "num_layers": 6,
        "mlp_width": 1024,
        "num_beams": 4,
        "length_penalty": 0.6,
        **BASE["model"],
    },
    properties={"_vocab_size": WMT.vocab_size, **BASE["properties"]},
    dropout=0.1,
    variants={
        "wmt_post_ln": varied(pre_ln=False),
        "wmt_attention_temp": varied(attention_temp=4.0),
        "wmt_glu_tanh": varied(activation="tanh", glu=True),
    },
    mini={
        "dataset": WMT_MINI,
        "examples": Examples(train=8_000, eval_train=256, validation=256, test=256),
        "eval_batch_size": 128,
        "model": {"width": 64, "num_heads": 4, "num_layers": 2, "mlp_width": 64},
        "properties": {"_vocab_size": WMT_MINI.vocab_size},
    },
)
