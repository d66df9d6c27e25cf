"""ViT-S/16: a transformer over image patches. Modules have their published names."""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from algoperf.frameworks.torch.layers import lecun_normal_
from algoperf.workload.definition import WorkloadDefinition

from .position import sincos_2d

_EPSILON = 1e-6  # of layer norms: flax's default, not torch's


@functools.cache  # not a buffer: the published model has none
def _positions(num_rows: int, num_columns: int, width: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    table = sincos_2d(num_rows, num_columns, width).astype(np.float32)  # as published, independent of the model's dtype
    return torch.as_tensor(table, dtype=dtype, device=device)


def _xavier_(module: nn.Module, bias_std: float) -> None:
    """Initialise all linear layers in `module`; a standard deviation of 0 makes biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=bias_std)


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, num_heads: int, dropout_rate: float
) -> torch.Tensor:
    """Multi-head attention of tokens (B, N, width), without projections."""
    heads = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(*heads, dropout_p=dropout_rate).transpose(1, 2).flatten(2)


class _SelfAttention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        _xavier_(self, bias_std=0.0)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        rate = dropout_rate if self.training else 0.0
        return self.out(_attend(self.query(x), self.key(x), self.value(x), self.num_heads, rate))


class _CrossAttention(nn.Module):
    """Keys and values come from one layer, which is initialised as one matrix."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width)
        self.kv_proj = nn.Linear(width, 2 * width)
        self.out_proj = nn.Linear(width, width)
        _xavier_(self, bias_std=1e-6)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        rate = dropout_rate if self.training else 0.0
        key, value = self.kv_proj(memory).chunk(2, dim=-1)
        return self.out_proj(_attend(self.q_proj(x), key, value, self.num_heads, rate))


class _Mlp(nn.Module):
    def __init__(self, width: int, mlp_dim: int, use_glu: bool = False) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, mlp_dim)
        self.glu_linear = nn.Linear(mlp_dim, mlp_dim) if use_glu else None
        self.linear2 = nn.Linear(mlp_dim, width)
        _xavier_(self, bias_std=1e-6)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """GLU, as published: the gate is a linear function of the hidden layer after its activation."""
        x = F.gelu(self.linear1(x), approximate="tanh")
        if self.glu_linear is not None:
            x = x * self.glu_linear(x)
        return self.linear2(F.dropout(x, dropout_rate, self.training))


class _Block(nn.Module):
    def __init__(self, width: int, mlp_dim: int, num_heads: int, use_glu: bool, use_post_layer_norm: bool) -> None:
        super().__init__()
        self.use_post_layer_norm = use_post_layer_norm
        self.layer_norm0 = nn.LayerNorm(width, _EPSILON)
        self.self_attention1 = _SelfAttention(width, num_heads)
        self.layer_norm2 = nn.LayerNorm(width, _EPSILON)
        self.mlp3 = _Mlp(width, mlp_dim, use_glu)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Attention, then MLP, each with a residual connection. Layer norm is before each, or after each sum."""
        for norm, part in ((self.layer_norm0, self.self_attention1), (self.layer_norm2, self.mlp3)):
            y = part(x if self.use_post_layer_norm else norm(x), dropout_rate)
            x = x + F.dropout(y, dropout_rate, self.training)
            x = norm(x) if self.use_post_layer_norm else x
        return x


class _Encoder(nn.Module):
    def __init__(
        self, depth: int, width: int, mlp_dim: int, num_heads: int, use_glu: bool, use_post_layer_norm: bool
    ) -> None:
        super().__init__()
        self.net = nn.ModuleList(_Block(width, mlp_dim, num_heads, use_glu, use_post_layer_norm) for _ in range(depth))
        self.encoder_norm = None if use_post_layer_norm else nn.LayerNorm(width, _EPSILON)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        for block in self.net:
            x = block(x, dropout_rate)
        return x if self.encoder_norm is None else self.encoder_norm(x)


class _MapHead(nn.Module):
    def __init__(self, width: int, mlp_dim: int, num_heads: int) -> None:
        super().__init__()
        self.probe = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 1, width)))
        self.mha = _CrossAttention(width, num_heads)
        self.layer_norm = nn.LayerNorm(width, _EPSILON)
        self.mlp = _Mlp(width, mlp_dim)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Pool tokens (B, N, width) to (B, width) by attention with a learned probe."""
        x = self.mha(self.probe.expand(len(x), -1, -1), x, dropout_rate)
        x = x + self.mlp(self.layer_norm(x), dropout_rate)
        return x[:, 0]


class _Model(nn.Module):
    def __init__(
        self,
        *,
        patch_size: int,
        width: int,
        depth: int,
        mlp_dim: int,
        num_heads: int,
        num_classes: int,
        use_glu: bool = False,
        use_post_layer_norm: bool = False,
        use_map: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        # Register in the published order, not in order of computation: optimizer states depend on it.
        self.pre_logits = nn.Linear(width, width)
        self.conv_patch_extract = nn.Conv2d(3, width, patch_size, patch_size)
        self.encoder = _Encoder(depth, width, mlp_dim, num_heads, use_glu, use_post_layer_norm)
        self.head = nn.Linear(width, num_classes)
        self.map = _MapHead(width, mlp_dim, num_heads) if use_map else None
        lecun_normal_(self.pre_logits)
        lecun_normal_(self.conv_patch_extract)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Images (B, 3, height, width) to logits (B, num_classes)."""
        x = self.conv_patch_extract(x)
        positions = _positions(x.shape[2], x.shape[3], self.width, x.dtype, x.device)
        x = x.flatten(2).transpose(1, 2) + positions
        x = self.encoder(F.dropout(x, dropout_rate, self.training), dropout_rate)
        x = x.mean(dim=1) if self.map is None else self.map(x, dropout_rate)
        return self.head(torch.tanh(self.pre_logits(x)))


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"head.weight", "head.bias"})
