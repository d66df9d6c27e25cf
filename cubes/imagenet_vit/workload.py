"""imagenet_vit: ViT-S/16 on 1.28 million photographs in 1,000 classes. Scored."""

from algoperf.datasets.imagenet.dataset import ImageNet
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="imagenet_vit",
    dataset=ImageNet(augment=True),
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    examples=Examples(train=1_281_167, eval_train=51_200, validation=50_000, test=10_000),
    eval_batch_size=2048,
    model={
        "patch_size": 16,
        "width": 384,
        "depth": 12,
        "mlp_dim": 1536,
        "num_heads": 6,
        "use_glu": False,
        "use_post_layer_norm": False,
        "use_map": False,
    },
    dropout=0.0,
    properties={
        "resize_size": 256,
        "center_crop_size": 224,
        "scale_ratio_range": (0.08, 1.0),
        "aspect_ratio_range": (0.75, 4 / 3),
        "use_glu": False,
        "use_post_layer_norm": False,
        "use_map": False,
    },
    variants={
        "imagenet_vit_glu": {"model": {"use_glu": True}, "properties": {"use_glu": True}},
        "imagenet_vit_post_ln": {"model": {"use_post_layer_norm": True}, "properties": {"use_post_layer_norm": True}},
        "imagenet_vit_map": {"model": {"use_map": True}, "properties": {"use_map": True}},
    },
    mini={
        "dataset": ImageNet(augment=True, image_size=32, num_classes=10),
        "examples": Examples(train=2_000, eval_train=500, validation=500, test=500),
        "eval_batch_size": 500,
        "model": {"patch_size": 8, "width": 64, "depth": 2, "mlp_dim": 128, "num_heads": 4},
        "properties": {"resize_size": 37, "center_crop_size": 32},
    },
)
