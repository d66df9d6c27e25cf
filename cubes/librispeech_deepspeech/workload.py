"""librispeech_deepspeech: recurrent networks that write down 960 hours of read English. Scored."""

from typing import Any

from algoperf.datasets.librispeech.dataset import LIBRISPEECH, LIBRISPEECH_MINI, NUM_EXAMPLES, NUM_EXAMPLES_MINI
from algoperf.metrics.word_error_rate import TRANSCRIPTS
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition


def varied(**settings: Any) -> dict[str, Any]:
    """Settings of the model that submissions can read too."""
    return {"model": settings, "properties": settings}


BASE = varied(
    use_tanh=False,
    enable_residual_connections=True,
    enable_decoder_layer_norm=True,
    layernorm_everywhere=False,
    time_mask_count=10,
    freq_mask_count=2,
)
MINI: dict[str, Any] = {
    "dataset": LIBRISPEECH_MINI,
    "examples": Examples(**NUM_EXAMPLES_MINI),
    "eval_batch_size": 256,
    "model": {
        "encoder_dim": 32,
        "num_lstm_layers": 2,
        "num_ffn_layers": 1,
        "batch_norm_momentum": 0.9,
        "time_mask_count": 2,
        "freq_mask_count": 1,
    },
    "properties": {"_num_outputs": LIBRISPEECH_MINI.vocab_size, "time_mask_count": 2, "freq_mask_count": 1},
}

WORKLOAD = WorkloadDefinition(
    name="librispeech_deepspeech",
    dataset=LIBRISPEECH,
    loss_type=LossType.CTC_LOSS,
    evaluation=TRANSCRIPTS,
    examples=Examples(**NUM_EXAMPLES),
    eval_batch_size=256,
    model={
        "encoder_dim": 512,
        "num_lstm_layers": 6,
        "num_ffn_layers": 3,
        "batch_norm_momentum": 0.999,
        "use_specaug": True,
        **BASE["model"],
    },
    properties={"_num_outputs": LIBRISPEECH.vocab_size, **BASE["properties"]},
    dropout=0.1,
    variants={
        "librispeech_deepspeech_tanh": varied(use_tanh=True),
        "librispeech_deepspeech_no_resnet": varied(enable_residual_connections=False),
        "librispeech_deepspeech_norm_and_spec_aug": {
            **varied(enable_decoder_layer_norm=False, layernorm_everywhere=True, time_mask_count=15, freq_mask_count=4),
            "eval_batch_size": 128,
            "mini": {
                **MINI,
                "model": {**MINI["model"], "time_mask_count": 3, "freq_mask_count": 2},
                "properties": {**MINI["properties"], "time_mask_count": 3, "freq_mask_count": 2},
            },
        },
    },
    mini=MINI,
)
