"""Models of a few hundred parameters, one per kind of loss, and the same models under other names."""

from __future__ import annotations

import re
from collections.abc import Container

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.workload.definition import WorkloadDefinition
from algoperf_check.probe.tiny import FRAME_SIZE, Heads

_WIDTH = 8


class _Images(nn.Module):
    """Convolution, batch normalisation, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 4 * 4, 4)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Images (B, 3, 8, 8) to logits (B, 4)."""
        x = F.relu(self.bn1(self.conv1(x))).flatten(1)
        return self.head(F.dropout(x, dropout_rate, self.training))


class _Clicks(nn.Module):
    """An embedding table and dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed1 = nn.Embedding(12, 5)
        self.dense1 = nn.Linear(4 + 3 * 5, 6)
        self.head = nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Four numbers and three categories (B, 7) to logits (B, 1)."""
        categories = self.embed1(x[:, 4:].long()).flatten(1)
        return self.head(F.relu(self.dense1(torch.cat([x[:, :4], categories], dim=1))))


class _Attention(nn.Module):
    """Separate or fused projections. Keys have no bias: its gradient would be only rounding errors."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "qkv":
            self.in_proj = nn.Linear(_WIDTH, 3 * _WIDTH, bias=False)
        else:
            self.q_proj = nn.Linear(_WIDTH, _WIDTH)
        if kind == "kv":
            self.kv_proj = nn.Linear(_WIDTH, 2 * _WIDTH, bias=False)
        elif kind == "apart":
            self.k_proj = nn.Linear(_WIDTH, _WIDTH, bias=False)
            self.v_proj = nn.Linear(_WIDTH, _WIDTH)
        self.out_proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "qkv":
            query, key, value = self.in_proj(x).chunk(3, dim=-1)
        elif self.kind == "kv":
            query, (key, value) = self.q_proj(x), self.kv_proj(x).chunk(2, dim=-1)
        else:
            query, key, value = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        return self.out_proj(torch.softmax(query @ key.transpose(1, 2) / _WIDTH**0.5, dim=-1) @ value)


class _Tokens(nn.Module):
    """Embedding, attention, layer normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.embed1 = nn.Embedding(10, _WIDTH)
        self.norm1 = nn.LayerNorm(_WIDTH)
        self.attention1 = _Attention("apart")
        self.attention2 = _Attention("qkv")
        self.attention3 = _Attention("kv")
        self.head = nn.Linear(_WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens (B, 6) to logits (B, 6, 10)."""
        x = self.embed1(x)
        for attention in (self.attention1, self.attention2, self.attention3):
            x = x + attention(self.norm1(x))
        return self.head(x)


class _ScaledAttention(nn.Module):
    """Causal, without biases; a parameter without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj = nn.Linear(_WIDTH, 3 * _WIDTH, bias=False)
        self.attn_scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.in_proj(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(self.attn_scale * query, key, value, is_causal=True)


class _Text(nn.Module):
    """An embedding that is the output layer too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed1 = nn.Embedding(10, _WIDTH)
        self.norm1 = nn.LayerNorm(_WIDTH, bias=False)
        self.attention1 = _ScaledAttention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens (B, 6) to logits (B, 6, 10) of the next ones."""
        x = self.embed1(x)
        return F.linear(x + self.attention1(self.norm1(x)), self.embed1.weight)


class _Speech(nn.Module):
    """Samples with paddings, a convolution over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(FRAME_SIZE, _WIDTH, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(_WIDTH)
        self.head = nn.Linear(_WIDTH, 6)

    def forward(self, inputs: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, 60) and paddings (B, 60), in frames of 5, to logits (B, 12, 6) and paddings (B, 12)."""
        x, paddings = inputs[0].unflatten(1, (-1, FRAME_SIZE)), inputs[1][:, ::FRAME_SIZE]
        x = (x * (1 - paddings[..., None])).transpose(1, 2)
        return self.head(F.relu(self.bn1(self.conv1(x))).transpose(1, 2)), paddings


class _Pictures(nn.Module):
    """Image to image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm1 = nn.GroupNorm(1, 4)
        self.conv_head = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Images (B, 8, 8) to images (B, 8, 8)."""
        y = F.relu(self.norm1(self.conv1(x[:, None])))
        return self.conv_head(F.dropout(y, dropout_rate, self.training))[:, 0]


_MODELS: dict[str, type[nn.Module]] = {
    "images": _Images,
    "clicks": _Clicks,
    "tokens": _Tokens,
    "text": _Text,
    "speech": _Speech,
    "pictures": _Pictures,
}


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition, under its usual or other names."""
    model = _MODELS[definition.model["task"]]()
    names = definition.model["names"]
    return model if names == "plain" else _Renamed(model, reverse=names == "reordered")


def output_params(definition: WorkloadDefinition) -> Container[str]:
    """The output layer's names, with any prefix or suffix."""
    del definition
    return Heads()


def train_weights(definition: WorkloadDefinition) -> bool:
    """Whether training batches carry a mask, as some published ones do."""
    return bool(definition.model["task"] == "images")


class _Renamed(nn.Module):
    """The layers of a model under other names, registered in the opposite order if `reverse`.

    The model itself does the computation but is not a registered submodule.
    """

    def __init__(self, model: nn.Module, reverse: bool) -> None:
        super().__init__()
        layers = list(model.named_children())
        for index, (name, layer) in enumerate(reversed(layers) if reverse else layers):
            # Numbers change too; words stay, because parameter types are derived from them.
            shifted = re.sub(r"\d+$", lambda digits: str(int(digits[0]) + 7), name)
            self.add_module(f"m{index:02d}_{shifted}", layer)
        self._computes = (model,)  # in a tuple, so that torch does not register it
        self.forward = model.forward

    def train(self, mode: bool = True) -> _Renamed:
        """Also set the mode of the model, which applies dropout."""
        self._computes[0].train(mode)
        return super().train(mode)
