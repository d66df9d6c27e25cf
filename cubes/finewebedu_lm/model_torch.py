"""A decoder-only transformer with rotary positions, normalised queries and keys, and tied embeddings.

Modules have their published names. Axes: B sequences, L positions, H heads, V tokens.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.workload.definition import WorkloadDefinition

from .position import rotary_table

COMPILE = frozenset({"model", "loss"})
_EPSILON = 1e-6
_STD = 0.02


def _rotated(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Turn pairs of adjacent components of (B, L, H, D) by cosines and sines (1, L, 1, D / 2, 2)."""
    cos, sin = table.unbind(-1)
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    """Vectors of length 1 along the last axis; those of length 0 stay."""
    return x / (torch.linalg.vector_norm(x, dim=-1, keepdim=True) + _EPSILON)


class _Attention(nn.Module):
    """Attention whose queries and keys have length 1 (Henry et al., 2020), times a learned scalar."""

    def __init__(self, width: int, num_heads: int, max_length: int, output_std: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attn_scale = nn.Parameter(torch.tensor(math.log2(max_length**2 - max_length)))
        self.w_qkv = nn.Linear(width, 3 * width, bias=False)
        self.w_out = nn.Linear(width, width, bias=False)
        nn.init.normal_(self.w_qkv.weight, std=_STD)
        nn.init.normal_(self.w_out.weight, std=output_std)

    def forward(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        query, key, value = self.w_qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        query = self.attn_scale * _normalised(_rotated(query, table))
        heads = (part.transpose(1, 2) for part in (query, _normalised(_rotated(key, table)), value))
        attended = F.scaled_dot_product_attention(*heads, is_causal=True, scale=1.0)
        return self.w_out(attended.transpose(1, 2).flatten(2))


class _Mlp(nn.Module):
    """A gated hidden layer: one half, times the sigmoid of the other."""

    def __init__(self, width: int, mlp_dim: int, output_std: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 2 * mlp_dim, bias=False)
        self.fc2 = nn.Linear(mlp_dim, width, bias=False)
        nn.init.normal_(self.fc1.weight, std=_STD)
        nn.init.normal_(self.fc2.weight, std=output_std)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.glu(self.fc1(x), dim=-1))


class _Block(nn.Module):
    def __init__(self, width: int, num_heads: int, mlp_dim: int, max_length: int, output_std: float) -> None:
        super().__init__()
        self.attn = _Attention(width, num_heads, max_length, output_std)
        self.attn_norm = nn.RMSNorm(width, eps=_EPSILON)
        self.mlp = _Mlp(width, mlp_dim, output_std)
        self.mlp_norm = nn.RMSNorm(width, eps=_EPSILON)

    def forward(self, x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Attention, then MLP, each with a residual connection around it and its norm."""
        x = x + self.attn(self.attn_norm(x), table)
        return x + self.mlp(self.mlp_norm(x))


class _Model(nn.Module):
    freqs_cis: torch.Tensor

    def __init__(
        self, *, num_classes: int, max_length: int, width: int, depth: int, mlp_dim: int, num_heads: int
    ) -> None:
        super().__init__()
        output_std = _STD / math.sqrt(2 * depth)  # 2 sums per block
        self.embed_tokens = nn.Embedding(num_classes, width)
        nn.init.normal_(self.embed_tokens.weight, std=_STD)
        self.layers = nn.ModuleList(_Block(width, num_heads, mlp_dim, max_length, output_std) for _ in range(depth))
        self.out_norm = nn.RMSNorm(width, eps=_EPSILON)
        self.lm_head = nn.Linear(width, num_classes, bias=False, device="meta")  # its weight is replaced
        self.lm_head.weight = self.embed_tokens.weight
        table = torch.tensor(rotary_table(max_length, width // num_heads), dtype=torch.float32)
        self.register_buffer("freqs_cis", table[None, :, None], persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens, integers (B, L), to logits (B, L, V) of the next ones."""
        table = self.freqs_cis[:, : tokens.shape[1]]
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x, table)
        return self.lm_head(self.out_norm(x))


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer is the embedding."""
    del definition
    return frozenset({"embed_tokens.weight"})
