"""criteo1tb: whether a shown advertisement is clicked, from 4.2 billion lines of logs. Scored."""

from typing import Any

from algoperf.datasets.criteo1tb.dataset import CRITEO1TB, CRITEO1TB_MINI
from algoperf.datasets.criteo1tb.lines import NUM_DENSE
from algoperf.metrics.means import CLICKS
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition


def model(**settings: Any) -> dict[str, Any]:
    """Settings of the model, which submissions can read too."""
    return {"model": settings, "properties": settings}


def mini(**settings: Any) -> dict[str, Any]:
    """Scale mini with these settings of the model."""
    return {
        "dataset": CRITEO1TB_MINI,
        "examples": Examples(train=200_000, eval_train=8_192, validation=8_000, test=8_000),
        "eval_batch_size": 4_096,
        "largest_batch": 4_096,
        **model(vocab_size=8_192, embed_dim=16, **settings),
    }


MINI = mini(mlp_bottom_dims=(64, 32, 16), mlp_top_dims=(128, 64, 32, 1))

WORKLOAD = WorkloadDefinition(
    name="criteo1tb",
    dataset=CRITEO1TB,
    loss_type=LossType.SIGMOID_CROSS_ENTROPY,
    evaluation=CLICKS,
    examples=Examples(train=4_195_197_692, eval_train=83_361_792, validation=83_274_637, test=95_000_000),
    eval_batch_size=131_072,
    dropout=0.0,
    variants={
        "criteo1tb_test": model(vocab_size=65_536),  # for continuous integration
        "criteo1tb_layernorm": model(use_layer_norm=True),
        "criteo1tb_embed_init": model(embedding_init_multiplier=1.0),
        "criteo1tb_resnet": {
            **model(use_resnet=True, mlp_bottom_dims=(256, 256, 256), mlp_top_dims=(256, 256, 256, 256, 1)),
            "mini": mini(mlp_bottom_dims=(32, 32, 32), mlp_top_dims=(64, 64, 64, 64, 1)),
        },
    },
    mini=MINI,
    **model(
        vocab_size=4_194_304,
        num_dense_features=NUM_DENSE,
        mlp_bottom_dims=(512, 256, 128),
        mlp_top_dims=(1024, 1024, 512, 256, 1),
        embed_dim=128,
        use_layer_norm=False,
        use_resnet=False,
        embedding_init_multiplier=None,
    ),
)
