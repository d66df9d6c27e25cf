"""librispeech_conformer: a Conformer that writes down 960 hours of read English. Scored."""

from typing import Any

from algoperf.datasets.librispeech.dataset import LIBRISPEECH, LIBRISPEECH_MINI, NUM_EXAMPLES, NUM_EXAMPLES_MINI
from algoperf.metrics.word_error_rate import TRANSCRIPTS
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition


def varied(**settings: Any) -> dict[str, Any]:
    """Settings of the model that submissions can read too."""
    return {"model": settings, "properties": settings}


BASE = varied(attention_temperature=1.0, use_gelu=False, use_post_layer_norm=True)

WORKLOAD = WorkloadDefinition(
    name="librispeech_conformer",
    dataset=LIBRISPEECH,
    loss_type=LossType.CTC_LOSS,
    evaluation=TRANSCRIPTS,
    examples=Examples(**NUM_EXAMPLES),
    eval_batch_size=256,
    model={
        "encoder_dim": 512,
        "num_attention_heads": 8,
        "num_encoder_layers": 4,
        "feed_forward_expansion_factor": 4,
        "batch_norm_momentum": 0.999,
        "use_specaug": True,
        "time_mask_count": 10,
        "freq_mask_count": 2,
        **BASE["model"],
    },
    properties={"_num_outputs": LIBRISPEECH.vocab_size, **BASE["properties"]},
    dropout=0.1,
    variants={
        "librispeech_conformer_attention_temperature": varied(attention_temperature=1.6),
        "librispeech_conformer_layernorm": varied(use_post_layer_norm=False),
        "librispeech_conformer_gelu": varied(use_gelu=True),
    },
    mini={
        "dataset": LIBRISPEECH_MINI,
        "examples": Examples(**NUM_EXAMPLES_MINI),
        "eval_batch_size": 256,
        "model": {
            "encoder_dim": 32,
            "num_attention_heads": 4,
            "num_encoder_layers": 2,
            "batch_norm_momentum": 0.9,
            "time_mask_count": 2,
            "freq_mask_count": 1,
        },
        "properties": {"_num_outputs": LIBRISPEECH_MINI.vocab_size},
    },
)
