"""The reference batch sizes, as one table."""

BATCH_SIZES = {
    "cifar": 128,
    "criteo1tb": 262_144,
    "digits": 128,
    "fastmri": 32,
    "finewebedu_lm": 64,
    "imagenet_resnet": 1024,
    "imagenet_resnet_gelu": 512,
    "imagenet_resnet_silu": 512,
    "imagenet_vit": 1024,
    "librispeech_conformer": 256,
    "librispeech_deepspeech": 256,
    "mnist": 128,
    "ogbg": 512,
    "wmt": 128,
}


def get_batch_size(workload_name: str) -> int:
    """Global training batch size. ValueError for unknown names; the harness then retries with the base workload."""
    if workload_name not in BATCH_SIZES:
        raise ValueError(f"No batch size for {workload_name!r}. Known: {', '.join(BATCH_SIZES)}.")
    return BATCH_SIZES[workload_name]
