"""imagenet_resnet: ResNet-50 on 1.28 million photographs in 1,000 classes. Scored."""

from algoperf.datasets.imagenet.dataset import ImageNet
from algoperf.metrics.means import CLASSIFICATION
from algoperf.spec import LossType
from algoperf.workload.definition import Examples, WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="imagenet_resnet",
    dataset=ImageNet(),
    loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
    evaluation=CLASSIFICATION,
    examples=Examples(train=1_281_167, eval_train=50_176, validation=50_000, test=10_000),
    eval_batch_size=1024,
    model={
        "stage_sizes": (3, 4, 6, 3),
        "num_filters": 64,
        "activation": "relu",
        "bn_init_scale": 0.0,
    },
    properties={
        "resize_size": 256,
        "center_crop_size": 224,
        "scale_ratio_range": (0.08, 1.0),
        "aspect_ratio_range": (0.75, 4 / 3),
        "use_silu": False,
        "use_gelu": False,
        "bn_init_scale": 0.0,
    },
    variants={
        "imagenet_resnet_silu": {"model": {"activation": "silu"}, "properties": {"use_silu": True}},
        "imagenet_resnet_gelu": {"model": {"activation": "gelu"}, "properties": {"use_gelu": True}},
        "imagenet_resnet_large_bn_init": {"model": {"bn_init_scale": 8.0}, "properties": {"bn_init_scale": 8.0}},
    },
    mini={
        "dataset": ImageNet(image_size=32, num_classes=10),
        "examples": Examples(train=2_000, eval_train=500, validation=500, test=500),
        "eval_batch_size": 500,
        "model": {"stage_sizes": (1, 1, 1, 1), "num_filters": 8},
        "properties": {"resize_size": 37, "center_crop_size": 32},
    },
)
