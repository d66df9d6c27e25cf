"""The image workloads at scale mini without their data, and PyTorch weights under JAX names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import bound_workload
from algoperf.workload.definition import Framework

RESNETS = ["cifar", "imagenet_resnet", "imagenet_resnet_silu", "imagenet_resnet_gelu", "imagenet_resnet_large_bn_init"]
VITS = ["imagenet_vit", "imagenet_vit_glu", "imagenet_vit_post_ln", "imagenet_vit_map"]
SIDE, NUM_CLASSES = 32, 10
Arrays = dict[str, np.ndarray]

_RESNET_NAMES = [
    (r"^conv1\.", "Conv_init."),
    (r"^bn1\.", "BatchNorm_init."),
    (r"downsample\.conv\.", "Conv_proj."),
    (r"downsample\.bn\.", "BatchNorm_proj."),
    (r"^fc\.", "Dense_0."),
]
_VIT_NAMES = [
    (r"^encoder\.net\.(\d+)\.", r"Transformer.encoderblock_\1."),
    (r"^encoder\.encoder_norm\.", "Transformer.encoder_layernorm."),
    (r"layer_norm([02])\.", r"LayerNorm_\1."),
    (r"self_attention1\.", "MultiHeadDotProductAttention_1."),
    (r"mlp3\.", "MlpBlock_3."),
    (r"^map\.mha\.", "MAPHead_0.MultiHeadDotProductAttention_0."),
    (r"^map\.layer_norm\.", "MAPHead_0.LayerNorm_0."),
    (r"^map\.mlp\.", "MAPHead_0.MlpBlock_0."),
    (r"^map\.probe$", "MAPHead_0.probe"),
    (r"(q|out)_proj\.", lambda found: {"q": "query.", "out": "out."}[found[1]]),
    (r"linear1\.", "Dense_0."),
]


def bind(name: str, framework: Framework, **model: Any) -> Any:
    """A workload at scale mini, with settings of its model replaced."""
    return bound_workload.bind(name, "mini", framework, **model)


def images(num_images: int = 4, seed: int = 0) -> np.ndarray:
    """Random inputs (B, 32, 32, 3)."""
    return np.random.default_rng(seed).normal(size=(num_images, SIDE, SIDE, 3)).astype(np.float32)


def named(tree: Any) -> dict[str, Any]:
    """The leaves of nested JAX dicts by their joined keys, in tree order."""
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(entry.key for entry in path): leaf for path, leaf in leaves}


def in_jax(torch_weights: Arrays, jax_shapes: dict[str, tuple[int, ...]], stage_sizes: tuple[int, ...] = ()) -> Arrays:
    """Parameters and running statistics of a PyTorch model as those of the JAX model with these shapes."""
    found = {}
    for name, array in torch_weights.items():
        if name.endswith("num_batches_tracked"):
            continue
        for jax_name, part in _split(_jax_name(name, stage_sizes, torch_weights), array):
            axes = {2: (1, 0), 4: (2, 3, 1, 0)}.get(part.ndim, range(part.ndim))
            found[jax_name] = part.transpose(axes).reshape(jax_shapes[jax_name])
    return found


def _split(name: str, array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Split keys and values, which are one matrix in PyTorch and two in JAX."""
    if "kv_proj" not in name:
        return [(name, array)]
    keys, values = np.split(array, 2)
    return [(name.replace("kv_proj", "key"), keys), (name.replace("kv_proj", "value"), values)]


def _jax_name(name: str, stage_sizes: tuple[int, ...], names: Arrays) -> str:
    def block(found: re.Match[str]) -> str:
        number = sum(stage_sizes[: int(found[1]) - 1]) + int(found[2])
        kind = "BottleneckResNetBlock" if "layer1.0.conv3.weight" in names else "ResNetBlock"
        return f"{kind}_{number}."

    def layer(found: re.Match[str]) -> str:
        return f"{'Conv' if found[1] == 'conv' else 'BatchNorm'}_{int(found[2]) - 1}."

    name = re.sub(r"^layer(\d)\.(\d+)\.", block, name)
    for pattern, replacement in _RESNET_NAMES if stage_sizes else _VIT_NAMES:
        name = re.sub(pattern, replacement, name)
    name = re.sub(r"\b(conv|bn)(\d)\.", layer, name)
    gated = any("glu_linear" in other for other in names) and "MlpBlock_3" in name
    name = name.replace("glu_linear.", "Dense_1.").replace("linear2.", "Dense_2." if gated else "Dense_1.")
    normalises = re.search(r"(BatchNorm|LayerNorm|layernorm)[^.]*\.weight$", name)
    name = name.replace(".weight", ".scale" if normalises else ".kernel").replace(".", "/")
    for running, kind in (("running_mean", "mean"), ("running_var", "var")):
        if name.endswith(running):
            return "batch_stats/" + name.removesuffix(running) + kind
    return name
